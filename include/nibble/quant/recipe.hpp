/// quantize_recipe: which format each tensor of a model gets.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/error.hpp"
#include "nibble/gguf/reader.hpp"
#include "nibble/gguf/tensor_type.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Formats by a tensor's part in the model. Whatever recipe and overrides say, tensors of one dimension, norms, routers and
/// position tables become F32, and rows that a format's blocks do not divide take a near format: Q4_K, Q5_K and Q6_K become
/// Q5_0, Q5_1 and Q8_0, and those F16.
///
/// @errors   invalid_argument: a name, pattern or format that is not known
/// @example  auto recipe = nibble::quantize_recipe::named("Q4_K_M");
///           recipe.add_override("blk.*.ffn_down.weight=Q6_K");
struct quantize_recipe {
  std::string name;
  tensor_type matrices = tensor_type::q4_k;   ///< all that is none of the next three
  tensor_type sensitive = tensor_type::q6_k;  ///< attn_v and ffn_down in the first and last eighth of the layers, and a third
  tensor_type shared = tensor_type::q5_k;     ///< attn_v elsewhere, if four or more query heads share its values
  tensor_type output = tensor_type::q6_k;     ///< output.weight; token_embd.weight where there is none
  std::uint32_t file_type = 15;               ///< general.file_type

  struct override_rule {
    std::string pattern;  ///< of tensor names; * stands for any letters, ? for one
    tensor_type type;
  };
  std::vector<override_rule> overrides;  ///< the first that matches a matrix decides its format

  /// "Q4_K_M", "Q8_0", "Q6_K", "Q5_K_M", "Q5_1", "Q5_0", "Q4_1", "Q4_0", "BF16", "F16" or "F32".
  static result<quantize_recipe> try_named(std::string_view name);
  /// Adds "pattern=FORMAT" behind the overrides there are.
  result<void> try_add_override(std::string_view rule);
#if NIBBLE_EXCEPTIONS
  static quantize_recipe named(std::string_view name) { return try_named(name).value(); }
  void add_override(std::string_view rule) { try_add_override(rule).value(); }
#endif

  /// The format of every tensor of a file, in file order.
  std::vector<tensor_type> plan(const gguf_file& file) const;
};

namespace detail {
/// Whether text matches a pattern of letters, * and ?.
/// @cost  O(text * pattern), no recursion
bool glob_match(std::string_view pattern, std::string_view text) noexcept;
/// The nearest format whose blocks divide rows of `cols`.
tensor_type fitting_format(tensor_type wish, std::uint64_t cols) noexcept;
}  // namespace detail

}  // namespace NIBBLE_ABI
}  // namespace nibble
