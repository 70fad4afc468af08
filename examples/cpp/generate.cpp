// generate warm dark fluid --seed 7 --out art.png: the fused graph with ONNX Runtime's C++ API.
// docs/fused.md describes its inputs and outputs.
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <regex>
#include <string>
#include <vector>

#include <onnxruntime_cxx_api.h>

#include "exact.hpp"
#include "png.hpp"
#include "prompt.hpp"
#include "quiet.hpp"
#include "recipe.hpp"

namespace {

using t2a::UsageError;

constexpr double kMostSeed = 9007199254740991, kMostGuidance = 30, kMostTemperature = 10;
constexpr char kHelp[] =
    "usage: generate ADJECTIVES... [options]\n\n"
    "  --seed N          whole number from 0 to 2^53 - 1 (0)\n"
    "  --out PATH        PNG to write (art.png)\n"
    "  --guidance X      how strongly the words pull, 0 to 30 (the model's own)\n"
    "  --temperature X   how far choices vary, 0 to 10 (the model's own)\n"
    "  --model PATH      fused graph (dist/base-int8.onnx)\n"
    "  --indices PATH    write the codebook indices too, as JSON\n";

struct Options {
  std::string prompt;
  std::map<std::string, std::string> given{
      {"--seed", "0"}, {"--out", "art.png"}, {"--guidance", ""}, {"--temperature", ""},
      {"--model", "dist/base-int8.onnx"}, {"--indices", ""}};

  Options(int count, char** typed) {
    for (int i = 1; i < count; ++i) {
      const std::string word = typed[i];
      if (word.rfind("--", 0) != 0) {
        prompt += word + " ";
        continue;
      }
      const auto found = given.find(word);
      if (found == given.end()) {
        throw UsageError("There is no option " + word + "; `generate --help` lists them.");
      }
      if (++i == count) throw UsageError("The option " + word + " has no value; name one behind it.");
      found->second = typed[i];
    }
  }
  const std::string& operator[](const std::string& name) const { return given.at(name); }
};

// An entry of the model's description, a number or a word.
std::string entry(const std::string& about, const std::string& key) {
  std::smatch found;
  if (!std::regex_search(about, found, std::regex("\"" + key + "\":\\s*\"?([0-9a-z.]+)"))) {
    throw UsageError("The model does not say its " + key + "; `make export` writes one that does.");
  }
  return found[1];
}

// A number that was typed, or else the model's own, from its description.
double value_or_default(const std::string& name, const std::string& typed, double most,
                        const std::string& about, const std::string& key) {
  return typed.empty() ? std::stod(entry(about, key)) : t2a::number(name, typed, most);
}

// What is kept in the file, as t2a_edge.Artwork.metadata has it. Neither a prompt that was read nor any
// other value here has a character that JSON escapes.
std::string description_of(const std::string& prompt, std::int64_t seed, double guidance, double temperature,
                           std::int64_t side, const std::string& bundle, const std::string& recipe) {
  const std::string size = std::to_string(side);
  return "{\"bundle\": \"" + bundle + "\", \"guidance_scale\": " + t2a::digits_of(guidance) + ", \"prompt\": \"" +
         prompt + "\", \"recipe\": \"" + recipe + "\", \"seed\": " + std::to_string(seed) + ", \"size\": [" + size +
         ", " + size + "], \"temperature\": " + t2a::digits_of(temperature) + ", \"tile\": false, \"top_k\": 0}";
}

std::int64_t seed_of(const std::string& typed) {
  if (typed.find_first_not_of("0123456789") != std::string::npos) {
    throw UsageError("The seed is \"" + typed + "\"; expected a whole number from 0 to 9007199254740991.");
  }
  return static_cast<std::int64_t>(t2a::number("seed", typed, kMostSeed));
}

// Whole or not at all.
void write_file(const std::string& path, const char* bytes, std::size_t size) {
  const std::string unfinished = path + ".part";
  std::ofstream file(unfinished, std::ios::binary);
  file.write(bytes, static_cast<std::streamsize>(size));
  file.close();
  if (!file || std::rename(unfinished.c_str(), path.c_str()) != 0) {
    std::remove(unfinished.c_str());
    throw UsageError(path + " cannot be written. Name another path.");
  }
}

Ort::Session load(Ort::Env& env, const std::string& path) {
  if (!std::ifstream(path)) {
    throw UsageError(path + " cannot be read; `make export` writes dist/base-int8.onnx.");
  }
  Ort::SessionOptions options;
  options.SetIntraOpNumThreads(1);
  // exact sums, slower, on x86 without INT8 dot products
  if (int8_sums_saturate(env)) options.AddConfigEntry("session.x64quantprecision", "1");
  try {
    return Ort::Session(env, path.c_str(), options);
  } catch (const Ort::Exception& error) {
    throw UsageError(path + " is no model that can be run (" + error.what() + ").");
  }
}

std::string description(const Ort::Session& session) {
  Ort::AllocatorWithDefaultOptions allocator;
  auto about = session.GetModelMetadata().LookupCustomMetadataMapAllocated("t2a_edge", allocator);
  if (!about) throw UsageError("The model is no fused graph of t2a-edge; `make export` writes one.");
  return about.get();
}

template <typename T>
Ort::Value tensor(std::vector<T>& values, const std::vector<std::int64_t>& shape) {
  static const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  return Ort::Value::CreateTensor<T>(memory, values.data(), values.size(), shape.data(), shape.size());
}

void run(const Options& options) {
  std::vector<std::int64_t> seed{seed_of(options["--seed"])};
  t2a::turn_telemetry_off();
  Ort::Env env(ORT_LOGGING_LEVEL_ERROR, "t2a-edge");
  Ort::Session session = load(env, options["--model"]);
  const std::string about = description(session);
  const auto shape_of_input = [&session](std::size_t i) {
    return session.GetInputTypeInfo(i).GetTensorTypeAndShapeInfo().GetShape();
  };
  const std::int64_t most_words = shape_of_input(0)[1], most_bytes = shape_of_input(0)[2];
  const std::int64_t positions = shape_of_input(5)[1];

  const t2a::Prompt prompt = t2a::parse_prompt(options.prompt, most_words, most_bytes);
  auto [text_bytes, weights] = t2a::model_inputs(prompt, most_words, most_bytes);
  const double pull = value_or_default("guidance", options["--guidance"], kMostGuidance, about, "guidance_scale");
  const double chance =
      value_or_default("temperature", options["--temperature"], kMostTemperature, about, "temperature");
  std::vector<float> guidance{static_cast<float>(pull)}, temperature{static_cast<float>(chance)};
  std::vector<std::int64_t> given(positions, -1);

  const char* inputs[] = {"text_bytes",     "word_weights", "seed",
                          "guidance_scale", "temperature",  "given"};
  const char* outputs[] = {"pixels", "indices"};
  Ort::Value values[] = {tensor(text_bytes, {1, most_words, most_bytes}),
                         tensor(weights, {1, most_words}),
                         tensor(seed, {1}),
                         tensor(guidance, {1}),
                         tensor(temperature, {1}),
                         tensor(given, {1, positions})};
  auto drawn = session.Run(Ort::RunOptions{}, inputs, values, 6, outputs, 2);

  const auto shape = drawn[0].GetTensorTypeAndShapeInfo().GetShape();  // (1, H, W, 3)
  const auto side = static_cast<std::uint32_t>(shape[1]);
  const std::string recipe =
      t2a::recipe_of(drawn[1].GetTensorData<std::int64_t>(), static_cast<std::size_t>(positions),
                     static_cast<std::uint32_t>(std::stoul(entry(about, "codebook_size"))),
                     entry(about, "checkpoint_sha256"), side);
  const auto file = t2a::png(drawn[0].GetTensorData<std::uint8_t>(), side, side,
                             description_of(prompt.text(), seed[0], pull, chance, side, entry(about, "bundle"), recipe));
  write_file(options["--out"], reinterpret_cast<const char*>(file.data()), file.size());
  if (!options["--indices"].empty()) {
    std::string text = "[";
    for (std::int64_t i = 0; i < positions; ++i) {
      text += (i ? "," : "") + std::to_string(drawn[1].GetTensorData<std::int64_t>()[i]);
    }
    text += "]";
    write_file(options["--indices"], text.data(), text.size());
  }
  if (!prompt.others.empty()) {
    std::cerr << "note: read as \"" << prompt.text() << "\"; no adjectives:";
    for (const auto& word : prompt.others) std::cerr << " " << t2a::utf8_of(word);
    std::cerr << "\n";
  }
  std::cout << options["--out"] << "\n";
}

}  // namespace

int main(int count, char** typed) {
  if (count > 1 && (std::string(typed[1]) == "--help" || std::string(typed[1]) == "-h")) {
    std::cout << kHelp;
    return 0;
  }
  try {
    run(Options(count, typed));
  } catch (const UsageError& error) {
    std::cerr << "generate: " << error.what() << "\n";
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "generate: " << error.what() << "\n";
    return 1;
  }
}
