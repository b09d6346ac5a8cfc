/// Every kind of mixer, feed-forward, router, norm and rotation against a plain pass in double precision, by the smallest files
/// of the families that have it.
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "model/smallest.hpp"
#include "nibble/model/embedder.hpp"
#include "support/plain/gemma.hpp"
#include "support/plain_pass.hpp"

using namespace nibble;
using namespace nibble_test;

namespace {
using f = family;
const std::vector<int> ids{3, 17, 39, 0, 8, 8, 25, 31, 12};
const double root = std::sqrt(32.0);

/// The same with a tensor more in every layer.
smallest_model in_each_layer(smallest_model m, const std::string& name, const std::vector<std::uint64_t>& dims,
                             int layers = 2) {
  for (int i = 0; i < layers; ++i) m = with_tensor(std::move(m), "blk." + std::to_string(i) + "." + name, dims);
  return m;
}
smallest_model without(smallest_model m, const std::string& ending) {
  std::erase_if(m.tensors, [&](const auto& t) { return t.name.ends_with(ending); });
  return m;
}
/// Logits after each token are those expected.
void check_logits(const any_model& model, const std::vector<row>& expected, double most = 1e-5) {
  auto e = evaluator_of(model, {.context = 20, .output_rows = 9, .kv = tensor_type::f32});
  const auto compare = [&](std::size_t t, std::span<const float> found) { CHECK(error_of(found, expected[t]) < most); };
  CHECK(e.feed_each(ids, compare) == feed_outcome::done);
}
void check_once(const family& which, smallest_model m) {
  INFO(std::string(which.name));
  const auto bytes = m.bytes();
  const auto loaded = any_model::try_load(bytes, {.threads = 1});
  if (!loaded) FAIL(std::string(loaded.failure().what()));
  const plain_pass pass(which, m);
  if (loaded->makes_vectors()) {
    const auto expected = pass.hidden(ids);
    const auto found = embedder::create(*loaded, {.pooling = pooling::none, .kv = tensor_type::f32}).embed(ids);
    for (std::size_t t = 0; t < ids.size(); ++t) CHECK(error_of(std::span(found).subspan(t * 32, 32), expected[t]) < 1e-5);
    return;
  }
  check_logits(*loaded, pass.logits(ids));
}
/// As it is, and with factors beside all its matrices.
void check(const family& which, smallest_model m) {
  check_once(which, m);
  m.add_scales();
  check_once(which, std::move(m));
}
}  // namespace

TEST_CASE("dense families") {
  const family families[] = {
      {.name = "llama", .interleaved = true},
      {.name = "mistral3", .interleaved = true},
      {.name = "gemma", .feed_forward = f::geglu, .embedding = root},
      {.name = "qwen2"},
      {.name = "qwen3", .queries = f::each_head},
      {.name = "qwen2vl"},
      {.name = "qwen3vl", .queries = f::each_head},
      {.name = "smollm3", .interleaved = true, .stands_still = 4},
      {.name = "phi2", .layer_norm = true, .side_by_side = true, .second = "", .feed_forward = f::gelu},
      {.name = "phi3", .feed_forward = f::swiglu_fused},
      {.name = "granite", .interleaved = true},
      {.name = "granite_swa", .interleaved = true, .sinks = true},
      {.name = "olmo2", .first = "", .second = "", .norms_behind = true, .queries = f::all_heads},
      {.name = "glm4", .interleaved = true, .norms_behind = true, .feed_forward = f::swiglu_fused},
      {.name = "command-r", .layer_norm = true, .interleaved = true, .side_by_side = true, .second = ""},
      {.name = "cohere2",
       .layer_norm = true,
       .interleaved = true,
       .side_by_side = true,
       .second = "",
       .window = 5,
       .period = 4,
       .sees_all = 3},
      {.name = "exaone4", .first = "", .second = "", .norms_behind = true, .queries = f::each_head},
      {.name = "ernie4_5", .interleaved = true},
      {.name = "hunyuan-dense", .queries = f::each_head_rotated},
      {.name = "seed_oss", .second = "post_attention_norm"},
      {.name = "stablelm", .layer_norm = true, .side_by_side = true, .second = ""},
      {.name = "starcoder2", .layer_norm = true, .feed_forward = f::gelu},
      {.name = "gpt2", .layer_norm = true, .rotates = false, .feed_forward = f::gelu},
      {.name = "gptneox", .layer_norm = true, .side_by_side = true, .feed_forward = f::gelu},
      {.name = "falcon", .layer_norm = true, .side_by_side = true, .second = "", .feed_forward = f::gelu},
      {.name = "arcee", .interleaved = true, .feed_forward = f::relu_squared},
      {.name = "apertus", .queries = f::each_head, .feed_forward = f::xielu},
      {.name = "muse-glimmer",
       .interleaved = true,
       .norms_behind = true,
       .behind_eps = double(1e-8f),
       .queries = f::each_head,
       .embedding = 0,
       .gates = true,
       .window = 5,
       .period = 4,
       .sees_all = 3,
       .output_cap = 30},
  };
  for (const family& which : families) check(which, smallest_model(which.name));
}

TEST_CASE("heads share keys, some layers see a window, scores and logits are capped, rotations reach further") {
  check({.name = "llama", .interleaved = true}, made("llama", {{"attention.head_count_kv", value(1)}}));
  check(capped_gemma2, capped_gemma2_file(2));
  check({.name = "gemma3",
         .norms_behind = true,
         .queries = f::each_head,
         .feed_forward = f::geglu,
         .embedding = root,
         .window = 3,
         .period = 6,
         .sees_all = 5,
         .base = 1e6,
         .window_base = 1e4},
        made("gemma3", {{"attention.sliding_window", value(3)}}, 7));
  const family yarn{.name = "olmo2",
                    .first = "",
                    .second = "",
                    .norms_behind = true,
                    .queries = f::all_heads,
                    .yarn = 8,
                    .yarn_positions = 16};
  check(yarn, made("olmo2", {{"rope.scaling.type", value("yarn")},
                             {"rope.scaling.factor", value(8.0f)},
                             {"rope.scaling.original_context_length", value(16)}}));
  check({.name = "phi2", .layer_norm = true, .side_by_side = true, .second = "", .feed_forward = f::gelu, .rotated = 8},
        made("phi2", {{"rope.dimension_count", value(8)}}));
  check({.name = "mistral3", .interleaved = true, .temperature = 0.7, .temperature_positions = 2},
        made("mistral3", {{"attention.temperature_scale", value(0.7f)}, {"attention.temperature_length", value(2)}}));
}

TEST_CASE("embeddings, branches, scores and logits are scaled") {
  check({.name = "granite", .interleaved = true, .embedding = 3, .scale = 0.1, .residual = 0.5, .logits = 0.5},
        made("granite", {{"embedding_scale", value(3.0f)},
                         {"attention.scale", value(0.1f)},
                         {"residual_scale", value(0.5f)},
                         {"logit_scale", value(2.0f)}}));
  check({.name = "minicpm", .interleaved = true, .embedding = 12, .residual = 1.4 / std::sqrt(2.0), .logits = 0.125},
        smallest_model("minicpm"));
}

TEST_CASE("routers: which experts a token uses, and what they weigh") {
  check({.name = "qwen2moe"}, smallest_model("qwen2moe"));  // beside one that all share, as its gate says
  check({.name = "qwen3moe", .queries = f::each_head, .router = {.renormalized = true}}, smallest_model("qwen3moe"));
  check({.name = "olmoe", .queries = f::all_heads}, smallest_model("olmoe"));
  const family weighed{.name = "ernie4_5-moe", .interleaved = true, .router = {.renormalized = true}};
  check(weighed, in_each_layer(smallest_model("ernie4_5-moe"), "exp_probs_b.bias", {4}));
  const family grouped{
      .name = "bailingmoe2",
      .queries = f::each_head,
      .router = {.by = plain_router::sigmoid, .renormalized = true, .scale = 2.5, .groups = 2, .groups_used = 1}};
  check(grouped, in_each_layer(made("bailingmoe2", {{"expert_group_count", value(2)},
                                                    {"expert_group_used_count", value(1)},
                                                    {"expert_weights_norm", value(true)},
                                                    {"expert_shared_count", value(1)},
                                                    {"expert_weights_scale", value(2.5f)}}),
                               "exp_probs_b.bias", {4}));
  check({.name = "gpt-oss",
         .second = "post_attention_norm",
         .feed_forward = f::clamped,
         .sinks = true,
         .window = 4,
         .period = 2,
         .sees_all = 1,
         .router = {.by = plain_router::softmax_of_used}},
        made("gpt-oss", {{"attention.sliding_window", value(4)}}));
}

TEST_CASE("experts as files have them: gates and ups in one tensor, few numbers, no gates, other counts in each layer") {
  const family shared{.name = "granite_swa", .interleaved = true, .sinks = true, .router = {.renormalized = true}};
  auto m = made("granite_swa", {{"expert_count", value(4)}, {"expert_shared_feed_forward_length", value(8)}});
  check(shared, m);
  m = in_each_layer(without(std::move(m), "ffn_gate_shexp.weight"), "ffn_up_shexp.weight", {32, 16});
  check(shared, m);
  m = in_each_layer(without(without(std::move(m), "ffn_gate_exps.weight"), "ffn_up_exps.weight"), "ffn_gate_up_exps.weight",
                    {32, 64, 4});
  check(shared, m);
  const family plain{.name = "nemotron_h_moe",
                     .rotates = false,
                     .second = "attn_norm",
                     .feed_forward = f::relu_squared,
                     .router = {.by = plain_router::sigmoid, .used = {0, 0, 3, 0, 0, 1}}};
  const std::vector<std::int32_t> used{0, 0, 3, 0, 0, 1}, hidden{0, 0, 12, 0, 0, 20};
  check(plain, made("nemotron_h_moe",
                    {{"expert_used_count", value(used)},
                     {"expert_feed_forward_length", value(hidden)},
                     {"expert_shared_feed_forward_length", value(8)},
                     {"moe_latent_size", value(16)}},
                    6));
}

TEST_CASE("recurrences, alone, by turns with attention and beside it") {
  check({.name = "mamba2"}, smallest_model("mamba2"));
  check({.name = "falcon-h1", .second = "ffn_norm."}, smallest_model("falcon-h1"));
  check({.name = "granitehybrid", .interleaved = true}, smallest_model("granitehybrid"));
  check({.name = "nemotron_h", .rotates = false, .second = "attn_norm", .feed_forward = f::relu_squared},
        smallest_model("nemotron_h", 32, 4));
  check({.name = "lfm2", .last = "token_embd_norm", .queries = f::each_head}, smallest_model("lfm2"));
  family delta{.name = "qwen35",
               .second = "post_attention_norm",
               .queries = f::each_head,
               .gates_in_queries = true,
               .interleaved_keys = true,
               .router = {.renormalized = true}};
  check(delta, smallest_model(delta.name));
  delta.name = "qwen35moe";
  check(delta, made(delta.name, {{"expert_shared_feed_forward_length", value(8)}}));
  delta.name = "qwen3next", delta.interleaved_keys = false;
  smallest_model apart(delta.name);
  check(delta, apart);
  for (const char* one : {"attn_qkv.weight", "0.attn_gate.weight", "ssm_beta.weight", "ssm_alpha.weight"}) {
    apart = without(std::move(apart), one);
  }
  check(delta, with_tensor(with_tensor(std::move(apart), "blk.0.ssm_in.weight", {32, 96}), "blk.0.ssm_ba.weight", {32, 8}));
}

TEST_CASE("latent attention, with queries of the input or of a shorter row, in both layouts") {
  const family latent{.name = "deepseek2", .interleaved = true, .latent_rotated = 8};
  check(latent, smallest_model("deepseek2"));
  check(latent, made("deepseek2", {{"attention.q_lora_rank", value(12)}}));
  family far = latent;  // YaRN, in scores alone as files state it, or where they are silent in all that turns, too
  far.yarn = 8, far.yarn_positions = 16;
  auto reaching = made("deepseek2", {{"rope.scaling.type", value("yarn")},
                                     {"rope.scaling.factor", value(8.0f)},
                                     {"rope.scaling.original_context_length", value(16)}});
  for (const float stated : {0.0f, 0.0707f}) {
    far.yarn_scores = double(stated);
    if (stated > 0) reaching.meta.set("deepseek2.rope.scaling.yarn_log_multiplier", value(stated));
    check(far, reaching);
  }
  const family absorbed{
      .name = "deepseek2", .interleaved = true, .temperature = 0.7, .temperature_positions = 3, .latent_rotated = 8};
  check(absorbed, made("deepseek2", {{"attention.key_length_mla", value(20)},
                                     {"attention.value_length_mla", value(12)},
                                     {"attention.key_length", value(24)},
                                     {"attention.value_length", value(16)},
                                     {"attention.head_count_kv", value(1)},
                                     {"attention.temperature_scale", value(0.7f)},
                                     {"attention.temperature_length", value(3)}}));
}

TEST_CASE("encoders: norms behind residuals, scores that fall with distance, windows on both sides, experts") {
  family bert{.name = "bert",
              .layer_norm = true,
              .rotates = false,
              .first = "",
              .second = "",
              .first_sum = "attn_output_norm",
              .second_sum = "layer_output_norm",
              .embedding_norm = "token_embd_norm",
              .last = "",
              .feed_forward = f::gelu,
              .both_ways = true};
  check(bert, smallest_model("bert"));
  bert.name = "jina-bert-v3", bert.rotates = true;
  check(bert, smallest_model("jina-bert-v3"));
  bert.name = "nomic-bert-moe";
  check(bert, smallest_model("nomic-bert-moe"));
  bert.name = "nomic-bert", bert.feed_forward = f::swiglu;
  check(bert, smallest_model("nomic-bert"));
  bert.name = "jina-bert-v2", bert.rotates = false, bert.alibi = 8, bert.feed_forward = f::geglu_fused;
  check(bert, smallest_model("jina-bert-v2"));
  bert.first_inner_sum = bert.first_sum, bert.first_sum = "attn_norm_2", bert.queries = f::all_heads;
  smallest_model twice("jina-bert-v2");
  for (const std::string name : {"attn_norm_2", "attn_q_norm", "attn_k_norm"}) {
    twice = in_each_layer(in_each_layer(std::move(twice), name + ".weight", {32}), name + ".bias", {32});
  }
  check(bert, twice);
  bert.feed_forward = f::gelu;
  check(bert, in_each_layer(in_each_layer(twice, "ffn_up.weight", {32, 32}), "ffn_up.bias", {32}));
  check({.name = "modern-bert",
         .layer_norm = true,
         .embedding_norm = "token_embd_norm",
         .feed_forward = f::geglu_fused,
         .window = 5,
         .period = 3,
         .sees_all = 0,
         .both_ways = true},
        made("modern-bert", {{"attention.sliding_window", value(5)}}));
  family gemma{.name = "gemma-embedding",
               .norms_behind = true,
               .queries = f::each_head,
               .feed_forward = f::geglu,
               .embedding = root,
               .window = 5,
               .period = 6,
               .sees_all = 5,
               .both_ways = true,
               .base = 1e6,
               .window_base = 1e4};
  check(gemma, made(gemma.name, {{"attention.sliding_window", value(5)}}, 7));
  gemma.name = "gemma3";
  check(gemma, made(gemma.name, {{"attention.sliding_window", value(5)}, {"attention.causal", value(false)}}, 7));
  check({.name = "qwen3", .queries = f::each_head, .both_ways = true}, made("qwen3", {{"attention.causal", value(false)}}));
  check({.name = "eurobert", .both_ways = true}, smallest_model("eurobert"));
  check({.name = "llama-embed", .interleaved = true, .both_ways = true}, smallest_model("llama-embed"));
}

TEST_CASE("gemma4: keys of other layers, an input of each layer, and experts beside a dense feed-forward") {
  const family which{.name = "gemma4",
                     .queries = f::each_head,
                     .feed_forward = f::geglu,
                     .window = 5,
                     .period = 2,
                     .sees_all = 1,
                     .output_cap = 3,
                     .router = {.renormalized = true}};
  const auto compare = [&](smallest_model m, std::size_t layers, std::size_t own) {
    m.add_scales();
    const auto bytes = m.bytes();
    check_logits(any_model::load(bytes, {.threads = 1}), plain_gemma(which, m, layers, own).of_4(ids));
  };
  const value cap(3.0f);
  compare(made("gemma4", {{"final_logit_softcapping", cap}, {"attention.shared_kv_layers", value(2)}}, 6), 6, 4);
  auto m = made("gemma4", {{"final_logit_softcapping", cap}, {"embedding_length_per_layer_input", value(4)}});
  compare(in_each_layer(std::move(m), "layer_output_scale.weight", {1}), 2, 2);
  m = made("gemma4", {{"final_logit_softcapping", cap}, {"expert_count", value(4)}});
  compare(std::move(m), 2, 2);
}

TEST_CASE("gemma3n: four streams, a product of low rank beside attention, and few hidden numbers") {
  const family which{.name = "gemma3n",
                     .queries = f::each_head,
                     .feed_forward = f::geglu,
                     .window = 4,
                     .period = 5,
                     .sees_all = 4,
                     .output_cap = 30};
  auto m = made("gemma3n", {{"attention.sliding_window", value(4)}, {"attention.shared_kv_layers", value(2)}}, 12);
  m.add_scales();
  const auto bytes = m.bytes();
  check_logits(any_model::load(bytes, {.threads = 1}), plain_gemma(which, m, 12, 10).of_3n(ids), 5e-5);
}
