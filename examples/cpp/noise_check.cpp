// Prints noise for a test to compare: one question a line on standard input, one answer a line.
//
//   keys SEED POSITION                            three keys
//   level SEED POSITION CODE                      level, its Gumbel value and its normal value
//   normals FIRST END                             the normal values of some levels
//   seed HEXADECIMAL                              the seed of a text, given as its bytes; "none" where it is none
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>

#include "noise.hpp"
#include "seed.hpp"

namespace {

bool seed_answer(const std::string& bytes) {
  std::string text;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) text += static_cast<char>(std::stoi(bytes.substr(i, 2), nullptr, 16));
  std::uint64_t seed = 0;
  if (t2a::seed::of_text(text, seed)) std::printf("%llu", static_cast<unsigned long long>(seed));
  else std::printf("none");
  return true;
}

bool answer(std::istringstream& words) {
  std::string what, bytes;
  if (words.str().rfind("seed", 0) == 0) {
    words >> what >> bytes;
    return seed_answer(bytes);
  }
  std::uint64_t seed = 0, position = 0;
  if (!(words >> what >> seed >> position)) return false;
  if (what == "normals") {
    for (auto level = seed; level < position; ++level) {
      std::printf("%.17g ", t2a::noise::normal(static_cast<std::uint32_t>(level)));
    }
    return true;
  }
  if (what == "keys") {
    for (const auto key : t2a::noise::keys(seed, position)) std::printf("%u ", key);
    return true;
  }
  std::uint32_t code = 0;
  if (what == "level" && words >> code) {
    const auto level = t2a::noise::level(t2a::noise::keys(seed, position), code);
    std::printf("%u %.17g %.17g", level, t2a::noise::gumbel(level), t2a::noise::normal(level));
    return true;
  }
  return false;
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    if (!answer(words)) {
      std::fprintf(stderr, "noise_check: \"%s\" is no question; see noise_check.cpp.\n", line.c_str());
      return 2;
    }
    std::printf("\n");
  }
}
