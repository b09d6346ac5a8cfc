/// Recipes: which tensor gets which format.
#include "nibble/quant/recipe.hpp"

#include <doctest/doctest.h>
#include <map>
#include <string>
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

}  // namespace

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
  CHECK(plan(recipe, model_bytes(80, 256, true, 1)).at("blk.40.attn_v.weight") == q5_k);
  CHECK(plan(recipe, model_bytes(79, 256, true, 1)).at("blk.40.attn_v.weight") == q4_k);
}

TEST_CASE("norms, routers and vectors stay F32, and tables of integers stay what they are") {
  auto recipe = *nibble::quantize_recipe::try_named("Q8_0");
  REQUIRE(recipe.try_add_override("*=Q4_0").has_value());
  const auto types = plan(recipe, model_bytes(1, 256, true));
  for (const char* name : {"output_norm.weight", "blk.0.attn_norm.weight", "blk.0.ffn_gate_inp.weight", "blk.0.attn_q.bias"})
    CHECK(types.at(name) == f32);
  CHECK(types.at("layer_index") == nibble::detail::raw_type(26));
  CHECK(types.at("blk.0.attn_q.weight") == q4_0);
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
