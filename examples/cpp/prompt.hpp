// "a warm, dark:1.4 and not busy picture" as the fused graph takes it: t2a_edge/prompt.py in C++.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "spelling.hpp"

namespace t2a {

constexpr double kMostWeight = 4;
inline const char kGroup[] =
    "The prompt has a minus or a weight at a quote or bracket that is around several adjectives; "
    "expected one of its own for each, such as \"-busy -dense\" or \"warm:1.4 dark:1.4\".";

// A number without a sign, as a weight is written; below 0 where the text is none.
inline double unsigned_number(const std::string& text) {
  std::size_t at = 0, digits = 0;
  const auto run = [&text, &at] {
    const std::size_t start = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
    return at - start;
  };
  digits = run();
  if (at < text.size() && text[at] == '.') ++at, digits += run();
  if (digits && at < text.size() && text[at] == 'e') {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    if (!run()) return -1;
  }
  return digits && at == text.size() ? std::strtod(text.c_str(), nullptr) : -1;
}

// A number of 0 to `most`, and nothing behind it.
inline double number(const std::string& name, const std::string& text, double most) {
  const double value = unsigned_number(text);
  if (!(value >= 0 && value <= most)) {
    throw UsageError("The " + name + " is \"" + text + "\"; expected a number from 0 to " +
                     std::to_string(static_cast<std::int64_t>(most)) + ".");
  }
  return value;
}

// As few digits as say the number exactly.
inline std::string digits_of(double value) {
  char text[32];
  for (int precision = 1; precision <= 17; ++precision) {
    std::snprintf(text, sizeof text, "%.*g", precision, value);
    if (std::strtod(text, nullptr) == value) break;
  }
  return text;
}

struct Term {
  std::u32string word;
  double weight;
};

struct Token {
  std::u32string text;
  bool opens;  // a mark opens before it that closes behind another
};

inline std::u32string stripped(std::u32string text, char32_t start, char32_t end) {
  while (start && !text.empty() && text.front() == start) text.erase(0, 1);
  while (end && !text.empty() && text.back() == end) text.pop_back();
  return text;
}

inline bool begins(const std::u32string& text, std::u32string_view start) {
  return text.compare(0, start.size(), start) == 0;
}

// The words of a part: a mark, a full stop that is not in a number, or "--" separates them.
inline std::vector<std::u32string> pieces_of(const std::u32string& part) {
  std::vector<std::u32string> pieces(1);
  for (std::size_t at = 0; at < part.size(); ++at) {
    const char32_t c = part[at], before = at ? part[at - 1] : U' ';
    const char32_t after = at + 1 < part.size() ? part[at + 1] : U' ';
    const bool dashes = c == U'-' && after == U'-' && at && before != U'-';
    if (dashes) {
      while (at + 1 < part.size() && part[at + 1] == U'-') ++at;
    }
    if (dashes || c == kMark || (c == U'.' && !(digit(before) && digit(after)))) {
      pieces.emplace_back();
    } else {
      pieces.back() += c;
    }
  }
  pieces.erase(std::remove(pieces.begin(), pieces.end(), std::u32string()), pieces.end());
  return pieces;
}

inline std::vector<std::u32string> parts_of(std::u32string text) {
  std::replace(text.begin(), text.end(), U',', U' ');
  std::vector<std::u32string> parts(1);
  for (std::size_t at = 0; at < text.size(); ++at) {
    const std::size_t next = text.find_first_not_of(U' ', at);
    if (text[at] != U' ') {
      parts.back() += text[at];
    } else if (next != text.npos && text[next] != U':' && (parts.back().empty() || parts.back().back() != U':')) {
      parts.emplace_back();
    }
  }
  parts.erase(std::remove(parts.begin(), parts.end(), std::u32string()), parts.end());
  return parts;
}

inline std::vector<Token> tokens_of(const std::u32string& text) {
  std::vector<Token> tokens;
  for (const auto& part : parts_of(text)) {
    const std::size_t colon = part.find(U':');
    const std::u32string word = part.substr(0, colon);
    const std::u32string number = colon == part.npos ? U"" : part.substr(colon + 1);
    const auto marked = [](const std::u32string& t) { return t.find(kMark) != t.npos; };
    const bool closes = !word.empty() && word.back() == kMark && !marked(stripped(word, 0, kMark));
    if (colon != part.npos && closes) throw UsageError(kGroup);
    std::u32string opened = stripped(word, kMark, 0);
    if (begins(opened, U"-\"")) {
      opened = U"-" + stripped(opened.substr(1), kMark, 0);
      if (!marked(opened + number)) throw UsageError(kGroup);
    }
    auto pieces = pieces_of(opened);
    if (colon != part.npos) {
      if (pieces.empty()) pieces.emplace_back();
      pieces.back() += U":" + stripped(stripped(number, kMark, kMark), 0, U'.');
    }
    const bool opens = part[0] == kMark && !marked(stripped(part, kMark, 0));
    for (std::size_t i = 0; i < pieces.size(); ++i) tokens.push_back({pieces[i], opens && i == 0});
  }
  return tokens;
}

inline UsageError no_adjective(const std::u32string& token) {
  return UsageError("The prompt has " + shown(token) + "; expected an adjective, with one minus before it if it is to be "
                    "avoided, such as \"-busy\".");
}

inline UsageError twice_avoided(const std::u32string& text) {
  return UsageError("The prompt has " + shown(text) + "; expected one \"not\" or one minus, such as \"-busy\".");
}

// Without what cannot begin a word.
inline std::u32string begun(std::u32string word) {
  while (!word.empty() && among(word[0], kInside)) word.erase(0, 1);
  return word;
}

// A token as a term; one without a word where nothing is left of it.
inline Term term_of(const std::u32string& token) {
  const std::size_t colon = token.find(U':');
  std::u32string word = begun(token.substr(0, colon));
  if (word.empty() && colon == token.npos) return {U"", 0};
  const double sign = begins(word, U"-") ? -1 : 1;
  word = stripped(begun(word.substr(sign < 0)), 0, U'-');
  if (word.empty() || word[0] == U'-') throw no_adjective(token);
  double weight = 1;
  if (colon != token.npos) {
    std::string text = utf8_of(token.substr(colon + 1));
    const bool minus = !text.empty() && text[0] == '-';
    weight = unsigned_number(text.substr(minus));
    if (!(weight >= 0 && weight <= kMostWeight) || (minus && weight > 0)) {
      throw UsageError("The prompt has " + shown(token) + "; expected a weight from 0 to 4 behind the colon, such as "
                       "\"dark:1.4\".");
    }
  }
  const auto no_letter = [](char32_t c) { return digit(c) || c == U'.' || c == U'-' || among(c, kInside); };
  if (std::all_of(word.begin(), word.end(), no_letter) || unsigned_number(utf8_of(word)) >= 0) {
    throw UsageError("The prompt has the number " + shown(word) + "; expected adjectives, and a number only as a weight "
                     "behind a colon, such as \"dark:1.4\".");
  }
  return {word, sign * weight + 0.0};
}

struct Prompt {
  std::vector<Term> terms;
  std::vector<std::u32string> others;  // what was typed beside the adjectives, each once

  // The prompt as one line.
  std::string text() const {
    std::string line;
    for (const auto& [word, weight] : terms) {
      const std::string size = digits_of(std::abs(weight));
      line += (line.empty() ? "" : " ") + std::string(weight < 0 ? "-" : "") + utf8_of(word);
      if (size != "1") line += ":" + size;
    }
    return line;
  }
};

// What is no adjective changes how the next one is read, or is left out.
inline Prompt read(const std::vector<Token>& tokens) {
  static const std::set<std::u32string> negations{U"not", U"no", U"without", U"never", U"neither", U"nor"};
  static const std::map<std::u32string, double> degrees{
      {U"slightly", 0.5}, {U"somewhat", 0.5}, {U"bit", 0.5}, {U"less", 0.5}, {U"very", 1.5}, {U"really", 1.5},
      {U"highly", 1.5}, {U"more", 1.5}, {U"extremely", 2}, {U"quite", 1}, {U"rather", 1}, {U"fairly", 1},
      {U"too", 1}, {U"so", 1}};
  static const std::set<std::u32string> left_out{
      U"a", U"an", U"the", U"this", U"that", U"which", U"it", U"is", U"as", U"in", U"of", U"with", U"and", U"or",
      U"but", U"also", U"both", U"plus", U"please", U"picture", U"pictures", U"image", U"images", U"photo",
      U"photos", U"photograph", U"photographs", U"painting", U"paintings", U"drawing", U"drawings",
      U"illustration", U"illustrations", U"artwork", U"artworks", U"art", U"colour", U"colours", U"color", U"colors"};
  Prompt prompt;
  std::u32string negation;
  double degree = 1;
  bool goes_on = false;  // whether "or" goes on with a negation
  for (const auto& [token, opens] : tokens) {
    if (opens && (!negation.empty() || degree != 1)) throw UsageError(kGroup);
    Term term = term_of(token);
    const std::u32string word = term.word;
    if (word.empty()) continue;
    const auto found = degrees.find(word);
    const bool negates = negations.count(word) > 0;
    if (!negates && found == degrees.end() && !left_out.count(word)) {
      if (!negation.empty()) {
        if (term.weight < 0) throw twice_avoided(negation + U" -" + word);
        term.weight = -term.weight + 0.0;
      } else if (degree != 1) {
        term.weight = std::copysign(std::min(std::abs(term.weight) * degree, kMostWeight), term.weight);
      }
      goes_on = !negation.empty();
      negation.clear();
      degree = 1;
      prompt.terms.push_back(term);
      continue;
    }
    if (token[0] == U'-' || token.find(U':') != token.npos) throw no_adjective(token);
    if (negates && !negation.empty()) throw twice_avoided(negation + U" " + word);
    if (negates || (word == U"or" && goes_on && negation.empty())) negation = word;
    if (found != degrees.end()) degree *= found->second;
    const auto& told = prompt.others;
    if (std::find(told.begin(), told.end(), word) == told.end()) prompt.others.push_back(word);
  }
  if (!negation.empty()) {
    throw UsageError("The prompt ends with \"" + utf8_of(negation) +
                     "\"; expected an adjective behind it, such as \"not busy\".");
  }
  return prompt;
}

inline Prompt parse_prompt(const std::string& typed, std::size_t most_words, std::size_t most_bytes) {
  Prompt prompt = read(tokens_of(spelled(typed)));
  if (prompt.terms.empty()) {
    throw UsageError("The prompt has no adjectives; type some, such as \"warm dark fluid\".");
  }
  if (prompt.terms.size() > most_words) {
    throw UsageError("The prompt has " + std::to_string(prompt.terms.size()) + " adjectives; expected at most " +
                     std::to_string(most_words) + ". Leave some out.");
  }
  for (const auto& term : prompt.terms) {
    const std::size_t size = utf8_of(term.word).size();
    if (size > most_bytes) {
      throw UsageError("The adjective " + shown(term.word) + " has " + std::to_string(size) + " bytes; expected at most " +
                       std::to_string(most_bytes) + ". Shorten it.");
    }
  }
  return prompt;
}

// The terms as the model takes them: text bytes (W, L), zero-padded, and word weights (W,).
inline std::pair<std::vector<std::uint8_t>, std::vector<float>> model_inputs(
    const Prompt& prompt, std::size_t most_words, std::size_t most_bytes) {
  std::vector<std::uint8_t> text_bytes(most_words * most_bytes);
  std::vector<float> weights(most_words);
  for (std::size_t row = 0; row < prompt.terms.size(); ++row) {
    const std::string word = utf8_of(prompt.terms[row].word);
    std::copy(word.begin(), word.end(), text_bytes.begin() + static_cast<std::ptrdiff_t>(row * most_bytes));
    weights[row] = static_cast<float>(prompt.terms[row].weight);
  }
  return {text_bytes, weights};
}

}  // namespace t2a
