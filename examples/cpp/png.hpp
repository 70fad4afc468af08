// A PNG file of RGB bytes. Nothing is compressed ("stored" blocks), so that no library is needed.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace t2a {

using Bytes = std::vector<std::uint8_t>;

inline void put32(Bytes& to, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) to.push_back(static_cast<std::uint8_t>(value >> shift));
}

inline std::uint32_t crc32(const std::uint8_t* bytes, std::size_t size) {
  std::uint32_t crc = 0xFFFFFFFF;
  for (std::size_t i = 0; i < size; ++i) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? 0xEDB88320 ^ (crc >> 1) : crc >> 1;
  }
  return ~crc;
}

inline void put_chunk(Bytes& to, const std::string& name, const Bytes& data) {
  put32(to, static_cast<std::uint32_t>(data.size()));
  const std::size_t start = to.size();
  to.insert(to.end(), name.begin(), name.end());
  to.insert(to.end(), data.begin(), data.end());
  put32(to, crc32(to.data() + start, to.size() - start));
}

inline Bytes stored(const Bytes& raw) {
  constexpr std::size_t kMost = 65535;  // of one block
  Bytes out{0x78, 0x01};
  std::uint32_t a = 1, b = 0;  // Adler-32
  for (std::size_t at = 0; at < raw.size(); at += kMost) {
    const std::size_t size = std::min(kMost, raw.size() - at);
    const auto length = static_cast<std::uint16_t>(size), not_length = static_cast<std::uint16_t>(~size);
    out.push_back(at + size == raw.size());
    for (const std::uint16_t half : {length, not_length}) {
      out.push_back(half & 0xFF);
      out.push_back(half >> 8);
    }
    for (std::size_t i = at; i < at + size; ++i) {
      out.push_back(raw[i]);
      a = (a + raw[i]) % 65521;
      b = (b + a) % 65521;
    }
  }
  put32(out, b << 16 | a);
  return out;
}

// (height, width, 3) bytes, row by row; `about` is JSON, kept where t2a_edge/image.py keeps it.
inline Bytes png(const std::uint8_t* pixels, std::uint32_t width, std::uint32_t height, const std::string& about) {
  Bytes file{0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  Bytes header;
  put32(header, width);
  put32(header, height);
  for (const int value : {8, 2, 0, 0, 0}) header.push_back(static_cast<std::uint8_t>(value));
  Bytes rows;
  for (std::uint32_t y = 0; y < height; ++y) {
    rows.push_back(0);  // this row's filter: none
    rows.insert(rows.end(), pixels + y * 3 * width, pixels + (y + 1) * 3 * width);
  }
  put_chunk(file, "IHDR", header);
  const std::string entry = std::string("t2a-edge\0\0\0\0\0", 13) + about;  // not compressed, no language
  put_chunk(file, "iTXt", Bytes(entry.begin(), entry.end()));
  put_chunk(file, "IDAT", stored(rows));
  put_chunk(file, "IEND", {});
  return file;
}

}  // namespace t2a
