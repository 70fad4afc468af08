// The noise of t2a-edge, from its specification: docs/noise.md. C++17, no dependency.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace t2a::noise {

constexpr std::uint64_t P = (std::uint64_t{1} << 31) - 1;
constexpr std::uint32_t L = 32749;
constexpr double kSteps = 4096;  // of a Gumbel value, from one whole number to the next

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

// A multiple of 1/4096.
inline double gumbel(std::uint32_t at) {
  return std::nearbyint(-std::log(-std::log((at + 0.5) / L)) * kSteps) / kSteps;
}

// Gumbel values of one code over a square grid, row by row; `first` is its first position.
inline std::vector<double> grid(std::uint64_t seed, std::uint64_t first, int side,
                                std::uint32_t code) {
  std::vector<double> noise;
  for (int i = 0; i < side * side; ++i) noise.push_back(gumbel(level(keys(seed, first + i), code)));
  return noise;
}

// The largest of what a position's neighbours along one axis have, each moved by the logarithm of
// its weight. `stride` goes from a place of the axis to the next, `other` from line to line.
inline std::vector<double> along_axis(const std::vector<double>& noise, int side, double radius,
                                      int stride, int other) {
  const int reach = std::min(side - 1, static_cast<int>(std::ceil(2.5 * radius)));
  const auto bell = [radius](int d) { return std::exp(-0.5 * (d / radius) * (d / radius)); };
  std::vector<double> shared(noise.size(), -std::numeric_limits<double>::infinity());
  for (int t = 0; t < side; ++t) {
    const int from = std::max(-reach, -t), to = std::min(reach, side - 1 - t);
    double sum = 0;
    for (int d = from; d <= to; ++d) sum += bell(d);
    for (int d = from; d <= to; ++d) {
      const double log = std::nearbyint(std::log(bell(d) / sum) * kSteps) / kSteps;
      for (int line = 0; line < side; ++line) {
        double& here = shared[t * stride + line * other];
        here = std::max(here, noise[(t + d) * stride + line * other] + log);
      }
    }
  }
  return shared;
}

// Noise that neighbours on a square grid share; a radius of 0 changes nothing.
inline std::vector<double> coherent(const std::vector<double>& noise, double radius) {
  const int side = static_cast<int>(std::lround(std::sqrt(static_cast<double>(noise.size()))));
  if (radius == 0 || side == 1) return noise;
  return along_axis(along_axis(noise, side, radius, side, 1), side, radius, 1, side);
}

}  // namespace t2a::noise
