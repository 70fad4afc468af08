// Prints how prompts are read, for a test to compare: one prompt a line on standard input, its UTF-8
// bytes in hexadecimal; one answer a line: "terms", the prompt's text, a tab, the other words; or
// "error" and the sentence.
#include <cstdio>
#include <iostream>
#include <string>

#include "prompt.hpp"

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    std::string typed;
    for (std::size_t at = 0; at + 1 < line.size(); at += 2) {
      typed += static_cast<char>(std::stoi(line.substr(at, 2), nullptr, 16));
    }
    try {
      const t2a::Prompt prompt = t2a::parse_prompt(typed, 8, 32);
      std::cout << "terms " << prompt.text() << "\t";
      for (const auto& word : prompt.others) std::cout << t2a::utf8_of(word) << " ";
    } catch (const t2a::UsageError& error) {
      std::cout << "error " << error.what();
    }
    std::cout << "\n";
  }
}
