// The noise of t2a-edge, from its specification: docs/noise.md. C++17, no dependency.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

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

}  // namespace t2a::noise
