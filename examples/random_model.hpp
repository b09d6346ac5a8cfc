/// random_model: a file for examples that need a model, but not what it says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <nibble/nibble.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// A model file in memory: two layers of a plain decoder with random weights in format Q, and the letters as its vocabulary.
template <nibble::quant_format Q = nibble::f32>
std::vector<std::byte> random_model(std::string_view architecture) {
  const std::string prefix = std::string(architecture) + ".";
  nibble::metadata meta;
  const auto set = [&](const std::string& key, const auto& v) { meta.set(key, nibble::value(v)); };
  set("general.architecture", architecture);
  for (auto [key, n] : {std::pair("block_count", 2),
                        {"context_length", 128},
                        {"embedding_length", 64},
                        {"feed_forward_length", 128},
                        {"attention.head_count", 4}})
    set(prefix + std::string(key), n);
  set(prefix + "attention.layer_norm_rms_epsilon", 1e-5f);
  std::vector<std::string> letters;
  for (char c = 'a'; c <= 'z'; ++c) letters.push_back({c});
  set("tokenizer.ggml.model", "gpt2");
  set("tokenizer.ggml.pre", "gpt-2");
  set("tokenizer.ggml.tokens", letters);
  set("tokenizer.ggml.merges", std::vector<std::string>{});

  nibble::gguf_writer writer(meta);
  nibble::rng random(42);
  std::list<std::vector<typename Q::block>> blocks;  // what the writer is given must stay where it is
  std::list<std::vector<float>> numbers;
  const auto add = [&](const std::string& name, std::uint64_t rows, std::uint64_t columns) {
    std::vector<float> values(rows * columns);
    for (float& v : values) v = float(random.uniform() - 0.5);
    if (rows == 1) {
      const auto& kept = numbers.emplace_back(std::move(values));
      writer.add(name + ".weight", nibble::tensor_type::f32, {{columns}}, std::as_bytes(std::span(kept)));
      return;
    }
    auto& stored = blocks.emplace_back(values.size() / Q::block_size);
    for (std::size_t b = 0; b < stored.size(); ++b) {
      Q::encode(std::span<const float, Q::block_size>(values.data() + b * Q::block_size, Q::block_size), {}, stored[b]);
    }
    writer.add(name + ".weight", Q::type, {{columns, rows}}, std::as_bytes(std::span(stored)));
  };
  add("token_embd", letters.size(), 64);
  add("output_norm", 1, 64);
  for (std::string at : {"blk.0.", "blk.1."}) {
    for (auto name : {"attn_norm", "ffn_norm"}) add(at + name, 1, 64);
    for (auto name : {"attn_q", "attn_k", "attn_v", "attn_output"}) add(at + name, 64, 64);
    for (auto name : {"ffn_gate", "ffn_up"}) add(at + name, 128, 64);
    add(at + "ffn_down", 64, 128);
  }
  return writer.bytes({.own_type = &nibble::find_own_type<nibble::type_list<Q>>});
}
