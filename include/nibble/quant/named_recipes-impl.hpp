/// The recipes that have names. Compiled once: see nibble/compile.hpp; never include it yourself.
/// @source  llama.cpp, the choices of llama-quantize by file type
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/quant/recipe.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// A named recipe: one format, and what deviates from it. Most files of eight experts keep some tensors of attention larger.
struct named_recipe {
  using rule = quantize_recipe::part_rule;
  std::string_view name;
  std::uint32_t file_type;
  tensor_type matrices, output;
  bool wide_attention_of_eight;
  std::array<rule, 8> rules;
  std::size_t rule_count;
};

template <class... Rules>
constexpr named_recipe recipe_of(std::string_view name, std::uint32_t file_type, tensor_type matrices, tensor_type output,
                                 bool wide_attention_of_eight, Rules... rules) {
  return {name, file_type, matrices, output, wide_attention_of_eight, {rules...}, sizeof...(Rules)};
}

inline constexpr auto named_recipes = [] {
  using enum tensor_type;
  using enum tensor_part;
  using enum rule_condition;
  using rule = named_recipe::rule;
  constexpr auto embedding_as = [](tensor_type type) { return rule{embedding, always, type}; };
  constexpr auto grouped_values = [](tensor_type type) { return rule{values, grouped, type}; };
  constexpr rule expert_values{values, many_experts, q4_k};
  return std::to_array<named_recipe>({
      recipe_of("F32", 0, f32, f32, false),
      recipe_of("F16", 1, f16, f16, false),
      recipe_of("BF16", 32, bf16, bf16, false),
      recipe_of("Q8_0", 7, q8_0, q8_0, false),
      recipe_of("Q6_K", 18, q6_k, q6_k, false),
      recipe_of("Q5_K_M", 17, q5_k, q6_k, false, rule{values, every_third, q6_k}, rule{down, every_third, q6_k}),
      recipe_of("Q5_K_S", 16, q5_k, q6_k, false),
      recipe_of("Q5_1", 9, q5_1, q6_k, false),
      recipe_of("Q5_0", 8, q5_0, q6_k, false, rule{down, first_eighth | with_importance, q5_1}),
      recipe_of("Q4_K_M", 15, q4_k, q6_k, true, rule{values, every_third, q6_k}, rule{down, every_third | not_falcon, q6_k},
                rule{down, first_sixteenth, q6_k}, rule{down, every_third, q5_k}),
      recipe_of("Q4_K_S", 14, q4_k, q6_k, true, rule{values, first_four, q5_k}, rule{down, first_eighth | not_falcon, q5_k}),
      recipe_of("IQ4_NL", 25, iq4_nl, q6_k, true, grouped_values(q5_k), rule{down, first_eighth | without_importance, q5_k}),
      recipe_of("IQ4_XS", 30, iq4_xs, q6_k, true, grouped_values(q5_k), rule{down, first_eighth | without_importance, q5_k}),
      recipe_of("Q4_1", 3, q4_1, q6_k, false),
      recipe_of("Q4_0", 2, q4_0, q6_k, false, rule{down, first_eighth | with_importance, q4_1}),
      recipe_of("MXFP4", 38, q8_0, q8_0, false, rule{any, of_experts, mxfp4}),
      recipe_of("NVFP4", 39, nvfp4, q6_k, false),
      recipe_of("Q3_K_L", 13, q3_k, q6_k, false, rule{values, always, q5_k}, rule{down, falcon, q4_k}, rule{down, always, q5_k},
                rule{attention_output, falcon, q4_k}, rule{attention_output, eight_experts, q3_k},
                rule{attention_output, always, q5_k}),
      recipe_of("Q3_K_M", 12, q3_k, q6_k, true, rule{values, first_two, q5_k}, rule{values, always, q4_k},
                rule{down, first_sixteenth, q5_k}, rule{down, not_falcon, q4_k}, rule{down, every_third, q4_k},
                rule{attention_output, not_falcon, q4_k}),
      recipe_of("Q3_K_S", 11, q3_k, q6_k, true),
      recipe_of("IQ3_M", 27, iq3_s, q6_k, true, rule{values, always, q4_k}, rule{down, first_eighth, q4_k},
                rule{down, every_third | eight_experts, q4_k}, rule{attention_output, not_falcon, q4_k}),
      recipe_of("IQ3_S", 26, iq3_s, q6_k, true, grouped_values(q4_k)),
      recipe_of("IQ3_XS", 22, iq3_s, q6_k, true, grouped_values(q4_k), rule{keys, always, iq3_xxs},
                rule{queries, always, iq3_xxs}, rule{up_or_gate, middle, iq3_xxs}),
      recipe_of("IQ3_XXS", 23, iq3_xxs, q5_k, true, embedding_as(iq3_s), grouped_values(q4_k),
                rule{values, without_importance, iq3_s}, rule{keys, always, iq2_s}, rule{queries, always, iq2_s},
                rule{down, first_eighth | without_importance, q4_k}, rule{down, without_importance, q3_k},
                rule{attention_output, not_falcon, iq3_s}),
      recipe_of("Q2_K", 10, q2_k, q6_k, true, grouped_values(q4_k), rule{values, always, q3_k}, rule{down, always, q3_k},
                rule{attention_output, not_falcon, q3_k}),
      recipe_of("Q2_K_S", 21, q2_k, q6_k, false, grouped_values(q4_k), rule{down, first_eighth, q4_k}),
      recipe_of("IQ2_M", 29, iq2_s, q5_k, false, embedding_as(iq3_s), grouped_values(q4_k), expert_values,
                rule{values, always, iq3_s}, rule{down, first_eighth, iq3_s}, rule{attention_output, always, iq3_s}),
      recipe_of("IQ2_S", 28, iq2_xs, q5_k, false, embedding_as(iq3_s), grouped_values(q4_k), expert_values,
                rule{values, always, iq3_s}, rule{down, first_eighth, iq3_s}, rule{attention_output, always, iq3_s}),
      recipe_of("IQ2_XS", 20, iq2_xs, q5_k, false, embedding_as(q2_k), grouped_values(q4_k), expert_values,
                rule{values, always, q2_k}, rule{down, first_eighth, q2_k}),
      recipe_of("IQ2_XXS", 19, iq2_xxs, q5_k, false, embedding_as(q2_k), grouped_values(q4_k), expert_values,
                rule{values, always, q2_k}, rule{down, first_eighth, q2_k}),
      recipe_of("IQ1_M", 31, iq1_m, q5_k, false, embedding_as(q2_k), grouped_values(q4_k), expert_values,
                rule{values, always, q2_k}, rule{down, first_eighth, q2_k}, rule{attention_output, always, iq2_xxs}),
      recipe_of("IQ1_S", 24, iq1_s, q5_k, false, embedding_as(q2_k), grouped_values(q4_k), expert_values,
                rule{values, always, q2_k}, rule{down, first_eighth, q2_k}, rule{attention_output, always, iq2_xxs}),
      recipe_of("TQ2_0", 37, tq2_0, q6_k, false, embedding_as(q4_k)),
      recipe_of("TQ1_0", 36, tq1_0, q6_k, false, embedding_as(q4_k)),
      recipe_of("Q2_0", 41, q2_0, q6_k, false, embedding_as(q4_k)),
      recipe_of("Q1_0", 40, q1_0, q6_k, false),
  });
}();

/// The rules of a named recipe, in the order in which they are tried.
inline std::vector<quantize_recipe::part_rule> rules_of(const named_recipe& r) {
  using enum tensor_part;
  using enum rule_condition;
  std::vector<quantize_recipe::part_rule> out;
  const bool tiny = r.output == tensor_type::q5_k && r.matrices != tensor_type::iq3_xxs;
  const auto raise_values = [&](rule_condition when, tensor_type type) {
    const bool is_small = type == tensor_type::q3_k || type == tensor_type::q4_k;
    if (is_small && !tiny) out.push_back({values, when | eighty_layers, tensor_type::q5_k});
  };
  if (r.matrices != tensor_type::f32 && r.matrices != tensor_type::f16 && r.matrices != tensor_type::bf16) {
    out.push_back({output, falcon, tensor_type::q8_0});
    if (!tiny && r.name != "MXFP4") out.push_back({values, eight_experts, tensor_type::q8_0});
    if (r.name != "MXFP4") out.push_back({keys, eight_experts, tiny ? tensor_type::q4_k : tensor_type::q8_0});
    if (tiny || r.wide_attention_of_eight) {
      out.push_back({attention_output, tiny ? eight_experts : eight_experts | not_falcon, tensor_type::q5_k});
    }
  }
  out.push_back({output, always, r.output});
  for (std::size_t i = 0; i < r.rule_count; ++i) {
    if (r.rules[i].part == values) raise_values(r.rules[i].when, r.rules[i].type);
    out.push_back(r.rules[i]);
  }
  raise_values(always, r.matrices);
  return out;
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
