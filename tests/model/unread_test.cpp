/// What a file holds beside what its architecture asks for: refused where it would change the results, passed over where not.
#include <doctest/doctest.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "model/toys.hpp"
#include "support/golden_models.hpp"

namespace {
using namespace nibble;
using namespace nibble_test;

model_parts::tensor floats_tensor(std::string name, std::vector<std::uint64_t> dims, float x) {
  std::size_t count = 1;
  for (const auto d : dims) count *= static_cast<std::size_t>(d);
  const std::vector<float> values(count, x);
  const auto bytes = std::as_bytes(std::span(values));
  return {std::move(name), tensor_type::f32, std::move(dims), {bytes.begin(), bytes.end()}};
}
model_parts with(const char* file, std::vector<model_parts::tensor> more) {
  model_parts parts(golden(file));
  for (auto& t : more) parts.tensors.push_back(std::move(t));
  return parts;
}
std::vector<std::byte> with_key(const char* file, const std::string& key, const value& v) {
  model_parts parts(golden(file));
  parts.meta.set(key, v);
  return parts.bytes();
}
void refuse(std::span<const std::byte> bytes, errc code, const std::string& sentence) {
  for (const bool mapped : {false, true}) {
    const auto loaded = any_model::try_load(bytes, {.threads = 1, .mapped = mapped});
    REQUIRE(!loaded);
    CHECK(int(loaded.failure().code()) == int(code));
    CHECK(std::string(loaded.failure().what()) == sentence);
  }
  const auto plan = any_model::try_plan(gguf_file::parse(bytes));
  REQUIRE(!plan);
  CHECK(std::string(plan.failure().what()) == sentence);
}
}  // namespace

TEST_CASE("a tensor that the architecture does not read is an error that names it") {
  for (const char* name : {"blk.0.attn_q_norm.weight",
                           "blk.1.attn_k_norm.weight",
                           "blk.0.attn_norm.bias",
                           "blk.2.attn_norm.weight",
                           "blk.0.attn_norm.scale",
                           "blk.1.nobody.input_scale",
                           "blk.0.attn_sinks.weight",
                           "blk.0.post_attention_norm.weight",
                           "blk.0.layer_output_scale.weight",
                           "blk.0.attn_qkv.bias",
                           "blk.0.ffn_gate_exps.weight",
                           "blk.0.exp_probs_b.bias",
                           "blk.1.nextn.eh_proj.weight",
                           "blk.0.attn_gate.weight",
                           "position_embd.weight",
                           "token_embd_norm.weight",
                           "token_types.weight",
                           "output_norm.bias",
                           "cls.output.weight",
                           "dense_2.weight",
                           "per_layer_token_embd.weight",
                           "a-tensor-of-nobody"}) {
    INFO(name);
    refuse(with("models/llama.gguf", {floats_tensor(name, {16}, 0.5f)}).bytes(), errc::unread_tensor,
           std::string(name) + ": llama does not read this tensor: without it, the results would not be the model's");
  }
}

TEST_CASE("frequency factors are read by architectures that have them, and refused by others") {
  refuse(with("models/qwen3.gguf", {floats_tensor("rope_factors_long.weight", {16}, 2)}).bytes(), errc::unread_tensor,
         "rope_factors_long.weight: qwen3 does not read this tensor: without it, the results would not be the model's");
  model_parts parts = with("models/llama.gguf", {floats_tensor("rope_factors_short.weight", {8}, 2)});
  const auto short_one = logits_of(parts.bytes()), usual = logits_of("models/llama.gguf");
  CHECK(short_one != usual);
  parts.tensors.push_back(floats_tensor("rope_factors_long.weight", {8}, 3));
  CHECK(logits_of(parts.bytes()) == short_one);
  // which of them hold is decided by the context that a session is made for, and not by how much it holds
  parts.meta.set("llama.rope.scaling.original_context_length", value(199u));
  const auto long_one = logits_of(parts.bytes());
  CHECK((long_one != short_one && long_one != usual));
  check_bits<any_model>(parts.bytes());
  parts.meta.set("llama.rope.scaling.original_context_length", value(200u));
  CHECK(logits_of(parts.bytes()) == short_one);
}

TEST_CASE("of several unread tensors the first is named, and how many there are beside it") {
  refuse(with("models/qwen3.gguf",
              {floats_tensor("blk.0.b", {2, 3}, 1), floats_tensor("blk.1.a", {2}, 1), floats_tensor("c", {4}, 0)})
             .bytes(),
         errc::unread_tensor,
         "blk.0.b: qwen3 does not read this tensor, nor 2 others: without it, the results would not be the model's");
}

TEST_CASE("every architecture refuses a layer too many and norms that it does not have") {
  for (const auto& g : golden_of_each_architecture()) {
    INFO(g.name);
    model_parts parts(g.file);
    const bool may_have_biases = parts.meta.find(g.architecture + ".attention.layer_norm_epsilon") != nullptr;
    for (const char* name :
         {"blk.99.attn_norm.weight", "blk.0.attn_sub_norm.weight", "output_norm.bias", "blk.0.ffn_norm.bias"}) {
      if (may_have_biases && std::string_view(name).ends_with(".bias")) continue;
      model_parts changed = parts;
      changed.tensors.push_back(floats_tensor(name, {64}, 1));
      const auto loaded = any_model::try_load(changed.bytes(), {.threads = 1});
      REQUIRE(!loaded);
      CHECK(loaded.failure().code() == errc::unread_tensor);
    }
  }
}

TEST_CASE("every architecture refuses a block that is said to draft and has nothing to draft with") {
  for (const auto& g : golden_of_each_architecture()) {
    INFO(g.name);
    model_parts parts(g.file);
    const std::string drafts = g.architecture + ".nextn_predict_layers";
    if (parts.meta.find(drafts)) continue;
    parts.meta.set(drafts, value(1));
    CHECK(!any_model::try_load(parts.bytes(), {.threads = 1}));
  }
}

TEST_CASE("tensors that change nothing are passed over: zero biases, factors of one, tables of angles, other senses") {
  const auto expected = logits_of("models/qwen3.gguf");
  CHECK(logits_of(with("models/qwen3.gguf",
                       {floats_tensor("rope_freqs.weight", {16}, 1), floats_tensor("blk.0.attn_norm.bias", {64}, 0),
                        floats_tensor("output_norm.bias", {64}, 0), floats_tensor("blk.0.attn_rot_embd.weight", {16}, 0.3f),
                        floats_tensor("v.blk.0.attn_q.weight", {4, 4}, 1), floats_tensor("mm.0.weight", {4, 4}, 1)})
                      .bytes()) == expected);
  for (const auto& [name, x] : {std::pair("rope_freqs.weight", 2.0f), std::pair("output_norm.bias", 1e-9f),
                                std::pair("output_norm.bias", std::numeric_limits<float>::quiet_NaN())}) {
    CHECK(!any_model::try_load(with("models/qwen3.gguf", {floats_tensor(name, {16}, x)}).bytes(), {.threads = 1}));
  }
}

TEST_CASE("biases of queries, keys, values, outputs, feed-forwards and logits are read where a file has them") {
  const auto plain = logits_of("models/llama.gguf");
  for (const auto& bias : {std::pair<const char*, std::uint64_t>("blk.0.attn_q.bias", 64),
                           {"blk.0.attn_k.bias", 32},
                           {"blk.0.attn_v.bias", 32},
                           {"blk.1.attn_output.bias", 64},
                           {"blk.0.ffn_gate.bias", 128},
                           {"blk.0.ffn_up.bias", 128},
                           {"blk.1.ffn_down.bias", 64},
                           {"output.bias", 512}}) {
    const char* const name = bias.first;
    const std::uint64_t size = bias.second;
    INFO(name);
    const auto bytes = with("models/llama.gguf", {floats_tensor(name, {size}, 0.5f)}).bytes();
    const bool shifts_scores = std::string_view(name).find("attn_k") != std::string_view::npos;
    CHECK((logits_of(bytes) != plain || shifts_scores));
    check_bits<any_model>(bytes);
    const auto short_one = any_model::try_load(with("models/llama.gguf", {floats_tensor(name, {size - 1}, 0.5f)}).bytes());
    REQUIRE(!short_one);
    CHECK(short_one.failure().code() == errc::shape_mismatch);
  }
}

TEST_CASE("a key that changes the results and is not read is an error, unless its value changes nothing") {
  const auto expected = logits_of("models/llama.gguf");
  struct key {
    std::string name;
    value changes, neutral;
  };
  const key keys[] = {
      {"attention.clamp_kqv", value(8.0f), value(0.0f)},
      {"attention.max_alibi_bias", value(8.0f), value(0.0f)},
      {"attention.output_scale", value(0.5f), value(1.0f)},
      {"attention.temperature_scale", value(0.1f), value(0.0)},
      {"attention.rope_pattern", value(std::vector<bool>{true, false}), value(std::vector<bool>{true, true})},
      {"attention.key_length_swa", value(32), value(16)},
      {"attn_logit_softcapping", value(50.0f), value(0.0f)},
      {"final_logit_softcapping", value(30.0f), value(0u)},
      {"router_logit_softcapping", value(30.0), value(0.0f)},
      {"logit_scale", value(0.25f), value(1.0f)},
      {"residual_scale", value(0.5f), value(0.0f)},
      {"embedding_scale", value(12.0f), value(1)},
      {"use_parallel_residual", value(true), value(false)},
      {"hidden_activation", value("silu"), value(0u)},
      {"activation_sparsity_scale", value(std::vector<float>{0, 1}), value(std::vector<float>{0, 0})},
      {"rope.freq_base_swa", value(5e5f), value(10000.0)},
      {"rope.global.freq_base", value(1e6f), value(10000.0)},
      {"rope.local.freq_base", value(5e5f), value(10000.0f)},
      {"rope.scaling.alpha", value(1000.0f), value(std::uint32_t{0})},
  };
  model_parts parts(golden("models/llama.gguf"));
  parts.meta.set("llama.attention.key_length", value(16));
  for (const key& k : keys) {
    INFO(k.name);
    model_parts changed = parts;
    changed.meta.set("llama." + k.name, k.neutral);
    CHECK(logits_of(changed.bytes()) == expected);
    for (const value& v : {k.changes, value("text")}) {
      changed.meta.set("llama." + k.name, v);
      const auto loaded = any_model::try_load(changed.bytes(), {.threads = 1});
      REQUIRE(!loaded);
      CHECK(loaded.failure().code() == errc::bad_value);
      CHECK(std::string(loaded.failure().what())
                .starts_with("key 'llama." + k.name +
                             "': expected none, for llama does not read this key, and it changes the results, found "));
    }
  }
}

TEST_CASE("a window that is not read is an error, unless it is as long as the context") {
  for (const auto& [window, fits] : {std::pair(4u, false), {511u, false}, {512u, true}, {0u, true}, {0xffffffffu, true}}) {
    CHECK(bool(any_model::try_load(with_key("models/qwen2.gguf", "qwen2.attention.sliding_window", value(window)))) == fits);
  }
}

TEST_CASE("unknown keys, keys of other architectures, and what belongs to parts that a model has not, pass") {
  const auto expected = logits_of("models/llama.gguf");
  for (const char* key : {"llama.a_key_of_tomorrow", "gpt2.logit_scale", "llama.tensor_data_layout", "llama.expert_used_count",
                          "llama.expert_gating_func", "llama.rope.scaling.original_context_length"}) {
    INFO(key);
    CHECK(logits_of(with_key("models/llama.gguf", key, value(2u))) == expected);
  }
}

TEST_CASE("keys that decide nothing may hold anything: a stale vocabulary size, a rope factor of 0, caps of 0") {
  const auto expected = logits_of("models/llama.gguf");
  for (const value& v : {value(500u), value(0u), value(0xffffffffu), value(-1), value("many")}) {
    CHECK(logits_of(with_key("models/llama.gguf", "llama.vocab_size", v)) == expected);
  }
  for (const char* key : {"rope.scaling.factor", "rope.scale_linear", "attention.scale", "attention.sliding_window"}) {
    INFO(key);
    const bool count = std::string_view(key) == "attention.sliding_window";
    CHECK(logits_of(with_key("models/llama.gguf", std::string("llama.") + key, count ? value(0u) : value(0.0f))) == expected);
  }
  model_parts parts(golden("models/llama-linear4.gguf"));
  const auto scaled = logits_of(parts.bytes());
  parts.meta.set("llama.rope.scale_linear", value(-3.0f));  // the newer key decides
  CHECK(logits_of(parts.bytes()) == scaled);
  parts.meta.set("llama.rope.scale_linear", value(4.0f));
  parts.meta.set("llama.rope.scaling.factor", value(0.0f));
  CHECK(logits_of(parts.bytes()) == scaled);
  parts.meta.set("llama.rope.scaling.type", value("none"));
  CHECK(logits_of(parts.bytes()) != scaled);
  CHECK(logits_of(with_key("models/gemma3.gguf", "gemma3.final_logit_softcapping", value(0.0f))) ==
        logits_of("models/gemma3.gguf"));
}

TEST_CASE("gemma3: the rotary bases may have either name, and have to agree where both are there") {
  const auto expected = logits_of("models/gemma3.gguf");
  model_parts parts(golden("models/gemma3.gguf"));
  const auto fails = [&](const char* key, float x) {
    model_parts changed = parts;
    changed.meta.set(key, value(x));
    const auto loaded = any_model::try_load(changed.bytes(), {.threads = 1});
    REQUIRE(!loaded);
    CHECK(std::string(loaded.failure().what()).starts_with("key '" + std::string(key) + "': expected "));
  };
  fails("gemma3.rope.global.freq_base", 1e4f);
  parts.meta.set("gemma3.rope.freq_base_swa", value(1e4f));
  fails("gemma3.rope.local.freq_base", 1e6f);
  parts.meta.erase("gemma3.rope.freq_base"), parts.meta.erase("gemma3.rope.freq_base_swa");
  CHECK(logits_of(parts.bytes()) == expected);  // without either
  parts.meta.set("gemma3.rope.global.freq_base", value(1e6f)), parts.meta.set("gemma3.rope.local.freq_base", value(1e4f));
  CHECK(logits_of(parts.bytes()) == expected);
  parts.meta.set("gemma3.rope.freq_base", value(1e6)), parts.meta.set("gemma3.rope.freq_base_swa", value(1e4));
  CHECK(logits_of(parts.bytes()) == expected);
  for (const char* key : {"gemma3.rope.global.freq_base", "gemma3.rope.local.freq_base"}) {
    model_parts changed(golden("models/gemma3.gguf"));
    changed.meta.erase("gemma3.rope.freq_base"), changed.meta.erase("gemma3.rope.freq_base_swa");
    changed.meta.set(key, value(5e4f));
    CHECK(logits_of(changed.bytes()) != expected);
  }
}

TEST_CASE("which layers see a window is a period, or a flag for each layer") {
  for (const std::string name : {"gemma2", "gemma3", "llama"}) {
    INFO(name);
    const std::string file = "models/" + name + ".gguf", key = name + ".attention.sliding_window_pattern";
    model_parts parts(golden(file));
    parts.meta.set(name + ".attention.sliding_window", value(std::uint32_t{4}));
    const auto with_pattern = [&](const value& pattern) {
      parts.meta.set(key, pattern);
      return logits_of(parts.bytes());
    };
    const auto layers = static_cast<std::size_t>(*parts.meta.get<std::uint64_t>(name + ".block_count"));
    std::vector<bool> flags(layers);
    for (std::size_t i = 0; i < layers; ++i) flags[i] = i % 2 < 1;
    const auto alternating = with_pattern(value(std::uint32_t{2}));
    CHECK(with_pattern(value(flags)) == alternating);
    flags.flip();
    CHECK(with_pattern(value(flags)) != alternating);
    CHECK(with_pattern(value(std::vector<bool>(layers))) == with_pattern(value(std::uint32_t{1})));
    flags.push_back(true);
    for (const value& bad : {value(flags), value(std::vector<std::string>(layers, "x"))}) {
      parts.meta.set(key, bad);
      const auto loaded = any_model::try_load(parts.bytes(), {.threads = 1});
      REQUIRE(!loaded);
      CHECK(std::string(loaded.failure().what()).starts_with("key '" + key + "'"));
    }
  }
}

TEST_CASE("integers of any width, floats of either, and one number for each layer are read") {
  const auto expected = logits_of("models/llama.gguf");
  const auto same = [&](const char* key, const value& v) {
    INFO(key, " ", v.type_name());
    CHECK(logits_of(with_key("models/llama.gguf", std::string("llama.") + key, v)) == expected);
  };
  for (const value& v : {value(std::uint8_t{2}), value(std::int16_t{2}), value(std::int64_t{2})}) same("block_count", v);
  same("rope.freq_base", value(10000.0));
  same("attention.layer_norm_rms_epsilon", value(double(1e-5f)));
  same("attention.head_count", value(std::vector<std::uint32_t>{4, 4}));
  same("attention.head_count_kv", value(std::vector<std::int32_t>{2, 2}));
  same("feed_forward_length", value(std::vector<std::uint64_t>{128, 128}));
}

TEST_CASE("layers may differ in heads and widths") {
  model_parts parts(golden("models/llama.gguf"));
  const auto cut = [&](const char* name, std::size_t dim, std::uint64_t to) {
    auto& t = parts.at(name);
    const std::size_t columns = static_cast<std::size_t>(t.dims[0]), rows = static_cast<std::size_t>(t.dims[1]);
    std::vector<std::byte> kept;
    for (std::size_t r = 0; r < (dim == 1 ? to : rows); ++r) {
      const auto row = t.data.begin() + std::ptrdiff_t(r * columns * 4);
      kept.insert(kept.end(), row, row + std::ptrdiff_t((dim == 0 ? to : columns) * 4));
    }
    t.data = kept, t.dims[dim] = to;
  };
  cut("blk.1.attn_q.weight", 1, 32), cut("blk.1.attn_output.weight", 0, 32);
  cut("blk.1.attn_k.weight", 1, 16), cut("blk.1.attn_v.weight", 1, 16);
  cut("blk.1.ffn_gate.weight", 1, 96), cut("blk.1.ffn_up.weight", 1, 96), cut("blk.1.ffn_down.weight", 0, 96);
  CHECK(!any_model::try_load(parts.bytes(), {.threads = 1}));
  parts.meta.set("llama.attention.head_count", value(std::vector<std::uint32_t>{4, 2}));
  parts.meta.set("llama.attention.head_count_kv", value(std::vector<std::uint32_t>{2, 1}));
  parts.meta.set("llama.feed_forward_length", value(std::vector<std::uint32_t>{128, 96}));
  parts.meta.set("llama.attention.key_length", value(16u));
  check_bits<any_model>(parts.bytes());
  parts.meta.set("llama.attention.head_count_kv", value(std::vector<std::uint32_t>{2, 4}));
  const auto loaded = any_model::try_load(parts.bytes(), {.threads = 1});
  REQUIRE(!loaded);
  CHECK(std::string(loaded.failure().what()) ==
        "key 'llama.attention.head_count_kv': expected a divisor of the 2 heads, found 4");
}
