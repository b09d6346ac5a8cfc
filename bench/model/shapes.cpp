#include "shapes.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <stdexcept>

#include "nibble/core/rng.hpp"
#include "nibble/gguf/metadata.hpp"
#include "nibble/gguf/writer.hpp"
#include "nibble/quant/quantize.hpp"
#include "nibble/quant/registry.hpp"
#include "nibble/text/utf8.hpp"

namespace bench {
namespace {

struct shape {
  const char *name, *architecture;
  std::size_t layers, width, heads, kv_heads, hidden, vocabulary, context;
};
const shape shapes[] = {{"gpt2", "gpt2", 12, 768, 12, 12, 3072, 50257, 1024},
                        {"gpt2-xl", "gpt2", 48, 1600, 25, 25, 6400, 50257, 1024},
                        {"mistral-7b", "llama", 32, 4096, 32, 8, 14336, 32000, 32768}};

const shape& shape_of(std::string_view name) {
  for (const shape& s : shapes)
    if (s.name == name) return s;
  throw std::runtime_error(std::string(name) + ": no shape has this name");
}

/// Hyper-parameters, and a vocabulary that has every byte.
nibble::metadata metadata_of(const shape& s, std::size_t layers) {
  nibble::metadata meta;
  const std::string prefix = std::string(s.architecture) + ".";
  const auto set = [&](const std::string& key, const auto& v) { meta.set(key, nibble::value(v)); };
  set("general.architecture", s.architecture);
  set("general.name", s.name);
  const std::pair<const char*, std::size_t> counts[] = {
      {"block_count", layers},           {"context_length", s.context},     {"embedding_length", s.width},
      {"feed_forward_length", s.hidden}, {"attention.head_count", s.heads}, {"attention.head_count_kv", s.kv_heads}};
  for (const auto& [key, n] : counts) set(prefix + key, static_cast<std::uint32_t>(n));
  set(prefix + "attention.layer_norm_epsilon", 1e-5f);
  set(prefix + "attention.layer_norm_rms_epsilon", 1e-5f);
  std::vector<std::string> tokens;
  for (char32_t c = 0x21; c < 0x144; ++c) {  // the letters by which byte-level vocabularies write bytes
    std::string letter;
    nibble::append_utf8(c, letter);
    tokens.push_back(std::move(letter));
  }
  while (tokens.size() < s.vocabulary) tokens.push_back("<" + std::to_string(tokens.size()) + ">");
  set("tokenizer.ggml.model", "gpt2");
  set("tokenizer.ggml.pre", "gpt-2");
  set("tokenizer.ggml.tokens", tokens);
  set("tokenizer.ggml.merges", std::vector<std::string>{});
  return meta;
}

/// Adds tensors whose rows repeat some random ones.
class random_writer {
 public:
  random_writer(nibble::metadata meta, nibble::tensor_type type) : writer_(std::move(meta)), type_(type) {}

  void matrix(const std::string& name, std::size_t rows, std::size_t columns) {
    const float range = std::sqrt(3.0f / float(columns));  // products of unit rows are about 1
    std::vector<float> values(distinct_rows * columns);
    for (float& v : values) v = float(2 * random_.uniform() - 1) * range;
    std::vector<std::byte> bytes(*nibble::try_quantized_bytes(type_, distinct_rows, columns));
    nibble::quantize_rows(type_, values, distinct_rows, columns, {}, bytes);
    const std::uint64_t dims[] = {columns, rows};
    const std::size_t whole = *nibble::try_quantized_bytes(type_, rows, columns);
    writer_.add(name + ".weight", type_, dims, [bytes = std::move(bytes), whole](nibble::byte_sink& out) {
      for (std::size_t left = whole; left > 0;) {
        const std::size_t count = std::min(left, bytes.size());
        if (auto done = out.try_write(std::span(bytes).first(count)); !done) return done;
        left -= count;
      }
      return nibble::result<void>();
    });
  }
  void vector(const std::string& name, std::size_t n, float number) {
    writer_.add(name, nibble::tensor_type::f32, {{n}}, [n, number](nibble::byte_sink& out) {
      const std::vector<float> numbers(n, number);
      return out.try_write(std::as_bytes(std::span(numbers)));
    });
  }
  void write(const fs::path& path) const { writer_.write(path); }

 private:
  static constexpr std::size_t distinct_rows = 64;
  nibble::gguf_writer writer_;
  nibble::tensor_type type_;
  nibble::rng random_{42};
};

void add_gpt2(random_writer& w, const shape& s, std::size_t layers) {
  const auto norm = [&](const std::string& name) {
    w.vector(name + ".weight", s.width, 1), w.vector(name + ".bias", s.width, 0);
  };
  const auto linear = [&](const std::string& name, std::size_t rows, std::size_t columns) {
    w.matrix(name, rows, columns), w.vector(name + ".bias", rows, 0);
  };
  w.matrix("position_embd", s.context, s.width);
  norm("output_norm");
  for (std::size_t i = 0; i < layers; ++i) {
    const std::string at = "blk." + std::to_string(i) + ".";
    norm(at + "attn_norm"), norm(at + "ffn_norm");
    linear(at + "attn_qkv", 3 * s.width, s.width), linear(at + "attn_output", s.width, s.width);
    linear(at + "ffn_up", s.hidden, s.width), linear(at + "ffn_down", s.width, s.hidden);
  }
}

void add_llama(random_writer& w, const shape& s, std::size_t layers) {
  const std::size_t keys = s.width / s.heads * s.kv_heads;
  w.matrix("output", s.vocabulary, s.width);
  w.vector("output_norm.weight", s.width, 1);
  for (std::size_t i = 0; i < layers; ++i) {
    const std::string at = "blk." + std::to_string(i) + ".";
    w.vector(at + "attn_norm.weight", s.width, 1), w.vector(at + "ffn_norm.weight", s.width, 1);
    w.matrix(at + "attn_q", s.width, s.width), w.matrix(at + "attn_output", s.width, s.width);
    w.matrix(at + "attn_k", keys, s.width), w.matrix(at + "attn_v", keys, s.width);
    w.matrix(at + "ffn_gate", s.hidden, s.width), w.matrix(at + "ffn_up", s.hidden, s.width);
    w.matrix(at + "ffn_down", s.width, s.hidden);
  }
}

nibble::tensor_type type_named(const std::string& format) {
  for (std::uint32_t id = 0; id < 64; ++id) {
    const auto info = nibble::find_tensor_type(id);
    if (info && nibble::name_of(static_cast<nibble::tensor_type>(id)) == format) return static_cast<nibble::tensor_type>(id);
  }
  throw std::runtime_error(format + ": no format has this name");
}

}  // namespace

std::vector<std::string> shape_names() {
  std::vector<std::string> names;
  for (const shape& s : shapes) names.emplace_back(s.name);
  return names;
}

void write_shape(std::string_view name, std::size_t layers, const std::string& format, const fs::path& path) {
  const shape& s = shape_of(name);
  layers = layers == 0 ? s.layers : std::min(layers, s.layers);
  random_writer w(metadata_of(s, layers), type_named(format));
  w.matrix("token_embd", s.vocabulary, s.width);
  (std::string_view(s.architecture) == "gpt2" ? add_gpt2 : add_llama)(w, s, layers);
  w.write(path);
}

}  // namespace bench
