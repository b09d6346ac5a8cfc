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

/// What a matrix is for, as recipes tell them apart.
enum class tensor_part : std::uint8_t {
  output,            ///< output.weight; token_embd.weight where there is none
  embedding,         ///< token_embd.weight beside an output, and per_layer_token_embd.weight as that
  values,            ///< attn_v, attn_qkv, attn_kv_b
  keys,              ///< attn_k
  queries,           ///< attn_q
  attention_output,  ///< attn_output
  down,              ///< ffn_down and that of experts
  up_or_gate,        ///< ffn_up, ffn_gate and those of experts
  other,
  any,  ///< of rules alone: whatever it is for
};

/// Where in a model, and when, a rule holds. Several may be asked at once.
enum class rule_condition : std::uint16_t {
  always = 0,
  first_two = 1,  ///< of the layers that have such a tensor
  first_four = 2,
  first_sixteenth = 4,
  first_eighth = 8,
  middle = 16,         ///< neither in the first nor in the last eighth
  every_third = 32,    ///< in the first and last eighth, and every third between
  grouped = 64,        ///< four or more query heads share keys and values
  many_experts = 128,  ///< four or more
  eight_experts = 256,
  of_experts = 512,  ///< the tensor has several matrices
  without_importance = 1024,
  with_importance = 2048,
  falcon = 4096,  ///< architectures
  not_falcon = 8192,
  eighty_layers = 16384,  ///< and grouped: values are so small then that more bits for them cost little
};
/// Both.
constexpr rule_condition operator|(rule_condition a, rule_condition b) noexcept {
  return static_cast<rule_condition>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}

/// Formats by a tensor's part in the model. The recipes that have names choose as the quantizer of llama.cpp does.
///
/// Whatever recipe and overrides say, tensors of one dimension, norms, routers, convolutions and position tables keep the
/// format of the file, and rows that a format's blocks do not divide take a near format whose blocks are smaller, or F16.
///
/// @errors   invalid_argument: a name, pattern or format that is not known
/// @example  auto recipe = nibble::quantize_recipe::named("Q4_K_M");
///           recipe.add_override("blk.*.ffn_down.weight=Q6_K");
struct quantize_recipe {
  std::string name;
  tensor_type matrices = tensor_type::q4_k;  ///< all that no rule is for
  std::uint32_t file_type = 15;              ///< general.file_type

  /// A format for a part of the model.
  struct part_rule {
    tensor_part part;
    rule_condition when;
    tensor_type type;
  };
  std::vector<part_rule> rules = {};  ///< the first that holds decides

  /// A format for names.
  struct override_rule {
    std::string pattern;  ///< of tensor names; * stands for any letters, ? for one
    tensor_type type;
  };
  std::vector<override_rule> overrides = {};  ///< the first that matches a matrix decides its format

  /// "Q4_K_M", "IQ4_XS" and so on: all that recipe_names() has.
  static result<quantize_recipe> try_named(std::string_view name);
  /// Adds "pattern=FORMAT" behind the overrides there are.
  result<void> try_add_override(std::string_view rule);
#if NIBBLE_EXCEPTIONS
  static quantize_recipe named(std::string_view name) { return try_named(name).value(); }
  void add_override(std::string_view rule) { try_add_override(rule).value(); }
#endif

  /// The format of every tensor of a file, in file order; `importance`: whether encoders will be told of some.
  std::vector<tensor_type> plan(const gguf_file& file, bool importance = false) const;
};

/// The names of all recipes.
std::vector<std::string_view> recipe_names();

namespace detail {
/// Whether text matches a pattern of letters, * and ?.
/// @cost  O(text * pattern), no recursion
bool glob_match(std::string_view pattern, std::string_view text) noexcept;
/// The nearest format whose blocks divide rows of `cols`.
tensor_type fitting_format(tensor_type wish, std::uint64_t cols) noexcept;
}  // namespace detail

}  // namespace NIBBLE_ABI
}  // namespace nibble
