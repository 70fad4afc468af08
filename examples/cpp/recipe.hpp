// The recipe of a picture: its indices as a short text, in the format of t2a_edge/recipe.py.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "png.hpp"

namespace t2a {

// URL-safe, without padding.
inline std::string base64_of(const Bytes& bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string text;
  std::uint32_t held = 0;
  int bits = 0;
  for (const std::uint8_t byte : bytes) {
    held = (held << 8 | byte) & 0xFFFF;
    for (bits += 8; bits >= 6; bits -= 6) text += kDigits[held >> (bits - 6) & 63];
  }
  if (bits) text += kDigits[held << (6 - bits) & 63];
  return text;
}

// Args: checkpoint is a sha256 in hexadecimal; the picture is plain, `side` pixels wide and high.
inline std::string recipe_of(const std::int64_t* indices, std::size_t count, std::uint32_t codebook_size,
                             const std::string& checkpoint, std::uint32_t side) {
  Bytes whole{3};  // version
  for (int i = 0; i < 8; ++i) {
    whole.push_back(static_cast<std::uint8_t>(std::stoi(checkpoint.substr(2 * i, 2), nullptr, 16)));
  }
  for (const int value : {0, 2, 2}) whole.push_back(static_cast<std::uint8_t>(value));  // flags; halves
  put32(whole, 0);  // left and top
  put32(whole, side << 16 | side);
  int width = 1;
  while (1u << width < codebook_size) ++width;
  std::uint32_t held = 0;
  int bits = 0;
  for (std::size_t i = 0; i < count; ++i) {
    held = held << width | static_cast<std::uint32_t>(indices[i]);
    for (bits += width; bits >= 8; bits -= 8) whole.push_back(static_cast<std::uint8_t>(held >> (bits - 8)));
    held &= (1u << bits) - 1;
  }
  if (bits) whole.push_back(static_cast<std::uint8_t>(held << (8 - bits)));
  put32(whole, crc32(whole.data(), whole.size()));
  return base64_of(whole);
}

}  // namespace t2a
