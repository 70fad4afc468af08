// One spelling for all that looks alike: t2a_edge/spelling.py, as far as it goes without tables of all
// of Unicode. A character that would have to be normalised and is not in these tables is refused.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace t2a {

// Bad input: the text is one sentence for a person.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

constexpr char32_t kMark = U'"';  // what every quote and bracket is spelled as
constexpr char32_t kLongDash = 0x2014;
constexpr std::u32string_view kInside = U"'\u00b7";  // belong to a word where it goes on at both sides
constexpr std::u32string_view kNoLetters = U" ,:.-\"\u2014";
constexpr std::size_t kShownCharacters = 40;

inline bool among(char32_t c, std::u32string_view set) { return set.find(c) != set.npos; }
inline bool digit(char32_t c) { return c >= U'0' && c <= U'9'; }

inline std::string utf8_of(std::u32string_view text) {
  std::string bytes;
  for (const char32_t c : text) {
    const auto put = [&bytes](char32_t byte) { bytes += static_cast<char>(byte); };
    if (c < 0x80) {
      put(c);
    } else if (c < 0x800) {
      put(0xC0 | c >> 6), put(0x80 | (c & 63));
    } else if (c < 0x10000) {
      put(0xE0 | c >> 12), put(0x80 | (c >> 6 & 63)), put(0x80 | (c & 63));
    } else {
      put(0xF0 | c >> 18), put(0x80 | (c >> 12 & 63)), put(0x80 | (c >> 6 & 63)), put(0x80 | (c & 63));
    }
  }
  return bytes;
}

inline std::u32string utf32_of(const std::string& bytes) {
  constexpr char32_t kLeast[] = {0, 0x80, 0x800, 0x10000};  // that needs so many bytes more
  std::u32string text;
  for (std::size_t at = 0; at < bytes.size();) {
    const auto first = static_cast<unsigned char>(bytes[at++]);
    const int more = first < 0x80 ? 0 : first < 0xC0 ? -1 : first < 0xE0 ? 1 : first < 0xF0 ? 2 : first < 0xF8 ? 3 : -1;
    char32_t c = more <= 0 ? first : first & (0x3F >> more);
    bool right = more >= 0 && at + static_cast<std::size_t>(std::max(more, 0)) <= bytes.size();
    for (int i = 0; right && i < more; ++i) {
      const auto byte = static_cast<unsigned char>(bytes[at++]);
      right = byte >> 6 == 2;
      c = c << 6 | (byte & 63);
    }
    if (!right || c < kLeast[more] || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) {
      throw UsageError("The prompt is not valid UTF-8; expected text. Type the adjectives again.");
    }
    text += c;
  }
  return text;
}

inline std::string shown(const std::u32string& text) {
  if (text.size() <= kShownCharacters) return '"' + utf8_of(text) + '"';
  return '"' + utf8_of(text.substr(0, kShownCharacters - 1)) + "\u2026\"";
}

inline bool space(char32_t c) {
  return (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x20) || (c >= 0x2000 && c <= 0x200A) ||
         among(c, U"\u0085\u00a0\u1680\u2028\u2029\u202f\u205f\u3000");
}

// Zero-width, bidirectional and other format characters; fillers; variation selectors.
inline bool unseen(char32_t c) {
  return (c >= 0x200B && c <= 0x200F) || (c >= 0x202A && c <= 0x202E) || (c >= 0x2060 && c <= 0x2064) ||
         (c >= 0x2066 && c <= 0x206F) || (c >= 0xFE00 && c <= 0xFE0F) || (c >= 0x180B && c <= 0x180F) ||
         (c >= 0xE0000 && c <= 0xE0FFF) ||
         among(c, U"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u3164\ufeff\uffa0");
}

// Letters and symbols that normalisation and case folding leave as they are, whatever is beside them.
inline bool stays(char32_t c) {
  constexpr std::pair<char32_t, char32_t> kRanges[] = {
      {0xE0, 0xF6}, {0xF8, 0xFF}, {0x153, 0x153}, {0x161, 0x161}, {0x17E, 0x17E},  // Latin
      {0x3AC, 0x3C1}, {0x3C3, 0x3CE}, {0x430, 0x45F}, {0x5D0, 0x5EA}, {0x620, 0x64A},
      {0x904, 0x939}, {0xE01, 0xE30},  // Greek, Cyrillic, Hebrew, Arabic, Devanagari, Thai
      {0x3041, 0x3096}, {0x30A1, 0x30FA}, {0x30FC, 0x30FC}, {0x3400, 0x9FFF}, {0xAC00, 0xD7A3},
      {0x2500, 0x25B6}, {0x25B8, 0x25C0}, {0x25C2, 0x25F7}, {0x2600, 0x266E}, {0x2670, 0x2767},
      {0x2794, 0x27BF}, {0x1F1E6, 0x1F1FF}, {0x1F300, 0x1F6D7}, {0x1F7E0, 0x1F7EB}, {0x1F900, 0x1FA53},
      {0x1FA90, 0x1FAAC}, {0x1FAB0, 0x1FABA}, {0x1FAD0, 0x1FAD9}};  // drawings and emoji
  return std::any_of(std::begin(kRanges), std::end(kRanges),
                     [c](const auto& range) { return c >= range.first && c <= range.second; });
}

// A letter and the accent behind it as one letter; 0 where they are none of these.
inline char32_t composed(char32_t letter, char32_t accent) {
  constexpr struct {
    char32_t accent;
    std::u32string_view letters, together;
  } kAccents[] = {{0x300, U"aeiou", U"\u00e0\u00e8\u00ec\u00f2\u00f9"},
                  {0x301, U"aeiouy", U"\u00e1\u00e9\u00ed\u00f3\u00fa\u00fd"},
                  {0x302, U"aeiou", U"\u00e2\u00ea\u00ee\u00f4\u00fb"},
                  {0x303, U"ano", U"\u00e3\u00f1\u00f5"},
                  {0x308, U"aeiouy", U"\u00e4\u00eb\u00ef\u00f6\u00fc\u00ff"},
                  {0x30A, U"a", U"\u00e5"},
                  {0x30C, U"sz", U"\u0161\u017e"},
                  {0x327, U"c", U"\u00e7"}};
  for (const auto& row : kAccents) {
    const std::size_t at = row.letters.find(letter);
    if (row.accent == accent && at != row.letters.npos) return row.together[at];
  }
  return 0;
}

inline char32_t lower(char32_t c) {
  if ((c >= U'A' && c <= U'Z') || (c >= 0xC0 && c <= 0xDE && c != 0xD7)) return c + 32;
  if ((c >= 0x391 && c <= 0x3AB && c != 0x3A2) || (c >= 0x410 && c <= 0x42F)) return c + 32;  // Greek, Cyrillic
  if (c >= 0x400 && c <= 0x40F) return c + 80;
  if (among(c, U"\u0152\u0160\u017d")) return c + 1;
  return c == 0x3C2 ? 0x3C3 : c;  // the sigma at the end of a word
}

// What a character is in a prompt; it is lower case already.
inline char32_t character(char32_t c) {
  if (space(c)) return U' ';
  if (among(c, U"'`\u00b4\u2018\u2019\u201b\u2032\u02b9\u02bb\u02bc\u055a")) return U'\'';
  if (among(c, U":\u2236\ua789")) return U':';
  if (among(c, U".\u066b\u2024")) return U'.';
  if (among(c, U"\u2014\u2015\u2e3a\u2e3b\ufe58")) return kLongDash;
  if (among(c, U"\"*<>()[]{}_\u00ab\u00bb\u2039\u203a\u201a\u201c\u201d\u201e\u201f")) return kMark;
  if ((c >= 0x3008 && c <= 0x3011) || (c >= 0x3014 && c <= 0x301B)) return kMark;
  if (among(c, U"\u301d\u301e\u301f\u2308\u2309")) return kMark;
  if (c == U',' || c == 0xB7) return c;
  if (among(c, U"-\u058a\u05be\u2010\u2011\u2012\u2013\u2212\ufe63")) return U'-';
  if (among(c, U"!#$%&+/;=?@\\^|~\u00a1\u00a7\u00b6\u00bf\u00d7\u00f7\u037e\u055d\u060c\u061b\u061f\u1363\u1802"
               U"\u2020\u2021\u2022\u2030\u2043\u3001\u3002\u30fb\ufe51\uff61\uff64")) {
    return U' ';
  }
  if (stays(c) || digit(c) || (c >= U'a' && c <= U'z')) return c;
  char code[16];
  std::snprintf(code, sizeof code, "U+%04X", static_cast<unsigned>(c));
  throw UsageError("The prompt has " + shown(std::u32string(1, c)) + " (" + code +
                   "), which this program cannot normalise; type it another way, such as in lower case.");
}

// What depends on the neighbours: apostrophes, long dashes, decimal commas.
inline std::u32string in_place(const std::u32string& text) {
  std::u32string found;
  bool number = false;  // whether only digits stand behind a colon
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char32_t before = at ? text[at - 1] : U' ', after = at + 1 < text.size() ? text[at + 1] : U' ';
    const auto part_of_word = [](char32_t c) { return !among(c, kNoLetters) && !among(c, kInside); };
    char32_t c = text[at];
    if (among(c, kInside) && !(part_of_word(before) && part_of_word(after))) {
      c = c == U'\'' ? kMark : U' ';
    } else if (c == kLongDash) {
      c = among(before, kNoLetters) || among(after, kNoLetters) ? U'-' : U' ';
    } else if (c == U',' && number && digit(before) && digit(after)) {
      c = U'.';
    }
    number = c == U':' || (number && (digit(c) || c == U' ' || c == kMark));
    found += c;
  }
  return found;
}

// Folded letters; one character each for spaces, marks, dashes and colons.
inline std::u32string spelled(const std::string& typed) {
  std::u32string plain;
  const std::u32string text = utf32_of(typed);
  for (const char32_t c : text) {
    if ((c < 32 && !space(c)) || (c >= 0x7F && c < 0xA0 && c != 0x85)) {
      char code[16];
      std::snprintf(code, sizeof code, "U+%04X", static_cast<unsigned>(c));
      throw UsageError(std::string("The prompt has the control character ") + code +
                       "; expected adjectives. Type them again without it.");
    }
  }
  for (char32_t c : text) {
    if (unseen(c)) continue;
    if (c >= 0xFF01 && c <= 0xFF5E) c -= 0xFEE0;  // wide ASCII
    if (c == 0x2025 || c == 0x2026) {
      plain += c == 0x2025 ? U".." : U"...";
      continue;
    }
    c = lower(c);
    const char32_t together = plain.empty() ? 0 : composed(plain.back(), c);
    if (together) {
      plain.back() = together;
    } else if (c == 0xDF || c == 0x1E9E) {
      plain += U"ss";
    } else {
      plain += character(c);
    }
  }
  return in_place(plain);
}

}  // namespace t2a
