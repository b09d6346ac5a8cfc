/// Recipes: which tensor gets which format.
#include "nibble/quant/recipe.hpp"

#include <doctest/doctest.h>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "nibble/gguf/writer.hpp"

namespace {

using enum nibble::tensor_type;

/// A file of zeros: `layers` layers of width `cols`, with an output matrix or without, with 8 rows of queries and `values` of
/// values.
std::vector<std::byte> model_bytes(std::uint32_t layers, std::uint64_t cols, bool output, std::uint64_t values = 4) {
  nibble::metadata meta;
  meta.set("general.architecture", nibble::value("llama"));
  nibble::gguf_writer writer(std::move(meta));
  static const std::vector<std::byte> zeros(1 << 20);
  const auto add = [&](const std::string& name, std::vector<std::uint64_t> dims, nibble::tensor_type type = f32) {
    std::uint64_t bytes = 4;
    for (const auto dim : dims) bytes *= dim;
    writer.add(name, type, dims, std::span(zeros).first(bytes));
  };
  add("token_embd.weight", {cols, 8});
  if (output) add("output.weight", {cols, 8});
  add("output_norm.weight", {cols});
  add("rope_freqs.weight", {4, 1}, f32);
  for (std::uint32_t i = 0; i < layers; ++i) {
    const std::string layer = "blk." + std::to_string(i) + ".";
    for (const char* name : {"attn_q.weight", "ffn_down.weight"}) add(layer + name, {cols, 8});
    add(layer + "attn_v.weight", {cols, values});
    add(layer + "attn_norm.weight", {cols});
    add(layer + "ffn_gate_inp.weight", {cols, 2});
    add(layer + "attn_q.bias", {2});
  }
  add("layer_index", {4}, nibble::detail::raw_type(26));
  return *writer.try_bytes();
}

std::map<std::string, nibble::tensor_type, std::less<>> plan(const nibble::quantize_recipe& recipe,
                                                             const std::vector<std::byte>& bytes) {
  const auto file = nibble::gguf_file::try_parse(bytes);
  REQUIRE(file.has_value());
  const auto types = recipe.plan(*file);
  REQUIRE(types.size() == file->tensors().size());
  std::map<std::string, nibble::tensor_type, std::less<>> out;
  for (std::size_t i = 0; i < types.size(); ++i) out[std::string(file->tensors()[i].name)] = types[i];
  return out;
}

/// What becomes of tensors of 256 columns, by name, in a file of zeros with these keys.
using shapes = std::vector<std::pair<std::string, std::vector<std::uint64_t>>>;
std::map<std::string, nibble::tensor_type, std::less<>> plan(const std::string& name, nibble::metadata meta,
                                                             const shapes& tensors, bool importance = false) {
  if (!meta.find("general.architecture")) meta.set("general.architecture", nibble::value("llama"));
  nibble::gguf_writer writer(std::move(meta));
  static const std::vector<std::byte> zeros(1 << 20);
  for (const auto& [tensor, rows] : tensors) {
    std::vector<std::uint64_t> dims{256};
    dims.insert(dims.end(), rows.begin(), rows.end());
    std::uint64_t bytes = 4;
    for (const auto dim : dims) bytes *= dim;
    writer.add(tensor, f32, dims, std::span(zeros).first(bytes));
  }
  const auto bytes = *writer.try_bytes();
  const auto file = nibble::gguf_file::try_parse(bytes);
  REQUIRE(file.has_value());
  const auto types = nibble::quantize_recipe::try_named(name)->plan(*file, importance);
  std::map<std::string, nibble::tensor_type, std::less<>> out;
  for (std::size_t i = 0; i < types.size(); ++i) out[std::string(file->tensors()[i].name)] = types[i];
  return out;
}
nibble::metadata with(const std::string& key, nibble::value value) {
  nibble::metadata meta;
  meta.set(key, std::move(value));
  return meta;
}

}  // namespace

TEST_CASE("tables of the inputs of layers are embeddings, and outputs where those are") {
  const shapes tied = {{"token_embd.weight", {8}}, {"per_layer_token_embd.weight", {8}}, {"blk.0.ffn_up.weight", {8}}};
  shapes untied = tied;
  untied.push_back({"output.weight", {8}});
  CHECK(plan("Q4_K_M", {}, tied).at("per_layer_token_embd.weight") == q6_k);
  CHECK(plan("Q4_K_M", {}, untied).at("per_layer_token_embd.weight") == q4_k);
  CHECK(plan("IQ2_M", {}, untied).at("per_layer_token_embd.weight") == iq3_s);
}

TEST_CASE("the output of attention has the format that its recipe says, also with eight experts") {
  const shapes attention = {{"token_embd.weight", {8}}, {"blk.0.attn_output.weight", {8}}};
  const auto output = [&](const std::string& recipe, nibble::metadata meta = {}) {
    return plan(recipe, std::move(meta), attention).at("blk.0.attn_output.weight");
  };
  const auto eight = with("llama.expert_count", nibble::value(8u));
  const auto falcon = with("general.architecture", nibble::value("falcon"));
  CHECK(output("IQ3_XXS") == iq3_s);
  CHECK(output("IQ3_XXS", eight) == q5_k);
  CHECK(output("IQ3_XXS", falcon) == iq3_xxs);
  CHECK(output("Q3_K_L") == q5_k);
  CHECK(output("Q3_K_L", eight) == q3_k);
  CHECK(output("Q3_K_L", falcon) == q4_k);
  auto both = falcon;
  both.set("falcon.expert_count", nibble::value(8u));
  CHECK(output("Q4_K_M", both) == q4_k);
  CHECK(output("IQ2_M", both) == q5_k);
}

TEST_CASE("MXFP4 takes whatever has several matrices, and nothing else") {
  const auto types = plan("MXFP4", {},
                          {{"token_embd.weight", {8}},
                           {"blk.0.any_experts.weight", {4, 2}},
                           {"blk.0.ffn_down_exps.weight", {4, 2}},
                           {"blk.1.ffn_down_exps.weight", {4, 1}}});
  CHECK(types.at("blk.0.any_experts.weight") == mxfp4);
  CHECK(types.at("blk.0.ffn_down_exps.weight") == mxfp4);
  CHECK(types.at("blk.1.ffn_down_exps.weight") == q8_0);
  CHECK(types.at("token_embd.weight") == q8_0);
}

TEST_CASE("numbers of heads that differ from layer to layer count as the first layer has them") {
  const shapes attention = {{"token_embd.weight", {8}}, {"blk.0.attn_v.weight", {8}}};
  const auto values = [&](const std::vector<std::uint32_t>& shared) {
    auto meta = with("llama.attention.head_count_kv", nibble::value(shared));
    meta.set("llama.attention.head_count", nibble::value(std::vector<std::uint32_t>{8, 1}));
    return plan("IQ4_XS", std::move(meta), attention).at("blk.0.attn_v.weight");
  };
  CHECK(values({2, 8}) == q5_k);
  CHECK(values({8, 1}) == iq4_xs);
  CHECK(values({}) == iq4_xs);
}

TEST_CASE("small tensors that files of llama.cpp keep are kept") {
  const std::vector<std::string> kept = {"blk.0.attn_rel_b.weight",
                                         "blk.0.indexer.k_proj.weight",
                                         "blk.0.indexer.q_proj.weight",
                                         "blk.0.time_mix_first.weight",
                                         "blk.0.time_mix_w0.weight",
                                         "blk.0.time_mix_w1.weight",
                                         "blk.0.time_mix_w2.weight",
                                         "blk.0.time_mix_v0.weight",
                                         "blk.0.time_mix_v1.weight",
                                         "blk.0.time_mix_v2.weight",
                                         "blk.0.time_mix_a0.weight",
                                         "blk.0.time_mix_a1.weight",
                                         "blk.0.time_mix_a2.weight",
                                         "blk.0.time_mix_g1.weight",
                                         "blk.0.time_mix_g2.weight",
                                         "blk.0.time_mix_decay_w1.weight",
                                         "blk.0.time_mix_decay_w2.weight",
                                         "blk.0.time_mix_lerp_fused.weight",
                                         "blk.0.ffn_gate_tid2eid.weight",
                                         "v.position_embd.weight",
                                         "v.patch_embd.weight",
                                         "v.patch_merger.weight",
                                         "v.blk.0.rel_pos.weight",
                                         "v.sam.pos_embd.weight",
                                         "v.sam.neck.0.weight",
                                         "v.sam.net_2.weight",
                                         "a.rvq.codebook.weight",
                                         "mm.a.code_embd.weight"};
  shapes tensors = {{"token_embd.weight", {8}}, {"blk.0.time_mix_key.weight", {8}}};
  for (const auto& name : kept) tensors.push_back({name, {2}});
  const auto types = plan("Q4_0", {}, tensors);
  for (const auto& name : kept) CHECK_MESSAGE(types.at(name) == f32, name);
  CHECK(types.at("blk.0.time_mix_key.weight") == q4_0);
}

TEST_CASE("Q4_K_M gives the output and the sensitive layers six bits") {
  const auto recipe = *nibble::quantize_recipe::try_named("Q4_K_M");
  CHECK(recipe.file_type == 15);
  const auto untied = plan(recipe, model_bytes(16, 256, true));
  CHECK(untied.at("output.weight") == q6_k);
  CHECK(untied.at("token_embd.weight") == q4_k);
  CHECK(plan(recipe, model_bytes(16, 256, false)).at("token_embd.weight") == q6_k);
  std::string six;
  for (std::uint32_t i = 0; i < 16; ++i) {
    const std::string layer = "blk." + std::to_string(i) + ".";
    CHECK(untied.at(layer + "attn_q.weight") == q4_k);
    if (untied.at(layer + "ffn_down.weight") == q6_k) six += std::to_string(i) + " ";
    CHECK((untied.at(layer + "attn_v.weight") == q6_k) == (untied.at(layer + "ffn_down.weight") == q6_k));
  }
  CHECK(six == "0 1 4 7 10 13 14 15 ");
}

TEST_CASE("values that four query heads share get more bits where a recipe says so, and in models of 80 layers") {
  for (const auto& [values, type] : {std::pair{std::uint64_t{2}, q5_k}, {3, iq4_xs}, {8, iq4_xs}}) {
    const auto types = plan(*nibble::quantize_recipe::try_named("IQ4_XS"), model_bytes(6, 256, true, values));
    CHECK(types.at("blk.0.attn_v.weight") == type);
    CHECK(types.at("blk.2.attn_v.weight") == type);
    CHECK(types.at("blk.0.ffn_down.weight") == iq4_xs);
  }
  const auto recipe = *nibble::quantize_recipe::try_named("Q4_K_S");
  CHECK(plan(recipe, model_bytes(80, 256, true, 2)).at("blk.40.attn_v.weight") == q5_k);
  CHECK(plan(recipe, model_bytes(79, 256, true, 2)).at("blk.40.attn_v.weight") == q4_k);
  CHECK(plan(recipe, model_bytes(80, 256, true, 8)).at("blk.40.attn_v.weight") == q4_k);
  const auto of_eighty = [](const std::string& name) {
    return plan(*nibble::quantize_recipe::try_named(name), model_bytes(80, 256, true, 2)).at("blk.40.attn_v.weight");
  };
  CHECK(of_eighty("Q2_K") == q5_k);
  CHECK(of_eighty("Q3_K_S") == q5_k);
  for (const char* name : {"IQ2_M", "IQ2_S", "IQ2_XS", "IQ2_XXS", "IQ1_M", "IQ1_S"})
    CHECK_MESSAGE(of_eighty(name) == q4_k, name);
}

TEST_CASE("norms, routers, vectors and tables of integers keep the format of the file") {
  auto recipe = *nibble::quantize_recipe::try_named("Q8_0");
  REQUIRE(recipe.try_add_override("*=Q4_0").has_value());
  const auto types = plan(recipe, model_bytes(1, 256, true));
  for (const char* name : {"output_norm.weight", "blk.0.attn_norm.weight", "blk.0.ffn_gate_inp.weight", "blk.0.attn_q.bias"})
    CHECK(types.at(name) == f32);
  CHECK(types.at("layer_index") == nibble::detail::raw_type(26));
  CHECK(types.at("blk.0.attn_q.weight") == q4_0);
  nibble::metadata meta;
  meta.set("general.architecture", nibble::value("llama"));
  nibble::gguf_writer writer(std::move(meta));
  const std::vector<std::byte> zeros(4096);
  const auto add = [&](const char* name, std::vector<std::uint64_t> dims) {
    std::uint64_t bytes = 2;
    for (const auto dim : dims) bytes *= dim;
    writer.add(name, f16, dims, std::span(zeros).first(bytes));
  };
  add("token_embd.weight", {256, 4});
  add("output_norm.weight", {256});
  add("blk.0.ffn_gate_inp.weight", {256, 2});
  add("blk.0.ffn_gate_inp_shexp.weight", {256, 1});
  add("blk.0.ffn_gate_inp_others.weight", {256, 2});
  add("blk.0.normalizer.weight", {256, 2});
  for (const char* name : {"F32", "Q4_0", "BF16"}) {
    const auto of_halves = plan(*nibble::quantize_recipe::try_named(name), *writer.try_bytes());
    for (const char* kept : {"output_norm.weight", "blk.0.ffn_gate_inp.weight", "blk.0.ffn_gate_inp_shexp.weight"})
      CHECK(of_halves.at(kept) == f16);
    for (const char* made : {"blk.0.ffn_gate_inp_others.weight", "blk.0.normalizer.weight"})
      CHECK(of_halves.at(made) == nibble::quantize_recipe::try_named(name)->matrices);
  }
}

TEST_CASE("rows that blocks do not divide take a near format") {
  for (const auto& [wish, near] :
       {std::pair{q4_k, q5_0}, {q5_k, q5_1}, {q6_k, q8_0}, {q4_0, q4_0}, {q2_k, q4_0}, {iq4_xs, iq4_nl}, {iq2_xxs, iq4_nl}}) {
    CHECK(nibble::detail::fitting_format(wish, 512) == wish);
    CHECK(nibble::detail::fitting_format(wish, 640) == near);
    CHECK(nibble::detail::fitting_format(wish, 172) == f16);
  }
  CHECK(nibble::detail::fitting_format(f32, 1) == f32);
  CHECK(nibble::detail::fitting_format(bf16, 3) == bf16);
  auto types = plan(*nibble::quantize_recipe::try_named("Q4_K_M"), model_bytes(1, 96, true));
  CHECK(types.at("blk.0.attn_q.weight") == q5_0);
  CHECK(types.at("output.weight") == q8_0);
  types = plan(*nibble::quantize_recipe::try_named("Q4_K_M"), model_bytes(1, 20, true));
  CHECK(types.at("blk.0.attn_q.weight") == f16);
}

TEST_CASE("the first override that matches a name decides") {
  auto recipe = *nibble::quantize_recipe::try_named("Q4_K_M");
  REQUIRE(recipe.try_add_override("blk.0.ffn_down.weight=q8_0").has_value());
  REQUIRE(recipe.try_add_override("blk.*.ffn_down.weight=Q5_K").has_value());
  REQUIRE(recipe.try_add_override("*=BF16").has_value());
  const auto types = plan(recipe, model_bytes(2, 256, true));
  CHECK(types.at("blk.0.ffn_down.weight") == q8_0);
  CHECK(types.at("blk.1.ffn_down.weight") == q5_k);
  CHECK(types.at("output.weight") == bf16);
}

TEST_CASE("what is not known is told with what is") {
  const auto recipe = nibble::quantize_recipe::try_named("Q3_K_XL");
  REQUIRE_FALSE(recipe.has_value());
  CHECK(std::string(recipe.failure().what()).find("'Q3_K_XL' is unknown; there are F32, F16, BF16, Q8_0") != std::string::npos);
  auto known = *nibble::quantize_recipe::try_named("F16");
  for (const char* bad : {"", "=Q8_0", "blk.*", "blk.*=", "blk.*=Q9", "blk.*=Q8"}) {
    CAPTURE(bad);
    const auto added = known.try_add_override(bad);
    REQUIRE_FALSE(added.has_value());
    CHECK(added.failure().code() == nibble::errc::invalid_argument);
  }
  CHECK(known.overrides.empty());
}

TEST_CASE("patterns match as file names do, in time that stays polynomial") {
  using nibble::detail::glob_match;
  CHECK(glob_match("", ""));
  CHECK(glob_match("*", ""));
  CHECK(glob_match("blk.*.ffn_down.weight", "blk.12.ffn_down.weight"));
  CHECK(glob_match("blk.?.ffn_*", "blk.3.ffn_up.weight"));
  CHECK(glob_match("*a*b", "xxaxxbxb"));
  CHECK_FALSE(glob_match("", "a"));
  CHECK_FALSE(glob_match("blk.?.ffn_*", "blk.12.ffn_up.weight"));
  CHECK_FALSE(glob_match("*a*b", "xxaxxbxc"));
  CHECK_FALSE(glob_match("output", "output.weight"));
  std::string stars;
  for (int i = 0; i < 30; ++i) stars += "*a";
  CHECK_FALSE(glob_match(stars + "b", std::string(5000, 'a')));
}
