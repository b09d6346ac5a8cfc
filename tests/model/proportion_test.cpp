/// Small files that ask for much memory at run time.
#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "model/toys.hpp"

namespace {
using namespace nibble;
using namespace nibble_test;

struct shape {
  std::uint32_t layers = 2, width = 2, heads = 2, kv_heads = 1, dim = 16, hidden = 32;
};

/// A llama of these sizes whose weights are all zero.
std::vector<std::byte> zeros(const shape& s) {
  model_parts parts(golden("models/llama.gguf"));
  parts.tensors.clear();
  const auto add = [&](const std::string& name, std::uint64_t rows, std::uint64_t columns) {
    std::vector<std::uint64_t> dims{columns};
    if (rows > 0) dims.push_back(rows);
    parts.tensors.push_back(
        {name + ".weight", tensor_type::f32, dims, std::vector<std::byte>(columns * (rows > 0 ? rows : 1) * 4)});
  };
  add("token_embd", 512, s.width), add("output_norm", 0, s.width);
  for (std::uint32_t i = 0; i < s.layers; ++i) {
    const std::string at = arch::layer_prefix(i);
    add(at + "attn_norm", 0, s.width), add(at + "ffn_norm", 0, s.width);
    add(at + "attn_q", s.heads * s.dim, s.width), add(at + "attn_output", s.width, s.heads * s.dim);
    add(at + "attn_k", s.kv_heads * s.dim, s.width), add(at + "attn_v", s.kv_heads * s.dim, s.width);
    add(at + "ffn_gate", s.hidden, s.width), add(at + "ffn_up", s.hidden, s.width), add(at + "ffn_down", s.width, s.hidden);
  }
  for (const auto& [key, n] : {std::pair("block_count", s.layers), std::pair("embedding_length", s.width),
                               std::pair("attention.head_count", s.heads), std::pair("attention.head_count_kv", s.kv_heads),
                               std::pair("attention.key_length", s.dim), std::pair("attention.value_length", s.dim),
                               std::pair("rope.dimension_count", s.dim), std::pair("feed_forward_length", s.hidden)}) {
    parts.meta.set(std::string("llama.") + key, value(n));
  }
  return parts.bytes();
}

/// Plans and sessions are refused by that limit, and made where the caller raises it, also for a model that stays in the file.
void check(const shape& s, const std::string& name) {
  const auto bytes = zeros(s);
  limits raised;
  raised.kv_position_bytes = raised.scratch_token_bytes = std::uint64_t{1} << 30;
  for (const bool mapped : {false, true}) {
    const auto plan = any_model::try_plan(gguf_file::parse(bytes), {}, {.mapped = mapped});
    REQUIRE(!plan);
    CHECK(plan.failure().code() == errc::limit_exceeded);
    CHECK(std::string(plan.failure().what()).find("(limits::" + name + ")") != std::string::npos);
    CHECK(any_model::try_plan(gguf_file::parse(bytes), {}, {.limits = raised, .mapped = mapped}));
  }
  const auto made = evaluator::try_create(any_model::load(bytes, {.threads = 1}), {.context = 64});
  REQUIRE(!made);
  CHECK(made.failure().code() == errc::limit_exceeded);
  CHECK(evaluator::try_create(any_model::load(bytes, {.threads = 1, .limits = raised}), {.context = 64}));
}
}  // namespace

TEST_CASE("keys and values out of proportion to the file are refused by a limit that the caller may raise") {
  CHECK(any_model::try_plan(gguf_file::parse(zeros({}))));
  check({.heads = 1024, .kv_heads = 1024}, "kv_position_bytes");
}

TEST_CASE("scratch out of proportion to the file is refused by a limit that the caller may raise") {
  check({.hidden = 1u << 16}, "scratch_token_bytes");
}

TEST_CASE("a limit on positions or tokens that the caller states holds to the byte") {
  const auto bytes = read_all(golden("models/llama.gguf"));
  const std::size_t position = any_model::load(bytes, {.threads = 1}).plan({.context = 64, .prefill_chunk = 1}).kv / 64;
  limits most;
  most.kv_position_bytes = position;
  CHECK(any_model::try_plan(gguf_file::parse(bytes), {}, {.limits = most}));
  most.kv_position_bytes = position - 1;
  const auto kept = any_model::try_plan(gguf_file::parse(bytes), {}, {.limits = most});
  REQUIRE(!kept);
  CHECK(std::string(kept.failure().what())
            .find("ask for " + std::to_string(position) + " bytes, above the limit of " + std::to_string(position - 1)) !=
        std::string::npos);
  most = {};
  most.scratch_token_bytes = 1000;
  CHECK(!any_model::try_plan(gguf_file::parse(bytes), {}, {.limits = most}));
}

TEST_CASE("widths and heads above all limits are refused by name") {
  const auto refused = [](const shape& s) { return any_model::try_load(zeros(s), {.threads = 1}).failure(); };
  CHECK(std::string(refused({.layers = 1, .width = 1, .heads = 2048, .dim = 2}).what()) ==
        "key 'llama.attention.head_count': expected 1 to 1024, found 2048");
  CHECK(std::string(refused({.layers = 1, .width = 1, .hidden = (1u << 18) + 1}).what()) ==
        "key 'llama.feed_forward_length': expected 1 to 262144, found 262145");
  limits most;
  most.heads = 4096;
  CHECK(any_model::try_load(zeros({.layers = 1, .width = 1, .heads = 2048, .dim = 2}), {.threads = 1, .limits = most}));
}
