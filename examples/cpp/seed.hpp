// Seeds that are texts: docs/noise.md.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

namespace t2a::seed {

constexpr std::uint64_t kMost = (std::uint64_t{1} << 53) - 1;

namespace detail {

inline std::uint32_t turned(std::uint32_t x, int by) { return (x >> by) | (x << (32 - by)); }

// The first 32 bits behind the point of a root: SHA-256's constants are those of the first primes.
inline std::uint32_t fraction(long double root) {
  return static_cast<std::uint32_t>(std::floor((root - std::floor(root)) * 4294967296.0L));
}

inline std::array<std::uint32_t, 64> primes() {
  std::array<std::uint32_t, 64> found{};
  std::size_t count = 0;
  for (std::uint32_t n = 2; count < found.size(); ++n) {
    const auto divides = [n](std::uint32_t prime) { return n % prime == 0; };
    if (std::none_of(found.begin(), found.begin() + count, divides)) found[count++] = n;
  }
  return found;
}

inline void mix(std::array<std::uint32_t, 8>& state, const unsigned char* block,
                const std::array<std::uint32_t, 64>& rounds) {
  std::array<std::uint32_t, 64> w{};
  for (int i = 0; i < 16; ++i) {
    for (int byte = 0; byte < 4; ++byte) w[i] = w[i] << 8 | block[4 * i + byte];
  }
  for (int i = 16; i < 64; ++i) {
    const auto x = w[i - 15], y = w[i - 2];
    w[i] = w[i - 16] + (turned(x, 7) ^ turned(x, 18) ^ (x >> 3)) + w[i - 7] +
           (turned(y, 17) ^ turned(y, 19) ^ (y >> 10));
  }
  auto [a, b, c, d, e, f, g, h] = state;
  for (int i = 0; i < 64; ++i) {
    const auto one = h + (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) + ((e & f) ^ (~e & g)) + rounds[i] + w[i];
    const auto two = (turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + one, d = c, c = b, b = a, a = one + two;
  }
  const std::array<std::uint32_t, 8> added{a, b, c, d, e, f, g, h};
  for (int i = 0; i < 8; ++i) state[i] += added[i];
}

// The first 8 bytes of a text's SHA-256 (FIPS 180-4), as a number.
inline std::uint64_t sha256_start(std::string text) {
  std::array<std::uint32_t, 64> rounds{};
  std::array<std::uint32_t, 8> state{};
  const auto first = primes();
  for (int i = 0; i < 64; ++i) rounds[i] = fraction(std::cbrt(static_cast<long double>(first[i])));
  for (int i = 0; i < 8; ++i) state[i] = fraction(std::sqrt(static_cast<long double>(first[i])));
  const std::uint64_t bits = 8 * static_cast<std::uint64_t>(text.size());
  text += '\x80';
  text.resize((text.size() + 8 + 63) / 64 * 64, '\0');
  for (int byte = 0; byte < 8; ++byte) text[text.size() - 1 - byte] = static_cast<char>(bits >> (8 * byte));
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  for (std::size_t block = 0; block < text.size(); block += 64) mix(state, bytes + block, rounds);
  return static_cast<std::uint64_t>(state[0]) << 32 | state[1];
}

}  // namespace detail

// The seed of a text in UTF-8: the number of its digits, or 53 bits of its SHA-256. False where it is none.
inline bool of_text(const std::string& text, std::uint64_t& seed) {
  const char* const white = " \t\n\v\f\r";
  const auto start = text.find_first_not_of(white);
  if (start == std::string::npos) return false;
  const auto own = text.substr(start, text.find_last_not_of(white) - start + 1);
  if (own.find_first_not_of("0123456789") == std::string::npos) {
    const auto digits = own.substr(std::min(own.find_first_not_of('0'), own.size() - 1));
    if (digits.size() > 16) return false;
    seed = std::stoull(digits);
    return seed <= kMost;
  }
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80;
  };
  if (std::none_of(own.begin(), own.end(), letter)) return false;
  seed = detail::sha256_start(own) & kMost;
  return true;
}

}  // namespace t2a::seed
