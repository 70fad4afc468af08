// "warm dark:1.4 -busy" as the fused graph takes it. ASCII letters become lower case here; what else
// has a lower case is passed on as it is typed: fold it before, with ICU for instance.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace t2a {

// Bad input: the text is one sentence for a person.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

constexpr double kMostWeight = 4;

// A number of 0 to `most`, and nothing behind it.
inline double number(const std::string& name, const std::string& text, double most) {
  std::size_t used = 0;
  double value = -1;
  try {
    value = std::stod(text, &used);
  } catch (const std::logic_error&) {
  }
  if (used != text.size() || !(value >= 0 && value <= most)) {
    throw UsageError("The " + name + " is \"" + text + "\"; expected a number from 0 to " +
                     std::to_string(static_cast<std::int64_t>(most)) + ".");
  }
  return value;
}

struct Words {
  std::vector<std::uint8_t> text_bytes;  // (W, L), zero-padded
  std::vector<float> weights;            // (W,)
  std::size_t count = 0;

  Words(std::size_t most, std::size_t most_bytes)
      : text_bytes(most * most_bytes), weights(most), most_bytes_(most_bytes) {}

  void add(std::string token) {
    const std::string typed = token;
    float weight = 1;
    if (const auto colon = token.find(':'); colon != std::string::npos) {
      weight = static_cast<float>(number("weight of " + typed, token.substr(colon + 1), kMostWeight));
      token.resize(colon);
    }
    if (!token.empty() && token[0] == '-') {
      weight = -weight;
      token.erase(0, 1);
    }
    if (token.empty() || token[0] == '-') {
      throw UsageError("The prompt has \"" + typed + "\"; expected an adjective such as dark, dark:1.4 or -dark.");
    }
    if (token.size() > most_bytes_) {
      throw UsageError("\"" + typed + "\" has more than " + std::to_string(most_bytes_) + " bytes. Shorten it.");
    }
    if (count == weights.size()) {
      throw UsageError("The prompt has more than " + std::to_string(count) + " adjectives. Leave some out.");
    }
    for (std::size_t i = 0; i < token.size(); ++i) {
      const char c = token[i];
      text_bytes[count * most_bytes_ + i] =
          static_cast<std::uint8_t>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    weights[count++] = weight;
  }

  // Adjectives between white space, commas and semicolons.
  void add_all(const std::string& prompt) {
    constexpr char kBetween[] = " \t\r\n,;";
    for (std::size_t at = prompt.find_first_not_of(kBetween); at != std::string::npos;) {
      const std::size_t end = prompt.find_first_of(kBetween, at);
      add(prompt.substr(at, end == std::string::npos ? end : end - at));
      at = prompt.find_first_not_of(kBetween, end);
    }
  }

 private:
  std::size_t most_bytes_;
};

}  // namespace t2a
