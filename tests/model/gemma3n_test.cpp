/// What tells Gemma 3n apart: four streams, few hidden numbers in the first layers, keys of other layers.
#include <doctest/doctest.h>

#include <string>

#include "model/smallest.hpp"

using namespace nibble;
using namespace nibble_test;

TEST_CASE("gemma3n: the same bits in any pieces, packed or mapped, and hidden states are those that logits are made of") {
  const smallest_model m("gemma3n", 32, 12);  // of which ten are sparse
  const auto whole = run(m);
  CHECK(run(m, 1) == whole);
  CHECK(run(m, 7) == whole);
  CHECK(run(m, 20, true) == whole);
}

TEST_CASE("gemma3n: the last layers read keys of others, as many as the file says, or those behind the twentieth") {
  auto m = smallest_model("gemma3n", 32, 7);
  m.meta.set("gemma3n.attention.sliding_window", value(5));
  m.meta.set("gemma3n.attention.shared_kv_layers", value(2));
  auto kv = any_model::load(m.bytes(), {.threads = 1}).kv();
  for (std::size_t i = 0; i < 7; ++i) CHECK((kv[i].heads > 0) == (i < 5));
  m = smallest_model("gemma3n", 32, 22);
  kv = any_model::load(m.bytes(), {.threads = 1}).kv();
  for (std::size_t i = 0; i < 22; ++i) CHECK((kv[i].heads > 0) == (i < 20));
}

TEST_CASE("gemma3n: sizes that contradict each other, and tensors that are missing, are refused") {
  const std::string key = "gemma3n.embedding_length_per_layer_input";
  refuse(with(smallest_model("gemma3n"), key, value(0)), "key '" + key + "': expected 1 to 65536, found 0");
  refuse(with(smallest_model("gemma3n"), key, value(5)), "per_layer_token_embd.weight: expected (40, 10), found (40, 8)");
  refuse(with(smallest_model("gemma3n"), "gemma3n.attention.shared_kv_layers", value(2)),
         "key 'gemma3n.attention.shared_kv_layers': expected 0 to 1, found 2");
  refuse(with(smallest_model("gemma3n"), "gemma3n.feed_forward_length", value(1)),
         "blk.0.ffn_gate.weight: expected two rows at least");
  refuse(with_tensor(smallest_model("gemma3n"), "blk.0.laurel_l.weight", {32, 4097}),
         "blk.0.laurel_l.weight: expected at most 4096 rows");
  for (const std::string name : {"altup_proj.weight", "altup_unembd_proj.weight", "blk.0.altup_router.weight",
                                 "blk.1.laurel_r.weight", "blk.1.altup_correct_scale.weight"}) {
    auto m = smallest_model("gemma3n");
    std::erase_if(m.tensors, [&](const auto& t) { return t.name == name; });
    refuse(m, name + ": the tensor is missing");
  }
}
