/// smallest_model: a file of any architecture, made by asking the library what is missing until it is content.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <list>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/core/rng.hpp"
#include "nibble/gguf/reader.hpp"
#include "nibble/gguf/writer.hpp"
#include "nibble/model/any_model.hpp"
#include "nibble/quant/quantize.hpp"

namespace nibble_test {

/// The same of a name with every standard library, so that models are. @source  Appleby 2008, MurmurHash64A
inline std::uint64_t hash_of(std::string_view text) {
  constexpr std::uint64_t factor = 0xc6a4a7935bd1e995u;
  const auto mixed = [](std::uint64_t x) { return x ^ (x >> 47); };
  const auto word = [&](std::size_t at) {
    std::uint64_t bytes = 0;
    for (std::size_t i = std::min<std::size_t>(text.size() - at, 8); i-- > 0;)
      bytes = bytes << 8 | static_cast<unsigned char>(text[at + i]);
    return bytes;
  };
  std::uint64_t hash = 0xc70f6907u ^ (text.size() * factor);
  std::size_t at = 0;
  for (; at + 8 <= text.size(); at += 8) hash = (hash ^ (mixed(word(at) * factor) * factor)) * factor;
  if (at < text.size()) hash = (hash ^ word(at)) * factor;
  return mixed(mixed(hash) * factor);
}

/// A model of two layers, 32 numbers wide unless it is said otherwise, whose vocabulary is 40 letters. Its weights are random,
/// the same ones each time.
///
/// Only what its architecture insists on is in it: optional tensors are not. An error names what a file lacks, and with it the
/// name or shape that is wanted; so no architecture needs a line here.
class smallest_model {
 public:
  struct tensor {
    std::string name;
    nibble::tensor_type type;
    std::vector<std::uint64_t> dims;
    std::vector<std::byte> data;
  };
  nibble::metadata meta;
  std::vector<tensor> tensors;

  explicit smallest_model(std::string_view architecture, std::size_t width = 32, int layers = 2)
      : width_(width), layers_(layers) {
    std::vector<std::string> letters;
    for (char c = 'A'; c < 'A' + 40; ++c) letters.push_back({c});
    set("general.architecture", architecture);
    set("tokenizer.ggml.model", "gpt2");
    set("tokenizer.ggml.pre", "gpt-2");
    set("tokenizer.ggml.tokens", letters);
    set("tokenizer.ggml.merges", std::vector<std::string>{});
    mix_layers(std::string(architecture) + ".");
    tensors.push_back({"token_embd.weight", nibble::tensor_type::f32, {width_, 40}, {}});
    complete();
  }

  /// The same with what is missing since its metadata was changed; what is too much is dropped.
  smallest_model completed() const {
    smallest_model out = *this;
    out.tensors.resize(1);
    out.complete();
    return out;
  }

  /// Whether a key is there without being asked for.
  bool has_default(const std::string& key) const { return std::find(own_.begin(), own_.end(), key) != own_.end(); }
  /// Whether it is a model of vectors, and not of text.
  bool makes_vectors() const noexcept { return makes_vectors_; }

  /// Gives the matrices another format, where their rows fit. Rows repeat: some encoders are slow, under a sanitizer above all.
  void recode(nibble::tensor_type type) {
    const auto info = nibble::find_tensor_type(static_cast<std::uint32_t>(type));
    for (tensor& t : tensors) {
      if (t.dims.size() < 2 || t.dims[0] % info->block_size != 0) continue;
      const std::size_t columns = t.dims[0], rows = count(t) / columns;
      const std::size_t encoded = std::min<std::size_t>(rows, 4);
      std::vector<std::byte> coded(*nibble::try_quantized_bytes(type, rows, columns));
      const std::size_t kept = coded.size() / rows * encoded;
      nibble::quantize_rows(type, numbers(t).first(encoded * columns), encoded, columns, {}, std::span(coded).first(kept));
      for (std::size_t at = kept; at < coded.size(); ++at) coded[at] = coded[at - kept];
      t.data = std::move(coded);
      t.type = type;
    }
  }

  /// Puts a factor beside each matrix of a layer, or of the output, that may have one: of stacks, one for each of theirs.
  void add_scales() {
    const auto matrices = tensors;
    for (const tensor& t : matrices) {
      const bool is_found = t.name.starts_with("blk.") || t.name.starts_with("output.") || t.name.starts_with("altup_");
      if (t.dims.size() < 2 || !is_found || !t.name.ends_with(".weight")) continue;
      tensor scale{t.name.substr(0, t.name.size() - 6) + "scale", nibble::tensor_type::f32, {1}, {}};
      if (t.dims.size() == 3) scale.dims[0] = t.dims[2];
      const auto same = [&](const tensor& other) { return other.name == scale.name; };
      if (std::any_of(tensors.begin(), tensors.end(), same)) continue;  // of another meaning
      nibble::rng random(hash_of(scale.name));
      scale.data.resize(count(scale) * sizeof(float));
      auto* out = reinterpret_cast<float*>(scale.data.data());
      for (std::size_t i = 0; i < count(scale); ++i) out[i] = float(0.6 + 0.8 * random.uniform());
      tensors.push_back(std::move(scale));
    }
    for (;;) {  // without those that the architecture does not read
      const auto whole = bytes();
      const auto plan = nibble::any_model::try_plan(nibble::gguf_file::parse(whole), {.context = 8, .prefill_chunk = 1});
      if (plan || plan.failure().code() != nibble::errc::unread_tensor) return;
      const std::string_view what = plan.failure().what(), name = what.substr(0, what.find(':'));
      if (std::erase_if(tensors, [&](const tensor& t) { return t.name == name; }) == 0) throw plan.failure();
    }
  }

  std::vector<std::byte> bytes() {
    nibble::gguf_writer writer(meta);
    for (tensor& t : tensors) {
      if (t.data.empty()) fill(t);
      writer.add(t.name, t.type, t.dims, t.data);
    }
    return writer.bytes();
  }

 private:
  void complete() {
    std::string last;
    nibble::session_options options{.context = 8, .prefill_chunk = 1};
    for (int round = 0; round < 100 + 50 * layers_; ++round) {
      const auto whole = bytes();
      const auto file = nibble::gguf_file::parse(whole);
      const auto plan = nibble::any_model::try_plan(file, options);
      if (plan) return;
      if (plan.failure().code() == nibble::errc::invalid_argument) {  // it makes vectors
        makes_vectors_ = true;
        options.output = nibble::step_output::hidden;
      } else {
        mend(plan.failure());
      }
      last = plan.failure().what();
    }
    throw std::runtime_error("no file could be made: " + last);
  }

  /// Experts that a family may do without; and of hybrids every second layer attends: by an interval, or by heads of keys and
  /// values that the others have none of. Such keys have defaults, or one number for all layers, so no error asks for them.
  void mix_layers(const std::string& prefix) {
    const auto mix = [&](const char* key, const auto& v) { set(prefix + key, v), own_.push_back(prefix + key); };
    if (prefix.starts_with("qwen35") || prefix.starts_with("qwen3next")) mix("full_attention_interval", 2);
    if (prefix.starts_with("deepseek2")) mix("expert_count", 4);
    const bool hybrid = prefix.starts_with("nemotron_h");
    if (!hybrid && !prefix.starts_with("lfm2") && !prefix.starts_with("granitehybrid")) return;
    std::vector<std::int32_t> heads, hidden;
    for (int i = 0; i < layers_; ++i) heads.push_back(i % 2 * 2);
    for (int i = 0; i < layers_; ++i) hidden.push_back(i % 3 == 2 ? static_cast<std::int32_t>(width_) : 0);
    mix("attention.head_count_kv", heads);
    if (hybrid) mix("feed_forward_length", hidden);
  }

  template <class T>
  void set(const std::string& key, const T& v) {
    meta.set(key, nibble::value(v));
  }
  static std::size_t count(const tensor& t) {
    std::size_t n = 1;
    for (const std::uint64_t d : t.dims) n *= d;
    return n;
  }
  static std::span<const float> numbers(const tensor& t) {
    return {reinterpret_cast<const float*>(t.data.data()), t.data.size() / sizeof(float)};
  }
  static void fill(tensor& t) {
    nibble::rng random(hash_of(t.name));
    t.data.resize(count(t) * sizeof(float));
    auto* out = reinterpret_cast<float*>(t.data.data());
    const double shift = t.name.ends_with("ssm_a") ? 1.0 : 0.5;  // states decay
    for (std::size_t i = 0; i < count(t); ++i) out[i] = float(random.uniform() - shift);
  }

  /// Adds the key or tensor that an error says is missing, and gives it the shape that it says is expected.
  void mend(const nibble::error& e) {
    const std::string_view what = e.what();
    if (e.code() == nibble::errc::missing_key) return add_key(between(what, "'", "'"));
    const std::string_view name = what.substr(0, what.find(':'));
    if (e.code() == nibble::errc::missing_tensor) {
      return tensors.push_back({std::string(name), nibble::tensor_type::f32, {1}, {}});
    }
    const auto found = std::find_if(tensors.begin(), tensors.end(), [&](const tensor& t) { return t.name == name; });
    if (e.code() != nibble::errc::shape_mismatch || (found != tensors.end() && what.find("expected (") == what.npos)) throw e;
    if (found == tensors.end()) {  // a wish in other words
      return tensors.push_back({std::string(name), nibble::tensor_type::f32, {1}, {}});
    }
    found->dims.clear(), found->data.clear();
    const std::string shape(between(what, "expected (", ")"));
    for (const char* at = shape.c_str(); *at;) {
      char* end = nullptr;
      found->dims.insert(found->dims.begin(), std::strtoull(at, &end, 10));  // told slowest first
      at = *end == ',' ? end + 1 : end;
    }
  }
  void add_key(std::string_view key) {
    const auto width = static_cast<int>(width_);
    const std::pair<std::string_view, int> counts[] = {{"block_count", layers_},
                                                       {"context_length", 96},
                                                       {"embedding_length", width},
                                                       {"head_count", 2},
                                                       {"feed_forward_length", width},
                                                       {"expert_count", 4},
                                                       {"expert_used_count", 2},
                                                       {"sliding_window", 5},
                                                       {"l_cache", 3},
                                                       {"conv_kernel", 4},
                                                       {"inner_size", width},
                                                       {"state_size", width / 4},
                                                       {"time_step_rank", 4},
                                                       {"group_count", 2},
                                                       {"kv_lora_rank", 16},
                                                       {"per_layer_input", 4},
                                                       {"dimension_count", 8},
                                                       {"token_type_count", 2}};
    for (const auto& [ending, n] : counts)
      if (key.ends_with(ending)) return set(std::string(key), n);
    if (key.starts_with("xielu.")) return set(std::string(key), std::vector<float>(std::size_t(layers_), 0.5f));
    if (key.ends_with("sliding_window_pattern")) {
      std::vector<bool> marked(static_cast<std::size_t>(layers_));
      for (std::size_t i = 0; i < marked.size(); i += 2) marked[i] = true;
      return set(std::string(key), marked);
    }
    if (key.ends_with("use_parallel_residual")) return set(std::string(key), true);
    set(std::string(key), key.ends_with("epsilon") ? 1e-5f : 1.0f);
  }
  static std::string_view between(std::string_view text, std::string_view begin, std::string_view end) {
    const std::size_t from = text.find(begin) + begin.size();
    return text.substr(from, text.find(end, from) - from);
  }

  std::size_t width_;
  std::vector<std::string> own_;  // keys of mix_layers
  int layers_;
  bool makes_vectors_ = false;
};

/// The smallest file of an architecture with more keys, and what follows from them.
inline smallest_model made(const std::string& name, std::initializer_list<std::pair<const char*, nibble::value>> keys,
                           int layers = 2) {
  smallest_model m(name, 32, layers);
  for (const auto& [key, v] : keys) m.meta.set(name + "." + key, v);
  return m.completed();
}
/// Four layers; of gemma3 every second sees a window, which is shorter than most texts and ends within pages.
inline smallest_model four_layers(const std::string& name) {
  if (name != "gemma3") return smallest_model(name, 32, 4);
  return made(name, {{"attention.sliding_window", nibble::value(40)}, {"attention.sliding_window_pattern", nibble::value(2)}},
              4);
}

}  // namespace nibble_test
