/// Models whose metadata or tensors contradict the architecture: each is refused in one sentence that says what and where.
#include "nibble/model/hyperparameters.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "model/toys.hpp"
#include "nibble/model/any_model.hpp"
#include "nibble/model/arch/gemma.hpp"
#include "nibble/model/model.hpp"
#include "support/files.hpp"
#include "support/golden_models.hpp"
#include "support/hostile.hpp"
#include "support/model_parts.hpp"

namespace {
using nibble::errc;
using nibble::value;
using namespace nibble_test;

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr std::uint32_t huge = 0xffffffffu;

/// What any architecture refuses in a file of its own: each number it states, lost or of another type or out of all bounds.
std::vector<hostile> damaged_metadata(const std::string& architecture, const nibble::metadata& meta) {
  std::vector<hostile> cases;
  // where there are both, one decides, and the other is its stand-in
  const std::string of_rms = architecture + ".attention.layer_norm_rms_epsilon",
                    of_layer = architecture + ".attention.layer_norm_epsilon";
  const bool both = meta.find(of_rms) && meta.find(of_layer);
  for (const char* key : {"block_count", "context_length", "embedding_length", "feed_forward_length", "attention.head_count",
                          "attention.layer_norm_rms_epsilon", "attention.layer_norm_epsilon"}) {
    const std::string name = architecture + "." + key;
    const bool only_experts = architecture == "qwen35moe" || architecture == "qwen3next";
    const bool has_none = meta.get<std::uint64_t>(name) == std::uint64_t{0} ||  // and need not say so
                          (only_experts && name.ends_with(".feed_forward_length"));
    if (meta.find(name) && !has_none && !(both && name.ends_with("_epsilon")))
      cases.push_back(without(name, errc::missing_key, "key '" + name + "' is missing"));
  }
  for (const auto& entry : meta) {
    const std::string& name = entry.key;
    const std::string sentence = "key '" + name + "': expected ";
    if (!name.starts_with(architecture + ".")) continue;
    if (name.ends_with(".vocab_size") || name.ends_with(".n_deepstack_layers")) continue;  // which decide nothing
    if (both && name == of_layer) continue;
    if (meta.get<float>(name)) {
      cases.push_back(set(name, value("many"), errc::bad_value, sentence));
      for (const float x : {not_a_number, infinity, -1.0f}) cases.push_back(set(name, value(x), errc::bad_value, sentence));
    } else if (meta.get<std::uint64_t>(name)) {
      cases.push_back(set(name, value("many"), errc::bad_value, sentence));
      for (const value& v : {value(huge), value(std::int32_t{-1}), value(0.5f)}) {
        cases.push_back(set(name, v, errc::bad_value, "key '" + name + "'"));
      }
    }
  }
  return cases;
}

/// Architectures that have a bias wherever one can be.
constexpr std::string_view with_biases[] = {"phi2", "gpt2", "gptneox", "starcoder2", "bert", "jina-bert-v3"};

/// Each tensor of the first and the last layer, and of none, lost or a row short. Biases and the like are optional where an
/// architecture is not one of those. The last
/// layers of gemma3n read the keys and values of others, whether they have some of their own or not.
std::vector<hostile> damaged_tensors(const std::string& architecture, const model_parts& sound, std::uint64_t layers) {
  const std::string last = "blk." + std::to_string(layers - 1) + ".";
  std::vector<hostile> cases;
  for (const auto& t : sound.tensors) {
    if (t.name.starts_with("blk.") && !t.name.starts_with("blk.0.") && !t.name.starts_with(last)) continue;
    const auto ends_with_any = [&](std::initializer_list<std::string_view> endings) {
      return std::any_of(endings.begin(), endings.end(), [&](std::string_view ending) { return t.name.ends_with(ending); });
    };
    const bool has_all_biases =
        std::find(std::begin(with_biases), std::end(with_biases), architecture) != std::end(with_biases);
    const bool optional = (t.name.ends_with(".bias") && !has_all_biases) || t.name.ends_with("layer_output_scale.weight") ||
                          t.name == "rope_freqs.weight" || t.name == "output.weight";
    if (architecture == "gemma3n" && t.name.starts_with(last) &&
        ends_with_any({"attn_k.weight", "attn_v.weight", "attn_k_norm.weight"})) {
      continue;
    }
    if (!optional) cases.push_back(without_tensor(t.name));
    if (ends_with_any({"attn_qkv.weight", "ssm_ba.weight"})) cases.back().sentence = ": the tensor is missing";  // or others
    cases.push_back(with_tensor(t.name, drop_last_row, errc::shape_mismatch, ": expected "));
  }
  return cases;
}
}  // namespace

TEST_CASE("every registered architecture refuses damaged metadata and tensors of its golden") {
  for (const auto& golden : nibble_test::golden_of_each_architecture()) {
    INFO(golden.name);
    const model_parts sound(golden.file);
    const auto metadata = damaged_metadata(golden.architecture, sound.meta);
    const auto tensors = damaged_tensors(golden.architecture, sound,
                                         sound.meta.get<std::uint64_t>(golden.architecture + ".block_count").value_or(1));
    CHECK(metadata.size() > 20);
    CHECK(tensors.size() > 20);
    check(golden.file, metadata);
    check(golden.file, tensors);
  }
}

TEST_CASE("llama: hyper-parameters out of bounds, missing, or of another type are refused") {
  const auto u32 = [](std::uint32_t n) { return value(n); };
  std::vector<hostile> cases;
  for (const std::string key : {"block_count", "context_length", "embedding_length", "feed_forward_length",
                                "attention.head_count", "attention.layer_norm_rms_epsilon"}) {
    cases.push_back(without("llama." + key, errc::missing_key, "key 'llama." + key + "' is missing"));
    cases.push_back(set("llama." + key, value("many"), errc::bad_value, "key 'llama." + key + "': expected "));
    cases.push_back(
        set("llama." + key, value(std::vector<std::uint32_t>{1, 2, 3}), errc::bad_value, "key 'llama." + key + "': expected "));
  }
  const std::pair<std::string, std::string> bounds[] = {
      {"block_count", "1 to 4096"},           {"context_length", "1 to 16777216"},     {"embedding_length", "1 to 65536"},
      {"feed_forward_length", "1 to 262144"}, {"attention.head_count", "1 to 1024"},   {"attention.head_count_kv", "1 to 8"},
      {"attention.key_length", "1 to 1024"},  {"attention.value_length", "1 to 1024"},
  };
  const auto heads =
      model_parts(nibble_test::golden("models/llama.gguf")).meta.get<std::uint32_t>("llama.attention.head_count");
  REQUIRE(heads);
  for (auto [key, range] : bounds) {
    if (key == "attention.head_count_kv") range = "1 to " + std::to_string(*heads);
    for (const std::uint32_t n : {0u, huge}) {
      cases.push_back(set("llama." + key, u32(n), errc::bad_value,
                          "key 'llama." + key + "': expected " + range + ", found " + std::to_string(n)));
    }
    cases.push_back(set("llama." + key, value(std::int32_t{-1}), errc::bad_value, "key 'llama." + key + "'"));
    cases.push_back(set("llama." + key, value(0.5f), errc::bad_value, "key 'llama." + key + "'"));
  }
  check(nibble_test::golden("models/llama.gguf"), cases);
}

TEST_CASE("llama: numbers that are none, heads that share nothing evenly, and rotations of half a pair are refused") {
  const auto u32 = [](std::uint32_t n) { return value(n); };
  std::vector<hostile> cases;
  for (const std::string key :
       {"attention.layer_norm_rms_epsilon", "rope.freq_base", "rope.scaling.factor", "rope.scale_linear", "attention.scale"}) {
    for (const float x : {not_a_number, infinity, 0.0f, -1.0f}) {
      if (x == 0 && key != "attention.layer_norm_rms_epsilon" && key != "rope.freq_base") continue;  // unset
      cases.push_back(set("llama." + key, value(x), errc::bad_value, "key 'llama." + key + "': expected a positive number"));
    }
    cases.push_back(set("llama." + key, value("x"), errc::bad_value, "key 'llama." + key + "': expected f32"));
  }
  cases.push_back(set("llama.attention.head_count_kv", u32(3), errc::bad_value, "expected a divisor of the"));
  cases.push_back(
      set("llama.attention.key_length", u32(7), errc::bad_value, "expected an even number of at most 1024, found 7"));
  cases.push_back(
      set("llama.attention.value_length", u32(7), errc::bad_value, "expected an even number of at most 1024, found 7"));
  cases.push_back(set("llama.attention.value_length", u32(8), errc::shape_mismatch, "blk.0.attn_v.weight: expected (16, 64)"));
  cases.push_back(set("llama.rope.dimension_count", u32(0), errc::bad_value, "expected the head's 16, or fewer that are even"));
  cases.push_back(set("llama.rope.dimension_count", u32(8), errc::bad_value, "expected the head's 16, found 8"));
  cases.push_back(set("llama.rope.dimension_count", u32(7), errc::bad_value, "expected the head's"));
  cases.push_back(set("llama.rope.dimension_count", u32(4096), errc::bad_value, "expected the head's"));
  cases.push_back(set("llama.rope.dimension_count", u32(huge), errc::bad_value, "rope.dimension_count"));
  cases.push_back(
      set("llama.rope.scaling.type", value("su"), errc::bad_value, "expected none, linear, yarn or longrope, found 'su'"));
  cases.push_back(set("llama.rope.scaling.type", u32(1), errc::bad_value, "key 'llama.rope.scaling.type': expected string"));
  check(nibble_test::golden("models/llama.gguf"), cases);
}

TEST_CASE("what makes a rotary embedding reach further changes the logits, and is refused where it makes no sense") {
  const auto golden = nibble_test::golden("models/llama.gguf");
  const auto logits = [](const model_parts& m) { return nibble_test::logits_of(m.bytes()); };
  model_parts parts(golden);
  const auto usual = logits(parts);
  parts.meta.set("llama.rope.scaling.attn_factor", value(1.5f));
  CHECK(logits(parts) != usual);
  parts.meta.set("llama.rope.scaling.attn_factor", value(0.0f));  // none
  CHECK(logits(parts) == usual);

  parts.meta.set("llama.rope.scaling.type", value("yarn"));
  parts.meta.set("llama.rope.scaling.factor", value(8.0f));
  parts.meta.set("llama.rope.scaling.original_context_length", value(64u));
  const auto yarn = logits(parts);
  CHECK(yarn != usual);
  for (const char* key : {"yarn_beta_fast", "yarn_beta_slow", "yarn_ext_factor", "yarn_attn_factor", "yarn_log_multiplier",
                          "original_context_length"}) {
    INFO(key);
    model_parts changed = parts;
    const std::string name = std::string("llama.rope.scaling.") + key;
    changed.meta.set(name, std::string_view(key) == "original_context_length" ? value(8u) : value(0.25f));
    CHECK(logits(changed) != yarn);
    for (const value& bad : {value(not_a_number), value(infinity), value("x")}) {
      changed.meta.set(name, bad);
      const auto loaded = nibble::any_model::try_load(changed.bytes(), {.threads = 1});
      REQUIRE(!loaded);
      CHECK(std::string(loaded.failure().what()).starts_with("key '" + name + "': expected "));
    }
  }
  const auto refused = [&](const char* key, const value& v, const std::string& sentence) {
    model_parts changed = parts;
    changed.meta.set(std::string("llama.rope.scaling.") + key, v);
    const auto loaded = nibble::any_model::try_load(changed.bytes(), {.threads = 1});
    REQUIRE(!loaded);
    CHECK(std::string(loaded.failure().what()) == "key 'llama.rope.scaling." + std::string(key) + "': expected " + sentence);
  };
  refused("factor", value(0.5f), "1 or more, as YaRN has, found 0.500000");
  refused("yarn_log_multiplier", value(-9.0f), "a positive number, or 0, found -9.000000");
  refused("yarn_beta_fast", value(0.0f), "a positive number, found 0.000000");
  refused("yarn_ext_factor", value(-0.5f), "0 or more, or -1, found -0.500000");
  parts.meta.set("llama.rope.scaling.yarn_ext_factor", value(-1.0f));  // as if it were not there
  CHECK(logits(parts) == yarn);
}

TEST_CASE("numbers of experts that contradict each other or the tensors are refused") {
  const auto u32 = [](std::uint32_t n) { return value(n); };
  check(
      nibble_test::golden("models/qwen3moe.gguf"),
      {without("qwen3moe.expert_count", errc::missing_key, "key 'qwen3moe.expert_count' is missing"),
       without("qwen3moe.expert_used_count", errc::missing_key, "key 'qwen3moe.expert_used_count' is missing"),
       set("qwen3moe.expert_used_count", u32(0), errc::bad_value, "expected 1 to 6, found 0"),
       set("qwen3moe.expert_used_count", u32(7), errc::bad_value, "expected 1 to 6, found 7"),
       set("qwen3moe.expert_count", u32(1025), errc::bad_value, "expected 1 to 1024, found 1025"),
       set("qwen3moe.expert_count", u32(5), errc::shape_mismatch, "blk.0.ffn_gate_inp.weight: expected (5, 64), found (6, 64)"),
       set("qwen3moe.expert_feed_forward_length", u32(64), errc::shape_mismatch,
           "blk.0.ffn_gate_exps.weight: expected (6, 64, 64), found (6, 32, 64)")});
  check(nibble_test::golden("models/llama.gguf"),
        {set("llama.expert_count", u32(8), errc::missing_key, "key 'llama.expert_used_count' is missing")});
}

TEST_CASE("heads that do not divide the width, more heads than width, and heads that are too wide are refused") {
  model_parts parts(nibble_test::golden("models/llama.gguf"));
  parts.meta.erase("llama.attention.key_length");
  parts.meta.erase("llama.attention.value_length");
  parts.meta.erase("llama.rope.dimension_count");
  parts.meta.erase("llama.attention.head_count_kv");
  for (const std::uint32_t heads : {3u, 65u, 1024u}) {
    parts.meta.set("llama.attention.head_count", value(heads));
    const auto loaded = nibble::any_model::try_load(parts.bytes(), {.threads = 1});
    REQUIRE(!loaded);
    CHECK(loaded.failure().code() == errc::bad_value);
    CHECK(std::string(loaded.failure().what()).find("attention.key_length': expected an even number") != std::string::npos);
  }
  parts.meta.set("llama.attention.head_count", value(std::uint32_t{2}));
  parts.meta.set("llama.embedding_length", value(std::uint32_t{4096}));
  const auto wide = nibble::any_model::try_load(parts.bytes(), {.threads = 1});
  REQUIRE(!wide);
  CHECK(std::string(wide.failure().what()).find("at most 1024, found 2048") != std::string::npos);
}

TEST_CASE("gemma3: its own hyper-parameters are refused alike") {
  std::vector<hostile> cases;
  for (const std::string key : {"rope.freq_base_swa", "final_logit_softcapping"}) {
    for (const float x : {not_a_number, infinity, -1.0f})
      cases.push_back(set("gemma3." + key, value(x), errc::bad_value, "key 'gemma3." + key + "': expected a positive number"));
  }
  cases.push_back(set("gemma3.attention.sliding_window", value(huge), errc::bad_value, "expected 0 to 16777216"));
  cases.push_back(set("gemma3.attention.sliding_window", value("x"), errc::bad_value, "attention.sliding_window"));
  cases.push_back(
      set("gemma3.attention.sliding_window_pattern", value(std::uint32_t{0}), errc::bad_value, "expected 1 to 4096"));
  cases.push_back(set("gemma3.attention.sliding_window_pattern", value(std::vector<bool>{true, false}), errc::bad_value,
                      "attention.sliding_window_pattern"));
  for (const char* name : {"blk.0.attn_q_norm.weight", "blk.6.attn_k_norm.weight", "blk.3.post_attention_norm.weight",
                           "blk.3.post_ffw_norm.weight"}) {
    cases.push_back(without_tensor(name));
  }
  check(nibble_test::golden("models/gemma3.gguf"), cases);
}

TEST_CASE("tensors that are missing, transposed, too short or of an unsuitable format are refused") {
  std::vector<hostile> cases;
  for (const char* name : {"token_embd.weight", "output_norm.weight", "blk.0.attn_norm.weight", "blk.0.attn_q.weight",
                           "blk.0.attn_k.weight", "blk.0.attn_v.weight", "blk.0.attn_output.weight", "blk.0.ffn_norm.weight",
                           "blk.0.ffn_gate.weight", "blk.0.ffn_up.weight", "blk.0.ffn_down.weight"}) {
    cases.push_back(without_tensor(name));
  }
  for (const char* name : {"blk.0.ffn_gate.weight", "blk.0.ffn_down.weight", "blk.0.attn_k.weight"}) {
    cases.push_back(with_tensor(name, transpose, errc::shape_mismatch, std::string(name) + ": expected ("));
    cases.push_back(with_tensor(name, drop_last_row, errc::shape_mismatch, std::string(name) + ": expected ("));
  }
  cases.push_back(
      with_tensor("output_norm.weight", drop_last_row, errc::shape_mismatch, "output_norm.weight: expected (64), found (63)"));
  cases.push_back({"a matrix of rank 3",
                   [](model_parts& m) {
                     auto& t = m.at("blk.0.ffn_gate.weight");
                     t.dims = {t.dims[0], t.dims[1] / 2, 2};
                   },
                   errc::shape_mismatch, "blk.0.ffn_gate.weight: expected ("});
  cases.push_back(with_tensor(
      "blk.0.attn_q.weight",
      [](model_parts::tensor& t) {
        t.type = static_cast<nibble::tensor_type>(26);  // I32: as many bytes as F32
      },
      errc::unknown_format, "blk.0.attn_q.weight: weights of format I32 are not supported"));
  cases.push_back(with_tensor(
      "output_norm.weight", [](model_parts::tensor& t) { t.type = static_cast<nibble::tensor_type>(26); }, errc::unknown_format,
      "output_norm.weight: expected a vector of F32, F16 or BF16, found I32"));
  cases.push_back(set("llama.block_count", value(std::uint32_t{4096}), errc::missing_tensor, ".weight: the tensor is missing"));
  check(nibble_test::golden("models/llama.gguf"), cases);
}

TEST_CASE("an embedding table without a row for each token is refused") {
  check(nibble_test::golden("models/llama.gguf"),
        {{"one row short",
          [](model_parts& m) {
            drop_last_row(m.at("token_embd.weight"));
            drop_last_row(m.at("output.weight"));
          },
          errc::shape_mismatch, "token_embd.weight: expected a row for each of the 512 tokens, found 511"},
         {"of which the output matrix knows nothing", [](model_parts& m) { drop_last_row(m.at("token_embd.weight")); },
          errc::shape_mismatch, "output.weight: expected (511, 64), found (512, 64)"}});
}

TEST_CASE("an architecture that is missing, of another type, or not known is refused") {
  std::string known;
  for (const auto& name : nibble_test::architecture_names()) known += (known.empty() ? "" : ", ") + name;
  check(nibble_test::golden("models/llama.gguf"),
        {without("general.architecture", errc::missing_key, "key 'general.architecture' is missing"),
         set("general.architecture", value(std::uint32_t{1}), errc::bad_value, "key 'general.architecture'"),
         set("general.architecture", value("of-nobody"), errc::unknown_architecture,
             "general.architecture: found 'of-nobody', expected one of " + known),
         set("general.architecture", value("gemma3"), errc::missing_key, "key 'gemma3.block_count' is missing")});
  const auto other = nibble::model<nibble::arch::gemma3>::try_load(nibble_test::golden("models/llama.gguf"));
  REQUIRE(!other);
  CHECK(other.failure().code() == errc::unknown_architecture);
  CHECK(std::string(other.failure().what()).find("llama.gguf: general.architecture: expected gemma3, found 'llama'") !=
        std::string::npos);
}

TEST_CASE("a file that is no model, but belongs to one, is told what it is") {
  const auto is = [](const char* architecture, const char* type, const std::string& what) {
    model_parts parts(nibble_test::golden("models/llama.gguf"));
    if (architecture) parts.meta.set("general.architecture", value(architecture));
    if (!architecture) parts.meta.erase("general.architecture");
    if (type) parts.meta.set("general.type", value(type));
    if (!type) parts.tensors.resize(what.starts_with("a vocabulary") ? 0 : 1);
    const auto loaded = nibble::any_model::try_load(parts.bytes(), {.threads = 1});
    REQUIRE(!loaded);
    CHECK(int(loaded.failure().code()) == int(errc::unknown_architecture));
    CHECK(std::string(loaded.failure().what()) == "expected a model, found " + what);
  };
  is("clip", nullptr, "the part of one that sees or hears (mmproj)");
  is(nullptr, "imatrix", "importance weights for quantizing");
  is("controlvector", nullptr, "an adapter of one: see nibble::adapter");
  is("llama", "adapter", "an adapter of one: see nibble::adapter");
  is("llama", nullptr, "a vocabulary alone: see nibble::tokenizer");
}

TEST_CASE("limits that the caller lowers hold") {
  nibble::limits most;
  most.layers = 1;
  const auto loaded = nibble::any_model::try_load(nibble_test::golden("models/gemma3.gguf"), {.limits = most});
  REQUIRE(!loaded);
  CHECK(std::string(loaded.failure().what()).find("gemma3.block_count': expected 1 to 1, found 7") != std::string::npos);
}

TEST_CASE("an architecture that does not ask whether tokens see what is behind them refuses files where they do") {
  metadata meta;
  meta.set("own.attention.causal", value(true));
  const limits most;
  hyperparameters causal(meta, "own", most);
  causal.refuse_unread();
  CHECK(!causal.failure());
  meta.set("own.attention.causal", value(false));
  hyperparameters h(meta, "own", most);
  h.refuse_unread();
  REQUIRE(h.failure());
  CHECK(std::string(h.failure()->what())
            .starts_with("key 'own.attention.causal': expected none, for own does not read this key"));
}
