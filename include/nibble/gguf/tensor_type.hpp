/// tensor_type: how the elements of a tensor in a GGUF file are stored.
///
/// The numbers are those of the file format, which knows more types than this library computes with: a file may hold any of
/// them, and the reader needs their sizes. What can be computed with is in quant/registry.hpp.
/// @source  the GGUF specification, section "Tensor types"
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Formats of weights, by the numbers that files have for them.
enum class tensor_type : std::uint32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q4_1 = 3,
  q5_0 = 6,
  q5_1 = 7,
  q8_0 = 8,
  q2_k = 10,
  q3_k = 11,
  q4_k = 12,
  q5_k = 13,
  q6_k = 14,
  iq2_xxs = 16,
  iq2_xs = 17,
  iq3_xxs = 18,
  iq1_s = 19,
  iq4_nl = 20,
  iq3_s = 21,
  iq2_s = 22,
  iq4_xs = 23,
  iq1_m = 29,
  bf16 = 30,
  tq1_0 = 34,
  tq2_0 = 35,
  mxfp4 = 39,
  nvfp4 = 40,
  q1_0 = 41,
  q2_0 = 42,
};

/// What a file needs to know of a tensor type: its elements come in blocks of `block_size`, each `block_bytes` long.
struct tensor_type_info {
  tensor_type type;
  std::string_view name;
  std::uint32_t block_size;
  std::uint32_t block_bytes;
};

namespace detail {
constexpr tensor_type raw_type(std::uint32_t id) noexcept { return static_cast<tensor_type>(id); }
/// Every type id in use. Missing numbers were given up by the format: 4, 5, 31 to 33, 36 to 38.
inline constexpr auto tensor_types = std::to_array<tensor_type_info>({
    {tensor_type::f32, "F32", 1, 4},
    {tensor_type::f16, "F16", 1, 2},
    {tensor_type::q4_0, "Q4_0", 32, 18},
    {tensor_type::q4_1, "Q4_1", 32, 20},
    {tensor_type::q5_0, "Q5_0", 32, 22},
    {tensor_type::q5_1, "Q5_1", 32, 24},
    {tensor_type::q8_0, "Q8_0", 32, 34},
    {raw_type(9), "Q8_1", 32, 36},
    {tensor_type::q2_k, "Q2_K", 256, 84},
    {tensor_type::q3_k, "Q3_K", 256, 110},
    {tensor_type::q4_k, "Q4_K", 256, 144},
    {tensor_type::q5_k, "Q5_K", 256, 176},
    {tensor_type::q6_k, "Q6_K", 256, 210},
    {raw_type(15), "Q8_K", 256, 292},
    {tensor_type::iq2_xxs, "IQ2_XXS", 256, 66},
    {tensor_type::iq2_xs, "IQ2_XS", 256, 74},
    {tensor_type::iq3_xxs, "IQ3_XXS", 256, 98},
    {tensor_type::iq1_s, "IQ1_S", 256, 50},
    {tensor_type::iq4_nl, "IQ4_NL", 32, 18},
    {tensor_type::iq3_s, "IQ3_S", 256, 110},
    {tensor_type::iq2_s, "IQ2_S", 256, 82},
    {tensor_type::iq4_xs, "IQ4_XS", 256, 136},
    {raw_type(24), "I8", 1, 1},
    {raw_type(25), "I16", 1, 2},
    {raw_type(26), "I32", 1, 4},
    {raw_type(27), "I64", 1, 8},
    {raw_type(28), "F64", 1, 8},
    {tensor_type::iq1_m, "IQ1_M", 256, 56},
    {tensor_type::bf16, "BF16", 1, 2},
    {tensor_type::tq1_0, "TQ1_0", 256, 54},
    {tensor_type::tq2_0, "TQ2_0", 256, 66},
    {tensor_type::mxfp4, "MXFP4", 32, 17},
    {tensor_type::nvfp4, "NVFP4", 64, 36},
    {tensor_type::q1_0, "Q1_0", 128, 18},
    {tensor_type::q2_0, "Q2_0", 64, 18},
});
}  // namespace detail

/// The sizes of a type, or nothing if the number is not in use.
constexpr std::optional<tensor_type_info> find_tensor_type(std::uint32_t id) noexcept {
  for (const auto& info : detail::tensor_types)
    if (static_cast<std::uint32_t>(info.type) == id) return info;
  return std::nullopt;
}

/// The name of a type as published files spell it ("Q4_K"), or "?".
constexpr std::string_view name_of(tensor_type type) noexcept {
  const auto info = find_tensor_type(static_cast<std::uint32_t>(type));
  return info ? info->name : std::string_view("?");
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
