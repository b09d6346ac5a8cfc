/// What tells Gemma 4 apart: keys of other layers, inputs of each layer, experts beside a dense feed-forward.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "model/smallest.hpp"
#include "support/hostile.hpp"

using namespace nibble;
using namespace nibble_test;

namespace {
/// Six layers, of which some read keys and values of others.
smallest_model sharing(int shared, std::vector<bool> windowed = {true, false, true, false, true, false}) {
  smallest_model m("gemma4", 32, 6);
  m.meta.set("gemma4.attention.sliding_window_pattern", value(windowed));
  m.meta.set("gemma4.attention.shared_kv_layers", value(shared));
  return m;
}
/// Two layers with inputs of four numbers.
smallest_model with_inputs() {
  auto m = with(smallest_model("gemma4"), "gemma4.embedding_length_per_layer_input", value(4));
  m = with_tensor(std::move(m), "per_layer_token_embd.weight", {8, 40});
  m = with_tensor(std::move(m), "per_layer_model_proj.weight", {32, 8});
  m = with_tensor(std::move(m), "per_layer_proj_norm.weight", {4});
  for (const std::string at : {"blk.0.", "blk.1."}) {
    m = with_tensor(std::move(m), at + "inp_gate.weight", {32, 4});
    m = with_tensor(std::move(m), at + "proj.weight", {4, 32});
    m = with_tensor(std::move(m), at + "post_norm.weight", {32});
  }
  return m;
}
}  // namespace

TEST_CASE("layers that read keys and values of others keep none, and need no tensors for them") {
  auto m = sharing(2);
  const auto kv = any_model::load(m.bytes(), {.threads = 1}).kv();
  for (std::size_t i = 0; i < 6; ++i) CHECK(kv[i].heads == (i < 4 ? 2 : 0));
  const auto whole = run(m);
  CHECK(run(m, 1) == whole);
  CHECK(run(m, 7) == whole);
  auto without = m;
  std::erase_if(without.tensors, [](const auto& t) {
    return t.name == "blk.4.attn_k.weight" || t.name == "blk.4.attn_v.weight" || t.name == "blk.5.attn_k_norm.weight";
  });
  CHECK(run(without) == whole);
}

TEST_CASE("layers that read keys of one that sees other positions, or are too many, are refused") {
  refuse(with_tensor(sharing(2, {true, false, false, true, true, false}), "blk.3.attn_v.weight", {32, 32}),
         "blk.4.attn: expected keys and values of a layer of the same shape and mask");
  refuse(with(sharing(2), "gemma4.rope.dimension_count_swa", value(7)),
         "key 'gemma4.rope.dimension_count_swa': expected an even number, found 7");
  refuse(sharing(5), "key 'gemma4.attention.shared_kv_layers': expected two layers with keys of their own, found 5");
  refuse(sharing(6), "key 'gemma4.attention.shared_kv_layers': expected 0 to 5, found 6");
}

TEST_CASE("which layers see a window must be said for each layer") {
  const std::string key = "gemma4.attention.sliding_window_pattern";
  refuse(with(smallest_model("gemma4"), key, value(2)), "key '" + key + "': expected a flag for each layer, found a number");
  refuse(with(smallest_model("gemma4"), key, value(std::vector<bool>(3))),
         "key '" + key + "': expected 2 flags, found array of 3 bool");
}

TEST_CASE("a layer that sees all positions may have its keys as values, and one with a window may not") {
  auto m = smallest_model("gemma4");  // of which the second layer has none
  CHECK(run(with_tensor(m, "blk.1.attn_v.weight", {32, 32})) != run(m));
  std::erase_if(m.tensors, [](const auto& t) { return t.name == "blk.0.attn_v.weight"; });
  refuse(m, "blk.0.attn_v.weight: the tensor is missing");
}

TEST_CASE("inputs of each layer change what it gives, in any pieces; their table stays as it is stored and is planned") {
  const auto m = with_inputs();
  const auto whole = run(m);
  CHECK(whole != run(smallest_model("gemma4")));
  CHECK(run(m, 1) == whole);
  CHECK(run(m, 20, true) == whole);
  auto small = with_inputs(), large = with_inputs();
  const auto planned = [](smallest_model& file) {
    const auto bytes = file.bytes();
    return any_model::try_plan(*gguf_file::try_parse(bytes))->weights;
  };
  small.bytes(), large.bytes();
  for (auto& t : small.tensors) {
    if (t.name != "per_layer_token_embd.weight") continue;
    t.type = tensor_type::f16, t.data.resize(t.data.size() / 2);
  }
  CHECK(planned(large) - planned(small) == 8 * 40 * 2);
}

TEST_CASE("inputs of layers that are missing, of another shape, or without their table are refused") {
  const auto lacking = [](const std::string& name) {
    auto m = with_inputs();
    std::erase_if(m.tensors, [&](const auto& t) { return t.name == name; });
    refuse(m, name + ": the tensor is missing");
  };
  for (const char* name : {"per_layer_token_embd.weight", "per_layer_model_proj.weight", "blk.1.inp_gate.weight"})
    lacking(name);
  refuse(with_tensor(with_inputs(), "per_layer_token_embd.weight", {8, 39}),
         "per_layer_token_embd.weight: expected (40, 8), found (39, 8)");
  refuse(with(with_inputs(), "gemma4.embedding_length_per_layer_input", value(65537)),
         "key 'gemma4.embedding_length_per_layer_input': expected 0 to 65536, found 65537");
}

TEST_CASE("experts stand beside the dense feed-forward, and their norms must be there") {
  auto m = with(with(smallest_model("gemma4"), "gemma4.expert_count", value(4)), "gemma4.expert_used_count", value(2));
  for (const std::string at : {"blk.0.", "blk.1."}) {
    m = with_tensor(std::move(m), at + "ffn_gate_inp.weight", {32, 4});
    m = with_tensor(std::move(m), at + "ffn_gate_inp.scale", {32});
    m = with_tensor(std::move(m), at + "ffn_gate_up_exps.weight", {32, 64, 4});
    m = with_tensor(std::move(m), at + "ffn_down_exps.weight", {32, 32, 4});
    m = with_tensor(std::move(m), at + "ffn_down_exps.scale", {4});
    for (const char* norm : {"pre_ffw_norm_2", "post_ffw_norm_1", "post_ffw_norm_2"})
      m = with_tensor(std::move(m), at + norm + ".weight", {32});
  }
  const auto whole = run(m);
  CHECK(run(m, 1) == whole);
  CHECK(run(m, 7, true) == whole);
  for (const std::string name : {"blk.0.ffn_gate_inp.scale", "blk.1.post_ffw_norm_1.weight"}) {
    auto less = m;
    std::erase_if(less.tensors, [&](const auto& t) { return t.name == name; });
    refuse(less, name + ": the tensor is missing");
  }
}

TEST_CASE("a layer that reads keys of another and has all its projections in one tensor is refused") {
  auto m = sharing(2);
  std::erase_if(m.tensors, [](const auto& t) { return t.name.starts_with("blk.4.attn_q."); });
  refuse(with_tensor(std::move(m), "blk.4.attn_qkv.weight", {32, 96}), "blk.4.attn_q.weight: the tensor is missing");
}

TEST_CASE("rows may be wanted anywhere in a step where the last layers keep nothing, and take the scratch that is planned") {
  const auto shared = [](smallest_model m, const std::string& key) {
    return with(std::move(m), key + ".attention.shared_kv_layers", value(2));
  };
  auto wide = with_inputs();
  const auto far = with(smallest_model("gemma3n", 32, 5), "gemma3n.attention.sliding_window", value(0));
  for (auto& file : {sharing(2), shared(far, "gemma3n"), std::move(wide)}) {
    auto m = file;
    const auto model = any_model::load(m.bytes(), {.threads = 2});
    auto ids = some_tokens(60);
    for (token& id : ids) id %= 40;
    std::vector<floats> all;
    auto each = evaluator_of(model, {.context = 90, .prefill_chunk = 60, .output_rows = 60});
    const auto how = each.feed_each(ids, [&](std::size_t, std::span<float> row) { all.emplace_back(row.begin(), row.end()); });
    REQUIRE(how == feed_outcome::done);
    const std::vector<std::uint32_t> wanted{0, 17, 18, 19, 40, 59};
    for (const std::size_t rows : {2, 8}) {
      auto e = evaluator_of(model, {.context = 90, .prefill_chunk = 16, .output_rows = rows});
      std::size_t seen = 0;
      const auto compare = [&](std::size_t i, std::span<float> row) {
        CHECK(i == wanted[seen++]);
        CHECK(std::equal(row.begin(), row.end(), all[i].begin()));
      };
      CHECK(e.feed_some(ids, wanted, compare) == feed_outcome::done);
      CHECK(seen == wanted.size());
      CHECK(e.scratch_peak() <= e.memory().scratch);
    }
  }
}
