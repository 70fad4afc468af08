// generate warm dark fluid --seed 7 --out art.png: the fused graph with ONNX Runtime's C++ API.
// docs/fused.md describes its inputs and outputs.
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <regex>
#include <string>
#include <utility>
#include <vector>

#include <onnxruntime_cxx_api.h>

#include "exact.hpp"
#include "png.hpp"
#include "prompt.hpp"
#include "quiet.hpp"
#include "recipe.hpp"
#include "seed.hpp"

namespace {

using t2a::UsageError;

constexpr double kMostGuidance = 8, kMostTemperature = 10, kMostSteps = 64;
constexpr std::int64_t kFormSide = 64;
constexpr char kHelp[] =
    "usage: generate ADJECTIVES... [options]\n\n"
    "  --seed SEED       whole number from 0 to 2^53 - 1, or a text such as alice (0)\n"
    "  --out PATH        PNG to write (art.png)\n"
    "  --guidance X      how strongly the words pull, 0 to 8 (the model's own)\n"
    "  --temperature X   how freely the words choose a form, 0 to 10 (the model's own)\n"
    "  --steps N         from noise to the picture, 1 to 64 (the model's own)\n"
    "  --form-strength X how closely the form is followed, 0 to 1 (the model's own)\n"
    "  --model PATH      fused graph (dist/base-int8.onnx)\n"
    "  --indices PATH    write the codebook indices too, as JSON\n";

struct Options {
  std::string prompt;
  std::map<std::string, std::string> given{
      {"--seed", "0"}, {"--out", "art.png"}, {"--guidance", ""}, {"--temperature", ""},
      {"--steps", ""}, {"--form-strength", ""}, {"--model", "dist/base-int8.onnx"}, {"--indices", ""}};

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

// How the picture is drawn: what was typed, or else the model's own.
struct Chosen {
  double guidance, temperature, form_strength;
  std::int64_t steps;
};

// What is kept in the file, as t2a_edge.Artwork.metadata has it. Neither a prompt that was read nor any
// other value here has a character that JSON escapes.
std::string description_of(const std::string& prompt, std::int64_t seed, const Chosen& chosen, std::int64_t side,
                           const std::string& bundle, const std::string& recipe) {
  const std::string size = std::to_string(side);
  return "{\"bundle\": \"" + bundle + "\", \"form_strength\": " + t2a::digits_of(chosen.form_strength) +
         ", \"guidance_scale\": " + t2a::digits_of(chosen.guidance) + ", \"prompt\": \"" + prompt +
         "\", \"recipe\": \"" + recipe + "\", \"seed\": " + std::to_string(seed) + ", \"size\": [" + size + ", " +
         size + "], \"steps\": " + std::to_string(chosen.steps) + ", \"temperature\": " +
         t2a::digits_of(chosen.temperature) + ", \"tile\": false}";
}

std::int64_t whole(const std::string& name, const std::string& typed, std::int64_t least, double most) {
  const bool digits = typed.find_first_not_of("0123456789") == std::string::npos;
  const auto value = digits ? static_cast<std::int64_t>(t2a::number(name, typed, most)) : -1;
  if (value < least) {
    throw UsageError("The " + name + " is \"" + typed + "\"; expected a whole number from " + std::to_string(least) +
                     " to " + std::to_string(static_cast<std::int64_t>(most)) + ".");
  }
  return value;
}

Chosen chosen(const Options& options, const std::string& about) {
  const std::string steps = options["--steps"].empty() ? entry(about, "steps") : options["--steps"];
  return {value_or_default("guidance scale", options["--guidance"], kMostGuidance, about, "guidance_scale"),
          value_or_default("temperature", options["--temperature"], kMostTemperature, about, "temperature"),
          value_or_default("form strength", options["--form-strength"], 1, about, "form_strength"),
          whole("number of steps", steps, 1, kMostSteps)};
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

// Words and bytes of a word that the graph takes: its first input is (B, W, L).
std::pair<std::int64_t, std::int64_t> room(const Ort::Session& session) {
  const auto shape = session.GetInputTypeInfo(0).GetTensorTypeAndShapeInfo().GetShape();
  return {shape[1], shape[2]};
}

// Pixels (1, H, W, 3) and indices (1, P) of a prompt whose words choose the form; docs/fused.md has the inputs.
std::vector<Ort::Value> drawn(Ort::Session& session, const t2a::Prompt& prompt, std::int64_t seed, const Chosen& chosen) {
  const auto [most_words, most_bytes] = room(session);
  auto [text_bytes, weights] = t2a::model_inputs(prompt, most_words, most_bytes);
  std::vector<std::int64_t> seeds{seed}, steps{chosen.steps};
  std::vector<float> guidance{static_cast<float>(chosen.guidance)};
  std::vector<float> temperature{static_cast<float>(chosen.temperature)};
  std::vector<float> level{static_cast<float>(1 - chosen.form_strength)};
  std::vector<float> form(kFormSide * kFormSide);
  bool given[] = {false};
  const std::int64_t one[] = {1};
  const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  const char* inputs[] = {"text_bytes", "word_weights", "seed",       "guidance_scale", "temperature",
                          "steps",      "form",         "form_given", "form_level"};
  const char* outputs[] = {"pixels", "indices"};
  const Ort::Value values[] = {tensor(text_bytes, {1, most_words, most_bytes}),
                               tensor(weights, {1, most_words}),
                               tensor(seeds, {1}),
                               tensor(guidance, {1}),
                               tensor(temperature, {1}),
                               tensor(steps, {1}),
                               tensor(form, {1, kFormSide, kFormSide}),
                               Ort::Value::CreateTensor<bool>(memory, given, 1, one, 1),
                               tensor(level, {1})};
  return session.Run(Ort::RunOptions{}, inputs, values, std::size(values), outputs, std::size(outputs));
}

void run(const Options& options) {
  std::uint64_t number = 0;
  if (!t2a::seed::of_text(options["--seed"], number)) {
    throw UsageError("The seed is \"" + options["--seed"] + "\"; expected a whole number from 0 to " +
                     std::to_string(t2a::seed::kMost) + ", or a text that has a letter, such as alice.");
  }
  const auto seed = static_cast<std::int64_t>(number);
  t2a::turn_telemetry_off();
  Ort::Env env(ORT_LOGGING_LEVEL_ERROR, "t2a-edge");
  Ort::Session session = load(env, options["--model"]);
  const std::string about = description(session);
  const auto [most_words, most_bytes] = room(session);
  const t2a::Prompt prompt = t2a::parse_prompt(options.prompt, most_words, most_bytes);
  const Chosen how = chosen(options, about);
  const auto found = drawn(session, prompt, seed, how);

  const auto side = static_cast<std::uint32_t>(found[0].GetTensorTypeAndShapeInfo().GetShape()[1]);
  const auto* indices = found[1].GetTensorData<std::int64_t>();
  const std::size_t count = found[1].GetTensorTypeAndShapeInfo().GetElementCount();
  const auto codebook_size = static_cast<std::uint32_t>(std::stoul(entry(about, "codebook_size")));
  const std::string recipe = t2a::recipe_of(indices, count, codebook_size, entry(about, "checkpoint_sha256"), side);
  const auto file = t2a::png(found[0].GetTensorData<std::uint8_t>(), side, side,
                             description_of(prompt.text(), seed, how, side, entry(about, "bundle"), recipe));
  write_file(options["--out"], reinterpret_cast<const char*>(file.data()), file.size());
  if (!options["--indices"].empty()) {
    std::string text = "[";
    for (std::size_t i = 0; i < count; ++i) text += (i ? "," : "") + std::to_string(indices[i]);
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
