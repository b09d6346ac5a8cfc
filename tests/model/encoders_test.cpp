/// Architectures that see in both directions, by the smallest file of each.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/small_embedder.hpp"
#include "nibble/model/embedder.hpp"
#include "support/golden_models.hpp"

namespace {
using namespace nibble;
using namespace nibble_test;

std::vector<std::string> encoders() {
  std::vector<std::string> names;
  for (const std::string& name : architecture_names())
    if (smallest_model(name).makes_vectors()) names.push_back(name);
  return names;
}
std::vector<token> letters(std::size_t n, std::size_t from = 0) {
  auto ids = some_tokens(n, from);
  for (token& id : ids) id %= 40;
  return ids;
}
floats rows_of(const any_model& model, std::span<const token> ids) {
  return embedder::create(model, {.pooling = pooling::none}).embed(ids);
}
}  // namespace

TEST_CASE("every encoder gives a text the same bits alone and among others, on any threads and in any format of weights") {
  const std::vector<std::vector<token>> texts{letters(9), letters(1, 3), letters(70, 5), letters(64, 9), letters(2, 40)};
  const std::vector<std::span<const token>> spans(texts.begin(), texts.end());
  for (const std::string& name : encoders()) {
    INFO(name);
    for (const tensor_type type : {tensor_type::f32, tensor_type::q8_0}) {
      small_embedder file(name);
      if (type != tensor_type::f32) file.parts.recode(type);
      std::vector<floats> expected;
      for (const auto& text : texts) expected.push_back(embedder::create(file.load({.threads = 1})).embed(text));
      for (const std::size_t threads : {1, 3}) {
        const auto model = file.load({.threads = threads});
        for (const std::size_t together : {1, 2, 32}) {
          auto e = embedder::create(model, {.texts = together});
          e.embed_each(spans, [&](std::size_t i, std::span<float> x) { CHECK(floats(x.begin(), x.end()) == expected[i]); });
        }
      }
    }
  }
}

TEST_CASE("every encoder lets tokens see what comes behind them") {
  for (const std::string& name : encoders()) {
    INFO(name);
    const auto model = small_embedder(name).load();
    auto ids = letters(3);
    const floats before = rows_of(model, ids);
    ids[2] = (ids[2] + 1) % 40;
    const floats after = rows_of(model, ids);
    CHECK(floats(before.begin(), before.begin() + 32) != floats(after.begin(), after.begin() + 32));
  }
}

TEST_CASE("every encoder refuses to be causal, and a context that it has not") {
  for (const std::string& name : encoders()) {
    INFO(name);
    CHECK_SAYS(small_embedder(name).set("attention.causal", true).refusal(), "expected false, for this is an encoder");
    CHECK_SAYS(refusal_of(embedder::try_create(small_embedder(name).load(), {.context = 97})), "at most the model's 96");
  }
  CHECK_SAYS(refusal_of(evaluator::try_create(small_embedder("bert").load(), {.context = 97, .output = step_output::hidden})),
             "for which the model has positions");
}

TEST_CASE("a window sees half of its width on either side") {
  small_embedder file("modern-bert");  // a window of 5 in the second of two layers, the first one sees all
  const auto model = file.load();
  CHECK(model.kv()[0].looks_ahead);
  CHECK(model.kv()[1].looks_ahead);
}

TEST_CASE("a layer sees a window where it does not see all that is before a token, in one direction or in both") {
  const auto windowed = [](attention_mask mask) {
    arch::layer_config l;
    l.mask = mask;
    return l.sees_window();
  };
  CHECK(!windowed(attention_mask::causal()));
  CHECK(!windowed(attention_mask::everything()));
  CHECK(windowed(attention_mask::window(5)));
  CHECK(windowed(attention_mask::symmetric_window(5)));
}

TEST_CASE("bert: a file of one token type may be without their embeddings") {
  const auto rows = [](small_embedder file) { return rows_of(file.load(), letters(5)); };
  small_embedder without("bert"), stated("bert"), with("bert");
  stated.parts.meta.set("tokenizer.ggml.token_type_count", value(1u));
  with.add("token_types.weight", {32});
  CHECK(rows(stated) == rows(without));
  CHECK(rows(with) != rows(without));
  small_embedder two("bert");
  two.parts.meta.set("tokenizer.ggml.token_type_count", value(2u));
  CHECK(rows(two.add("token_types.weight", {32, 2})) != rows(without));
}

TEST_CASE("kin of bert that lack a key of the tokenizer are refused in a sentence that names it") {
  for (const char* name : {"bert", "jina-bert-v2", "jina-bert-v3", "nomic-bert", "nomic-bert-moe"}) {
    INFO(name);
    for (const std::string key : {"tokenizer.ggml.model", "tokenizer.ggml.tokens"}) {
      small_embedder file(name);
      file.parts.meta.erase(key);
      CHECK(file.refusal() == "key '" + key + "' is missing");
    }
    small_embedder file(name);
    const std::string sentence =
        "token_types.weight: expected one row, for key 'tokenizer.ggml.token_type_count' is 1 or missing; found 2";
    CHECK(file.add("token_types.weight", {32, 2}).refusal() == sentence);
    file.parts.meta.set("tokenizer.ggml.token_type_count", value(1u));
    CHECK(file.refusal() == sentence);
    file.parts.meta.set("tokenizer.ggml.token_type_count", value(2u));
    CHECK(file.refusal() == "loaded");
  }
}

TEST_CASE("jina-bert-v2: gates and ups in one tensor are those of two") {
  small_embedder one("jina-bert-v2"), two = one;
  one.parts.bytes();
  std::erase_if(two.parts.tensors, [](const auto& t) { return t.name.ends_with("ffn_up.weight"); });
  for (const auto& t : one.parts.tensors) {
    if (!t.name.ends_with("ffn_up.weight")) continue;
    const auto half = std::ptrdiff_t(t.data.size() / 2);
    const std::string layer = t.name.substr(0, t.name.find("ffn_up"));
    two.parts.tensors.push_back({layer + "ffn_gate.weight", t.type, {32, 32}, {t.data.begin(), t.data.begin() + half}});
    two.parts.tensors.push_back({layer + "ffn_up.weight", t.type, {32, 32}, {t.data.begin() + half, t.data.end()}});
  }
  const auto rows = [](small_embedder& file) { return rows_of(file.load(), letters(9)); };
  CHECK(rows(one) == rows(two));
  const auto take_the_bias_of_another_layer = [](small_embedder& file) {
    const auto named = [&](std::string_view name) {
      return std::find_if(file.parts.tensors.begin(), file.parts.tensors.end(), [&](const auto& t) { return t.name == name; });
    };
    named("blk.1.ffn_down.bias")->data = named("blk.0.ffn_down.bias")->data;
  };
  take_the_bias_of_another_layer(two);
  CHECK(rows(one) != rows(two));
  take_the_bias_of_another_layer(one);
  CHECK(rows(one) == rows(two));
}

TEST_CASE("jina-bert-v2: norms of queries, keys and what attention gives stand in all layers, with biases") {
  const auto with_both = [](const std::string& name) {
    small_embedder file("jina-bert-v2");
    for (const char* layer : {"blk.0.", "blk.1."}) file.add(layer + name + ".weight", {32}).add(layer + name + ".bias", {32});
    return file;
  };
  const auto lacking = [&](const std::string& name, const std::string& tensor) {
    small_embedder file = with_both(name);
    std::erase_if(file.parts.tensors, [&](const auto& t) { return t.name == tensor; });
    return file.refusal();
  };
  CHECK(with_both("attn_norm_2").refusal() == "loaded");
  for (const char* tensor : {"blk.1.attn_norm_2.weight", "blk.0.attn_norm_2.bias"}) {
    CHECK_SAYS(lacking("attn_norm_2", tensor), std::string(tensor) + ": the tensor is missing");
  }
  small_embedder normed = with_both("attn_q_norm");
  CHECK_SAYS(normed.refusal(), "blk.0.attn_k_norm.weight: the tensor is missing");
  for (const std::string at : {"blk.0.attn_k_norm.", "blk.1.attn_k_norm."}) normed.add(at + "weight", {32});
  CHECK_SAYS(normed.refusal(), "blk.0.attn_k_norm.bias: the tensor is missing");
  CHECK_SAYS(small_embedder("jina-bert-v2").add("blk.0.ffn_up.bias", {64}).refusal(), "does not read this tensor");
}

TEST_CASE("a bias of gates is refused where experts have no gates") {
  const auto refused = small_embedder("nomic-bert-moe").add("blk.1.ffn_gate_exps.bias", {32, 4}).refusal();
  CHECK_SAYS(refused, "blk.1.ffn_gate_exps.bias: nomic-bert-moe does not read this tensor");
}

TEST_CASE("what contradicts itself in token types, positions, windows and activations is refused in a sentence") {
  const auto types = [](auto n) {
    small_embedder file("bert");
    file.parts.meta.set("tokenizer.ggml.token_type_count", value(n));
    return file.refusal();
  };
  CHECK_SAYS(types(2u), "token_types.weight: the tensor is missing");
  CHECK_SAYS(types(0u), "key 'tokenizer.ggml.token_type_count': expected 1 to");
  CHECK_SAYS(types(std::uint64_t{1} << 60), "key 'tokenizer.ggml.token_type_count': expected 1 to");
  CHECK_SAYS(types("two"), "tokenizer.ggml.token_type_count");
  CHECK_SAYS(small_embedder("bert").set("context_length", 97u).refusal(),
             "position_embd.weight: expected (97, 32), found (96, 32)");
  CHECK_SAYS(small_embedder("jina-bert-v2").set("attention.max_alibi_bias", -1.0f).refusal(), "max_alibi_bias");
  CHECK_SAYS(small_embedder("jina-bert-v2").set("attention.max_alibi_bias", NAN).refusal(), "max_alibi_bias");
  CHECK_SAYS(small_embedder("bert").set("attention.max_alibi_bias", 8.0f).refusal(), "bert does not read this key");
  CHECK_SAYS(small_embedder("nomic-bert-moe").set("moe_every_n_layers", 0u).refusal(), "moe_every_n_layers");
  CHECK_SAYS(small_embedder("nomic-bert-moe").set("moe_every_n_layers", 3u).set("block_count", 1u).refusal(),
             "blk.1.attn_q.weight");  // a layer that there is not
  CHECK_SAYS(small_embedder("modern-bert").set("hidden_activation", "relu").refusal(), "expected gelu or silu, found 'relu'");
  CHECK(small_embedder("modern-bert").set("hidden_activation", "silu").refusal() == "loaded");
}

TEST_CASE(
    "scores fall with distance by slopes that are powers of two, and heads left over take every second of twice as many") {
  for (std::size_t h = 0; h < 4; ++h) CHECK(alibi_slope(8, 4, h) == std::exp2(-2.0f * float(h + 1)));
  CHECK(alibi_slope(8, 6, 3) == std::exp2(-8.0f));
  CHECK(alibi_slope(8, 6, 4) == std::exp2(-1.0f));
  CHECK(alibi_slope(8, 6, 5) == std::exp2(-3.0f));
  CHECK(alibi_slope(4, 1, 0) == std::exp2(-4.0f));
}
