/// What a weight format is: how `block_size` floats become one `block` of bytes and back, and how the kernels see that block.
///
/// Three families. A float format (F32, F16, BF16) stores numbers. An integer format stores unsigned codes and a few scales,
/// one scale (and offset) for each 16 or 32 columns, or for more:
///
///     value = scale * level        or        value = scale * level + offset
///
/// The level of a code is code - zero_point, or codebook[code] in a format that has a codebook. The kernels know code widths
/// and scale kinds, not formats, so a new format that is made of known parts needs no kernel of its own. A widened format
/// stores what it likes, and says what levels and scales that is.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

#include "nibble/config.hpp"
#include "nibble/core/half.hpp"
#include "nibble/gguf/tensor_type.hpp"
#include "nibble/quant/activation.hpp"
#include "nibble/quant/scales.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

struct widened_block;  // quant/widened.hpp

/// What an encoder may use besides the values themselves.
struct encode_hint {
  const float* importance = nullptr;  ///< one non-negative weight a column of this block, or null: all alike
  float row_mean_square = 0;          ///< mean of squares over the whole row, for weighting; only with importance
};

/// A weight format: its block is laid out byte for byte as GGUF files hold it.
template <class Q>
concept quant_format = std::is_trivially_copyable_v<typename Q::block> &&
    requires(const typename Q::block& stored, typename Q::block& out_block, std::span<const float, Q::block_size> values,
             std::span<float, Q::block_size> out_values, const encode_hint& hint) {
  { Q::name } -> std::convertible_to<std::string_view>;
  { Q::type } -> std::convertible_to<tensor_type>;
  { Q::decode(stored, out_values) }
  noexcept->std::same_as<void>;
  { Q::encode(values, hint, out_block) }
  noexcept->std::same_as<void>;
};

/// A format that has a codebook: the levels of its codes, which need not be evenly spaced.
template <class Q>
concept codebook_format = requires {
  Q::codebook;
};

namespace detail {
/// A codebook is 16 levels, of which codes of fewer bits use the first; each is a byte when the zero point is added.
template <class Q>
constexpr bool valid_codebook() noexcept {
  if constexpr (codebook_format<Q>) {
    if constexpr (std::is_same_v<decltype(Q::codebook), const std::array<std::int8_t, 16>>) {
      const auto [least, most] = std::minmax_element(Q::codebook.begin(), Q::codebook.end());
      return Q::code_bits <= 4 && *least + Q::zero_point >= 0 && *most + Q::zero_point < 256;
    } else {
      return false;
    }
  }
  return true;
}
}  // namespace detail

/// What stands in panels of codes (quant/panel.hpp): of an integer format, and of what other formats are widened to.
template <class Q>
concept coded_format = requires {
  typename Q::scales;
  { Q::code_bits } -> std::convertible_to<unsigned>;
  { Q::zero_point } -> std::convertible_to<int>;
}
&&detail::valid_codebook<Q>();

/// A format of unsigned codes below 2^code_bits and scales of one of the kinds above.
///
///     scales                               one of the kinds of scale of quant/scales.hpp
///     code_bits                            bits of a code in memory: 1, 2, 3, 4, 5, 6 or 8
///     zero_point                           level + zero_point is never negative; 0 where scales::has_offset
///     codes(block, out)                    the codes of a block, column by column
///     read_scales(block)                   its scales
///     pack(codes, scales, block)           the block that they came from
///     codebook (optional)                  std::array<std::int8_t, 16>: the level of each code of 4 bits or fewer
///     largest_value (optional)             how far from zero encode reaches, if no further than a scale does
template <class Q>
concept integer_format = quant_format<Q> && coded_format<Q> &&
    requires(const typename Q::block& stored, typename Q::block& out_block, std::span<std::uint8_t, Q::block_size> out,
             std::span<const std::uint8_t, Q::block_size> codes, const typename Q::scales& scales) {
  { Q::codes(stored, out) }
  noexcept->std::same_as<void>;
  { Q::read_scales(stored) }
  noexcept->std::same_as<typename Q::scales>;
  { Q::pack(codes, scales, out_block) }
  noexcept->std::same_as<void>;
};

/// What a code stands for, in units of its scale.
template <class Q>
constexpr int level_of(std::uint8_t code) noexcept {
  if constexpr (codebook_format<Q>) {
    return Q::codebook[code];
  } else {
    return int(code) - Q::zero_point;
  }
}

/// level + zero_point of each code of a format with a codebook.
template <codebook_format Q>
alignas(16) inline constexpr std::array<std::uint8_t, 16> value_table = [] {
  std::array<std::uint8_t, 16> values{};
  for (std::size_t i = 0; i < 16; ++i) values[i] = static_cast<std::uint8_t>(Q::codebook[i] + Q::zero_point);
  return values;
}();

/// The sizes of its levels, and then these.
template <codebook_format Q>
alignas(16) inline constexpr std::array<std::uint8_t, 32> signed_table = [] {
  std::array<std::uint8_t, 32> values{};
  for (std::size_t i = 0; i < 16; ++i) {
    const int level = Q::codebook[i];
    values[i] = static_cast<std::uint8_t>(level < 0 ? -level : level), values[16 + i] = static_cast<std::uint8_t>(level);
  }
  return values;
}();

/// Bits of level + zero_point, which is what the kernels multiply: it bounds their sums in 16 bits. 4 (or less), 5, 6, 7 or 8.
template <coded_format Q>
inline constexpr unsigned value_bits = [] {
  if constexpr (codebook_format<Q>) {
    const int most = *std::max_element(Q::codebook.begin(), Q::codebook.end()) + Q::zero_point;
    return most < 16 ? 4u : most < 32 ? 5u : most < 64 ? 6u : most < 128 ? 7u : 8u;
  } else if constexpr (requires { Q::level_bits; }) {
    return unsigned(Q::level_bits);  // of bytes that are not used up
  } else {
    return std::max(4u, unsigned(Q::code_bits));
  }
}();

/// A format whose levels the kernels do not look up themselves: it is widened to bytes on the way to a product, block by block
/// (quant/widened.hpp). For formats with large codebooks, and for those that are rarely used: they share two kernels, by how
/// far their levels reach.
///
///     widen(block, out)                    block_size columns, 32 at a time, as levels and scales
///     largest_value, largest_level         how far from zero it reaches, and its levels do: to 63 at most
template <class Q>
concept widened_format = quant_format<Q> && Q::block_size % 32 == 0 && sizeof(typename Q::block) % 2 == 0 &&
                         requires(const typename Q::block& stored, std::span<widened_block, Q::block_size / 32> out) {
  { Q::widen(stored, out) }
  noexcept->std::same_as<void>;
  { Q::largest_value } -> std::convertible_to<float>;
  requires Q::largest_level >
  0 && Q::largest_level < 64;
};

/// Formats whose scales say so take activations in super-blocks; all others with codes in blocks.
template <class Q>
concept super_block_format = coded_format<Q> && Q::scales::super_block;
/// What activations become that are multiplied with an integer format.
template <class Q>
using activation_of = std::conditional_t<super_block_format<Q>, activation_super_block, activation_block>;

/// A format of plain numbers: a block is one element, and converts to float exactly.
template <class Q>
concept float_format = quant_format<Q> && Q::block_size == 1 && std::convertible_to<typename Q::block, float>;

/// What weights may be in: kernels multiply codes and scales, what is widened to such, or plain numbers.
template <class Q>
concept multiplied_format = integer_format<Q> || widened_format<Q> || float_format<Q>;

/// How activations stand that are multiplied with weights of a format.
template <quant_format Q>
inline constexpr activation_format input_format = super_block_format<Q> ? activation_format::super_blocks
                                                  : float_format<Q>     ? activation_format::floats
                                                                        : activation_format::blocks;

/// A row as a file holds it as floats.
/// @shape   row: `columns` in blocks of Q, any alignment; precondition: columns is a multiple of Q::block_size
template <quant_format Q>
void decode_row(const std::byte* row, std::size_t columns, float* out) noexcept {
  for (std::size_t at = 0; at < columns; at += Q::block_size, row += sizeof(typename Q::block)) {
    typename Q::block stored;
    std::memcpy(&stored, row, sizeof stored);
    Q::decode(stored, std::span<float, Q::block_size>(out + at, Q::block_size));
  }
}

namespace detail {
/// Decodes an integer format from its codes and scales, in the order of operations that its published files were made with. A
/// product of a scale (17 bits at most) and a level (5, where there is an offset) is exact: fused or not, the sum is the same.
template <class Q>
void decode_codes(const typename Q::block& stored, std::span<float, Q::block_size> out) noexcept {
  using scales = typename Q::scales;
  std::array<std::uint8_t, Q::block_size> code;
  Q::codes(stored, code);
  const scales s = Q::read_scales(stored);
  for (std::size_t i = 0; i < Q::block_size; ++i) {
    const affine a = s.of(i / scales::sub_block);
    out[i] = a.scale * float(level_of<Q>(code[i]));
    if constexpr (scales::has_offset) out[i] += a.offset;
  }
}
}  // namespace detail

}  // namespace NIBBLE_ABI
}  // namespace nibble
