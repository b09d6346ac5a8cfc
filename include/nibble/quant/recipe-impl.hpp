/// The definitions behind recipe.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "nibble/gguf/reader.hpp"
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
  const tensor_type instead = wish == tensor_type::q4_k   ? tensor_type::q5_0
                              : wish == tensor_type::q5_k ? tensor_type::q5_1
                              : wish == tensor_type::q6_k ? tensor_type::q8_0
                                                          : tensor_type::f16;
  return fits(instead) ? instead : tensor_type::f16;
}

/// 12 of "blk.12.attn_v.weight".
inline std::optional<std::uint32_t> layer_of(std::string_view name) noexcept {
  if (!name.starts_with("blk.")) return std::nullopt;
  std::uint32_t layer = 0;
  const auto [end, failed] = std::from_chars(name.data() + 4, name.data() + name.size(), layer);
  if (failed != std::errc() || end == name.data() + name.size() || *end != '.') return std::nullopt;
  return layer;
}

/// Tensors that cost little and spoil much.
inline bool stays_f32(const tensor_info& tensor) noexcept {
  const std::string_view name = tensor.name;
  return tensor.n_dims < 2 || !name.ends_with("weight") || name.find("_norm") != std::string_view::npos ||
         name.find("ffn_gate_inp") != std::string_view::npos || name == "position_embd.weight" || name == "token_types.weight";
}

/// Whether each override has a matrix to decide about.
inline result<void> check_overrides(const quantize_recipe& recipe, const gguf_file& file) {
  for (const auto& rule : recipe.overrides) {
    const auto& all = file.tensors();
    if (std::none_of(all.begin(), all.end(),
                     [&](const tensor_info& t) { return !stays_f32(t) && glob_match(rule.pattern, t.name); }))
      return error(errc::invalid_argument, "override " + detail::quoted(rule.pattern) + " matches no matrix of the file");
  }
  return {};
}

}  // namespace detail

result<quantize_recipe> quantize_recipe::try_named(std::string_view name) {
  struct row {
    std::string_view name;
    tensor_type matrices, sensitive, shared, output;
    std::uint32_t file_type;
  };
  using enum tensor_type;
  static constexpr auto rows = std::to_array<row>({
      {"Q4_K_M", q4_k, q6_k, q5_k, q6_k, 15},
      {"Q8_0", q8_0, q8_0, q8_0, q8_0, 7},
      {"Q6_K", q6_k, q6_k, q6_k, q6_k, 18},
      {"Q5_K_M", q5_k, q6_k, q6_k, q6_k, 17},
      {"Q5_1", q5_1, q5_1, q5_1, q6_k, 9},
      {"Q5_0", q5_0, q5_0, q5_0, q6_k, 8},
      {"Q4_1", q4_1, q4_1, q4_1, q6_k, 3},
      {"Q4_0", q4_0, q4_0, q4_0, q6_k, 2},
      {"BF16", bf16, bf16, bf16, bf16, 32},
      {"F16", f16, f16, f16, f16, 1},
      {"F32", f32, f32, f32, f32, 0},
  });
  std::string known;
  for (const row& r : rows) {
    if (r.name == name) return quantize_recipe{std::string(name), r.matrices, r.sensitive, r.shared, r.output, r.file_type, {}};
    (known += known.empty() ? "" : ", ") += r.name;
  }
  return error(errc::invalid_argument, "recipe " + detail::quoted(name) + " is unknown; there are " + known);
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

std::vector<tensor_type> quantize_recipe::plan(const gguf_file& file) const {
  std::uint32_t layers = 0;
  for (const auto& tensor : file.tensors())
    if (const auto layer = detail::layer_of(tensor.name)) layers = std::max(layers, *layer + 1);
  const bool tied = !file.find("output.weight");
  const auto wish = [&](const tensor_info& tensor) {
    if (tensor.name == (tied ? "token_embd.weight" : "output.weight")) return output;
    const auto layer = detail::layer_of(tensor.name);
    const bool values = tensor.name.ends_with(".attn_v.weight");
    if (!layer || (!values && !tensor.name.ends_with(".ffn_down.weight"))) return matrices;
    const std::uint32_t eighth = layers / 8;
    if (*layer < eighth || *layer >= 7 * layers / 8 || (*layer - eighth) % 3 == 2) return sensitive;
    if (values) {
      const auto* queries = file.find("blk." + std::to_string(*layer) + ".attn_q.weight");
      if (queries && queries->rows() / 4 >= tensor.rows()) return shared;
    }
    return matrices;
  };

  std::vector<tensor_type> types;
  for (const auto& tensor : file.tensors()) {
    const auto rule = std::find_if(overrides.begin(), overrides.end(),
                                   [&](const override_rule& r) { return detail::glob_match(r.pattern, tensor.name); });
    if (detail::stays_f32(tensor))
      types.push_back(visit_format(tensor.type, [](auto) {}) ? tensor_type::f32 : tensor.type);  // tables of integers are kept
    else
      types.push_back(detail::fitting_format(rule != overrides.end() ? rule->type : wish(tensor), tensor.cols()));
  }
  return types;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
