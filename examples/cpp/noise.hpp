// The noise of t2a-edge, from its specification: docs/noise.md. C++17, no dependency.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace t2a::noise {

constexpr std::uint64_t P = (std::uint64_t{1} << 31) - 1;
constexpr std::uint32_t L = 32749;
constexpr double kSteps = 4096;  // of a value, from one whole number to the next

constexpr std::uint64_t quintic(std::uint64_t x) {
  x %= P;
  const std::uint64_t square = x * x % P;
  return square * square % P * x % P;
}

// The three keys of a position; the seed is below 2^53.
inline std::array<std::uint32_t, 3> keys(std::uint64_t seed, std::uint64_t position) {
  constexpr std::uint64_t half = std::uint64_t{1} << 30;
  std::uint64_t k = quintic(seed % half + 0x1F123BB5);
  k = quintic(k + seed / half + 0x05491333);
  k = quintic(k + position * 0x2545F491 + 0x3C6EF372);
  k = quintic(k + 0x1B873593);
  std::array<std::uint32_t, 3> found{};
  for (std::uint64_t i = 1; i <= 3; ++i) {
    found[i - 1] = static_cast<std::uint32_t>(quintic(k + i * 0x27D4EB2F) % L);
  }
  return found;
}

// (code + 4099)^5 modulo L.
constexpr std::uint32_t point(std::uint32_t code) {
  const std::uint32_t base = (code + 4099) % L;
  const std::uint32_t square = base * base % L;
  return square * square % L * base % L;
}

// 0 to 32748; no intermediate value needs more than 32 bits.
inline std::uint32_t level(const std::array<std::uint32_t, 3>& key, std::uint32_t code) {
  const std::uint32_t x = point(code);
  return (key[0] * x + key[1] * (x * x % L) + key[2]) % L;
}

// A standard Gumbel value, a multiple of 1/4096.
inline double gumbel(std::uint32_t at) {
  return std::nearbyint(-std::log(-std::log((at + 0.5) / L)) * kSteps) / kSteps;
}

template <std::size_t N>
double polynomial(const std::array<double, N>& coefficients, double x) {
  double sum = 0;
  for (const double coefficient : coefficients) sum = sum * x + coefficient;  // from the highest power down
  return sum;
}

// Inverse of the standard normal distribution function, for shares from 1e-11 to 1 - 1e-11: Wichura 1988, AS 241.
inline double probit(double share) {
  constexpr std::array<double, 8> kMiddle{2509.0809287301226727,  33430.575583588128105, 67265.770927008700853,
                                          45921.953931549871457,  13731.693765509461125, 1971.5909503065514427,
                                          133.14166789178437745,  3.387132872796366608};
  constexpr std::array<double, 8> kBelowMiddle{5226.495278852545925,  28729.085735721942674, 39307.89580009271061,
                                               21213.794301586595867, 5394.196021424751107,  687.1870074920579083,
                                               42.313330701600911252, 1};
  constexpr std::array<double, 8> kOuter{7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177,
                                         1.27045825245236838258,   3.64784832476320460504,   5.7694972214606914055,
                                         4.6303378461565452959,    1.42343711074968357734};
  constexpr std::array<double, 8> kBelowOuter{1.05075007164441684324e-9, 5.475938084995344946e-4,
                                              0.0151986665636164571966,  0.14810397642748007459,
                                              0.68976733498510000455,    1.6763848301838038494,
                                              2.05319162663775882187,    1};
  const double away = share - 0.5;
  if (std::abs(away) <= 0.425) {
    const double x = 0.180625 - away * away;
    return away * polynomial(kMiddle, x) / polynomial(kBelowMiddle, x);
  }
  const double x = std::sqrt(-std::log(share < 0.5 ? share : 1 - share)) - 1.6;
  return std::copysign(polynomial(kOuter, x) / polynomial(kBelowOuter, x), away);
}

// A standard normal value, a multiple of 1/4096.
inline double normal(std::uint32_t at) {
  return std::nearbyint(probit((at + 0.5) / L) * kSteps) / kSteps + 0.0;
}

}  // namespace t2a::noise
