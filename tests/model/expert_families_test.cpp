/// What tells families with experts apart, each shown with a small file that is changed in this one thing.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "model/smallest.hpp"

using namespace nibble;
using namespace nibble_test;

namespace {
smallest_model without(smallest_model m, const std::string& name) {
  std::erase_if(m.tensors, [&](const auto& t) { return t.name == name; });
  return m;
}
/// A layer's experts instead of its dense feed-forward.
smallest_model with_experts(smallest_model m, const std::string& at) {
  for (const char* name : {"ffn_gate", "ffn_up", "ffn_down"}) {
    m = with_tensor(without(std::move(m), at + name + ".weight"), at + name + "_exps.weight", {32, 32, 4});
  }
  return with_tensor(std::move(m), at + "ffn_gate_inp.weight", {32, 4});
}
}  // namespace

TEST_CASE("the smallest file of every family with experts gives the same bits in any pieces, packed or mapped") {
  for (const char* name : {"qwen2moe", "qwen3moe", "qwen3vlmoe", "olmoe", "glm4moe", "granitemoe", "ernie4_5-moe",
                           "hunyuan-moe", "bailingmoe2", "laguna", "gpt-oss", "deepseek2"}) {
    INFO(name);
    const smallest_model m(name);
    const auto whole = run(m);
    CHECK(run(m, 1) == whole);
    CHECK(run(m, 7) == whole);
    CHECK(run(m, 20, true) == whole);
  }
}

TEST_CASE("gpt-oss: sinks and every bias must be there, with a number for each head, expert and row") {
  const smallest_model m("gpt-oss");
  for (const std::string name : {"attn_sinks.weight", "ffn_gate_inp.bias", "ffn_gate_exps.bias", "ffn_up_exps.bias",
                                 "ffn_down_exps.bias", "attn_q.bias"}) {
    refuse(without(m, "blk.1." + name), "blk.1." + name + ": the tensor is missing");
  }
  refuse(with_tensor(m, "blk.0.attn_sinks.weight", {3}), "blk.0.attn_sinks.weight: expected (2), found (3)");
  refuse(with_tensor(m, "blk.0.ffn_up_exps.bias", {32, 3}), "blk.0.ffn_up_exps.bias: expected (4, 32), found (3, 32)");
  refuse(with_tensor(m, "blk.0.ffn_gate_inp.bias", {5}), "blk.0.ffn_gate_inp.bias: expected (4), found (5)");
}

TEST_CASE("layers are dense first, and have experts in steps, as a file says") {
  const std::string a = "ernie4_5-moe.";
  const smallest_model all(a.substr(0, a.size() - 1), 32, 4);
  auto m = all;
  for (const std::string at : {"blk.0.", "blk.2."}) {  // the others are each second one
    for (const char* name : {"ffn_gate", "ffn_up", "ffn_down"}) {
      m = with_tensor(without(std::move(m), at + name + "_exps.weight"), at + name + ".weight", {32, 32});
    }
    m = without(std::move(m), at + "ffn_gate_inp.weight");
  }
  refuse(m, "blk.0.ffn_gate_inp.weight: the tensor is missing");
  const auto in_steps = with(m, a + "interleave_moe_layer_step", value(2));
  CHECK(run(in_steps, 7) == run(in_steps));
  const auto behind = with_experts(with(in_steps, a + "leading_dense_block_count", value(2)), "blk.2.");
  refuse(behind, "blk.1.ffn_gate.weight: the tensor is missing");
  refuse(with(m, a + "interleave_moe_layer_step", value(0)),
         "key '" + a + "interleave_moe_layer_step': expected 1 to 4096, found 0");
  refuse(with(m, a + "leading_dense_block_count", value(5)),
         "key '" + a + "leading_dense_block_count': expected 0 to 4, found 5");
}

TEST_CASE("a window of other rotary embeddings than the file allows is refused") {
  const smallest_model m("laguna");
  refuse(with(m, "laguna.rope.dimension_count_swa", value(18)),
         "key 'laguna.rope.dimension_count_swa': expected 2 to 16, found 18");
  refuse(with(m, "laguna.rope.dimension_count_swa", value(7)),
         "key 'laguna.rope.dimension_count_swa': expected an even number, found 7");
}

TEST_CASE("how many experts a token uses, and how wide they are, may differ from layer to layer") {
  const std::string a = "qwen3moe.";
  const auto counts = [](std::vector<std::int32_t> n) { return value(n); };
  const smallest_model m("qwen3moe");
  CHECK(run(with(m, a + "expert_used_count", counts({2, 2}))) == run(m));
  CHECK(run(with(m, a + "expert_feed_forward_length", counts({32, 32}))) == run(m));
  const auto fewer = with(m, a + "expert_used_count", counts({2, 1}));
  CHECK(run(fewer) != run(m));
  CHECK(run(fewer, 3, true) == run(fewer));
  refuse(with(m, a + "expert_used_count", counts({0, 2})),
         "blk.0.ffn_gate_inp.weight: expected one expert a token at least, as expert_used_count says of the layer");
  refuse(with(m, a + "expert_used_count", counts({2, 5})), "key '" + a + "expert_used_count': expected 0 to 4, found 5");
  refuse(with(m, a + "expert_used_count", counts({2})),
         "key '" + a + "expert_used_count': expected a number, or 2 of them, found array of 1 i32");
  refuse(with(m, a + "expert_feed_forward_length", counts({32, 16})),
         "blk.1.ffn_gate_exps.weight: expected (4, 16, 32), found (4, 32, 32)");
}
