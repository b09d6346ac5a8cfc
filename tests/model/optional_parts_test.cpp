/// What a family's files may have and need not: each such part gives the same bits in any pieces, and changes the logits.
#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "model/smallest.hpp"

using namespace nibble;
using namespace nibble_test;

namespace {
struct optional_part {
  const char* architecture;
  const char* key;                   // that turns it on, without the architecture's name; or null
  std::vector<std::string> tensors;  // of each layer that has one beside it; none where the key makes them wanted
  std::vector<std::uint64_t> dims;
  const char* beside;
};
// 32 numbers wide, 3 layers, 2 heads of 16, 4 experts of which 2 are used, recurrences of 2 groups
const optional_part parts[] = {
    {"nemotron_h_moe", "moe_latent_size", {}, {}, nullptr},
    {"nemotron_h_moe", "expert_shared_count", {}, {}, nullptr},
    {"granitemoe", "expert_shared_count", {}, {}, nullptr},
    {"deepseek2", "attention.q_lora_rank", {}, {}, nullptr},
    {"falcon-h1", nullptr, {"ssm_norm.weight"}, {16, 2}, "ssm_conv1d.weight"},
    {"glm4moe", nullptr, {"attn_q_norm.weight", "attn_k_norm.weight"}, {16}, "attn_q.weight"},
    {"glm4moe", nullptr, {"exp_probs_b.bias"}, {4}, "ffn_gate_inp.weight"},
    {"bailingmoe2", nullptr, {"exp_probs_b.bias"}, {4}, "ffn_gate_inp.weight"},
    {"lfm2moe", nullptr, {"exp_probs_b.bias"}, {4}, "ffn_gate_inp.weight"},
    {"gemma4", nullptr, {"layer_output_scale.weight"}, {1}, "attn_q.weight"},
    {"llama", nullptr, {"attn_output.bias"}, {32}, "attn_output.weight"},
    {"llama", nullptr, {"ffn_down.bias"}, {32}, "ffn_down.weight"},
};
smallest_model with_part(smallest_model m, const optional_part& p) {
  if (p.key) return with(std::move(m), std::string(p.architecture) + "." + p.key, value(1u << 3)).completed();
  std::vector<std::string> layers;
  for (const auto& t : m.tensors)
    if (t.name.ends_with(std::string(".") + p.beside)) layers.push_back(t.name.substr(0, t.name.rfind(p.beside)));
  REQUIRE(!layers.empty());
  for (const std::string& at : layers)
    for (const std::string& name : p.tensors) m = with_tensor(std::move(m), at + name, p.dims);
  return m;
}
}  // namespace

TEST_CASE("a part that files may have gives the same bits in any pieces, packed or mapped, and changes the logits") {
  for (const optional_part& p : parts) {
    const std::string name = p.key ? p.key : p.tensors[0];
    INFO(std::string(p.architecture));
    INFO(name);
    const smallest_model plain(p.architecture, 32, 3);
    const smallest_model m = with_part(plain, p);
    const auto whole = run(m);
    CHECK(whole != run(plain));
    CHECK(run(m, 1) == whole);
    CHECK(run(m, 7) == whole);
    CHECK(run(m, 20, true) == whole);
  }
}
