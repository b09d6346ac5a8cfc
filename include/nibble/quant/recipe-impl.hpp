/// The definitions behind recipe.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "nibble/gguf/layer_of.hpp"
#include "nibble/gguf/reader.hpp"
#include "nibble/quant/named_recipes-impl.hpp"
#include "nibble/quant/recipe.hpp"
#include "nibble/quant/registry.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

bool glob_match(std::string_view pattern, std::string_view text) noexcept {
  std::size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++, resume = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p, ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1, t = ++resume;  // let the last star swallow one letter more
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

/// The format of this name, in either case.
inline std::optional<tensor_type> format_named(std::string_view name) {
  const auto upper = [](char c) { return c >= 'a' && c <= 'z' ? char(c - 'a' + 'A') : c; };
  std::optional<tensor_type> found;
  any_type(quant_formats{}, [&]<class Q>(std::type_identity<Q>) {
    if (!std::equal(name.begin(), name.end(), Q::name.begin(), Q::name.end(),
                    [&](char a, char b) { return upper(a) == upper(b); }))
      return false;
    found = Q::type;
    return true;
  });
  return found;
}

tensor_type fitting_format(tensor_type wish, std::uint64_t cols) noexcept {
  const auto fits = [&](tensor_type type) {
    const auto info = find_tensor_type(static_cast<std::uint32_t>(type));
    return info && cols % info->block_size == 0;
  };
  if (fits(wish)) return wish;
  using enum tensor_type;
  struct pair {
    tensor_type from, to;
  };
  static constexpr auto smaller_blocks = std::to_array<pair>({{q4_k, q5_0},
                                                              {q5_k, q5_1},
                                                              {q6_k, q8_0},
                                                              {q2_k, q4_0},
                                                              {q3_k, q4_0},
                                                              {tq1_0, q4_0},
                                                              {tq2_0, q4_0},
                                                              {q2_0, q4_0},
                                                              {q1_0, q4_0},
                                                              {nvfp4, q4_0},
                                                              {iq4_xs, iq4_nl},
                                                              {iq3_s, iq4_nl},
                                                              {iq3_xxs, iq4_nl},
                                                              {iq2_s, iq4_nl},
                                                              {iq2_xs, iq4_nl},
                                                              {iq2_xxs, iq4_nl},
                                                              {iq1_m, iq4_nl},
                                                              {iq1_s, iq4_nl}});
  for (const auto& [from, to] : smaller_blocks) {
    if (from == wish && fits(to)) return to;
  }
  return f16;
}

/// Tensors that cost little and spoil much.
/// @source  llama.cpp, tensor_allows_quantization
inline bool keeps_format(const tensor_info& tensor) noexcept {
  const std::string_view name = tensor.name;
  const bool is_vector = std::all_of(tensor.dims.begin() + 1, tensor.dims.end(), [](std::uint64_t n) { return n <= 1; });
  if (is_vector || !name.ends_with("weight") || name == "position_embd.weight" || name == "token_types.weight") return true;
  static constexpr auto parts = std::to_array<std::string_view>({"_norm.weight",
                                                                 "ffn_gate_inp.weight",
                                                                 "ffn_gate_tid2eid.weight",
                                                                 "ssm_conv1d",
                                                                 "shortconv.conv.weight",
                                                                 "altup",
                                                                 "laurel",
                                                                 "per_layer_model_proj",
                                                                 "attn_rel_b.weight",
                                                                 "indexer.k_proj.weight",
                                                                 "indexer.q_proj.weight",
                                                                 "time_mix_first.weight",
                                                                 "time_mix_w0.weight",
                                                                 "time_mix_w1.weight",
                                                                 "time_mix_w2.weight",
                                                                 "time_mix_v0.weight",
                                                                 "time_mix_v1.weight",
                                                                 "time_mix_v2.weight",
                                                                 "time_mix_a0.weight",
                                                                 "time_mix_a1.weight",
                                                                 "time_mix_a2.weight",
                                                                 "time_mix_g1.weight",
                                                                 "time_mix_g2.weight",
                                                                 "time_mix_decay_w1.weight",
                                                                 "time_mix_decay_w2.weight",
                                                                 "time_mix_lerp_fused.weight",
                                                                 ".position_embd",
                                                                 ".patch_embd",
                                                                 ".patch_merger",
                                                                 ".rel_pos",
                                                                 "sam.pos_embd",
                                                                 "sam.neck.",
                                                                 "sam.net_",
                                                                 "a.rvq.codebook",
                                                                 "mm.a.code_embd"});
  return std::any_of(parts.begin(), parts.end(), [&](std::string_view part) { return name.find(part) != name.npos; });
}

inline tensor_part part_of(std::string_view name, bool tied) noexcept {
  if (name == "output.weight") return tensor_part::output;
  if (name == "token_embd.weight" || name == "per_layer_token_embd.weight")
    return tied ? tensor_part::output : tensor_part::embedding;
  struct row {
    std::string_view in_name;
    tensor_part part;
  };
  using enum tensor_part;
  static constexpr auto rows = std::to_array<row>({{"attn_qkv.weight", values},
                                                   {"attn_kv_b.weight", values},
                                                   {"attn_v.weight", values},
                                                   {"attn_k.weight", keys},
                                                   {"attn_q.weight", queries},
                                                   {"attn_output.weight", attention_output},
                                                   {"ffn_up", up_or_gate},
                                                   {"ffn_gate", up_or_gate},
                                                   {"ffn_down", down}});
  for (const row& r : rows)
    if (name.find(r.in_name) != name.npos) return r.part;
  return other;
}

/// A number of a model's architecture, or what there is instead; that of the first layer where each has its own.
inline std::uint32_t number_of(const gguf_file& file, std::string_view key, std::uint32_t otherwise) {
  const auto architecture = file.meta().get<std::string_view>("general.architecture");
  if (!architecture) return otherwise;
  const std::string full = std::string(*architecture) + "." + std::string(key);
  const value* found = file.meta().find(full);
  if (found && found->is_array() && found->size() > 0) {
    const auto each = file.meta().try_get_array<std::uint32_t>(full);
    return each ? each->front() : otherwise;
  }
  return file.meta().get<std::uint32_t>(full).value_or(otherwise);
}

/// What the rules of a recipe ask of a model.
struct model_facts {
  std::uint32_t layers = 0, experts = 0;
  bool tied = false, falcon = false, importance = false, grouped = false;
  std::vector<std::uint32_t> layers_with_values;

  model_facts(const gguf_file& file, bool of_importance) : importance(of_importance) {
    tied = !file.find("output.weight");
    falcon = file.meta().get<std::string_view>("general.architecture") == "falcon";
    experts = number_of(file, "expert_count", 0);
    for (const auto& tensor : file.tensors()) {
      const auto layer = layer_of(tensor.name);
      if (!layer) continue;
      layers = std::max(layers, static_cast<std::uint32_t>(*layer) + 1);
      if (part_of(tensor.name, tied) == tensor_part::values) layers_with_values.push_back(static_cast<std::uint32_t>(*layer));
    }
    std::sort(layers_with_values.begin(), layers_with_values.end());
    const std::uint32_t heads = number_of(file, "attention.head_count", 0);
    const std::uint32_t shared = number_of(file, "attention.head_count_kv", heads);
    grouped = shared > 0 && heads / shared >= 4;
    const auto *queries = file.find("blk.0.attn_q.weight"), *values = file.find("blk.0.attn_v.weight");
    if (heads == 0 && queries && values) grouped = queries->rows() / 4 >= values->rows();
  }

  bool holds(rule_condition when, tensor_part part, const tensor_info& tensor) const {
    auto i = static_cast<std::uint32_t>(layer_of(tensor.name).value_or(0));
    std::uint32_t n = layers;
    if (part == tensor_part::values) {  // counted by themselves: not all layers of a hybrid have some
      const auto first = std::lower_bound(layers_with_values.begin(), layers_with_values.end(), i);
      i = static_cast<std::uint32_t>(first - layers_with_values.begin());
      n = static_cast<std::uint32_t>(layers_with_values.size());
    }
    const std::uint32_t eighth = n / 8;
    const auto unless = [&](rule_condition asked, bool fact) {
      return (static_cast<unsigned>(when) & static_cast<unsigned>(asked)) != 0 && !fact;
    };
    using enum rule_condition;
    return !(unless(first_two, i < 2) || unless(first_four, i < 4) || unless(first_sixteenth, i < n / 16) ||
             unless(first_eighth, i < eighth) || unless(middle, i >= eighth && i < 7 * n / 8) ||
             unless(every_third, i < eighth || i >= 7 * n / 8 || (i - eighth) % 3 == 2) ||
             unless(rule_condition::grouped, this->grouped) || unless(many_experts, experts >= 4) ||
             unless(eight_experts, experts == 8) || unless(of_experts, tensor.dims[2] > 1) ||
             unless(with_importance, importance) || unless(without_importance, !importance) ||
             unless(rule_condition::falcon, this->falcon) || unless(not_falcon, !this->falcon) ||
             unless(eighty_layers, layers == 80 && this->grouped));
  }
};

/// Whether each override has a matrix to decide about.
inline result<void> check_overrides(const quantize_recipe& recipe, const gguf_file& file) {
  for (const auto& rule : recipe.overrides) {
    const auto& all = file.tensors();
    if (std::none_of(all.begin(), all.end(),
                     [&](const tensor_info& t) { return !keeps_format(t) && glob_match(rule.pattern, t.name); }))
      return error(errc::invalid_argument, "override " + detail::quoted(rule.pattern) + " matches no matrix of the file");
  }
  return {};
}

}  // namespace detail

result<quantize_recipe> quantize_recipe::try_named(std::string_view name) {
  std::string known;
  for (const auto& r : detail::named_recipes) {
    if (r.name == name) return quantize_recipe{std::string(name), r.matrices, r.file_type, detail::rules_of(r), {}};
    (known += known.empty() ? "" : ", ") += r.name;
  }
  return error(errc::invalid_argument, "recipe " + detail::quoted(name) + " is unknown; there are " + known);
}

std::vector<std::string_view> recipe_names() {
  std::vector<std::string_view> out;
  for (const auto& r : detail::named_recipes) out.push_back(r.name);
  return out;
}

result<void> quantize_recipe::try_add_override(std::string_view rule) {
  const std::size_t at = rule.rfind('=');
  if (at == std::string_view::npos || at == 0)
    return error(errc::invalid_argument, "override " + detail::quoted(rule) + ": expected pattern=FORMAT");
  const auto type = detail::format_named(rule.substr(at + 1));
  if (!type)
    return error(errc::invalid_argument,
                 "override " + detail::quoted(rule) + ": format " + detail::quoted(rule.substr(at + 1)) + " is unknown");
  overrides.push_back({std::string(rule.substr(0, at)), *type});
  return {};
}

std::vector<tensor_type> quantize_recipe::plan(const gguf_file& file, bool importance) const {
  const detail::model_facts model(file, importance);
  const auto wish = [&](const tensor_info& tensor) {
    const tensor_part part = detail::part_of(tensor.name, model.tied);
    if (part == tensor_part::output && detail::fitting_format(matrices, tensor.cols()) != matrices) return tensor_type::q8_0;
    const auto rule = std::find_if(rules.begin(), rules.end(), [&](const part_rule& r) {
      return (r.part == part || r.part == tensor_part::any) && model.holds(r.when, part, tensor);
    });
    return rule != rules.end() ? rule->type : matrices;
  };

  std::vector<tensor_type> types;
  for (const auto& tensor : file.tensors()) {
    const auto rule = std::find_if(overrides.begin(), overrides.end(),
                                   [&](const override_rule& r) { return detail::glob_match(r.pattern, tensor.name); });
    if (detail::keeps_format(tensor))
      types.push_back(tensor.type);
    else
      types.push_back(detail::fitting_format(rule != overrides.end() ? rule->type : wish(tensor), tensor.cols()));
  }
  return types;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
