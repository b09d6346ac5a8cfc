/// copy_kv: moves what is kept of a position, in any format.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "nibble/kv/shape.hpp"
#include "nibble/kv/tile.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Copies one position's vector from a slot of a tile to one of another, bit by bit.
template <kv_format Format, kv_role Role>
void copy_kv(const std::byte* from, std::size_t from_slot, std::byte* to, std::size_t to_slot, std::size_t dim) noexcept {
  for (std::size_t i = 0; i < (std::is_same_v<Format, q4_0> ? kv_blocks(dim) * kv_block : dim); ++i) {
    const auto source = kv_at<Format, Role>(from, dim, from_slot, i);
    const auto target = kv_at<Format, Role>(to, dim, to_slot, i);
    if constexpr (coded_kv_format<Format>) {
      if (i % kv_block == 0) *target.scale = *source.scale;
      const unsigned mask = (1u << Format::code_bits) - 1, code = unsigned(*source.value) >> source.shift & mask;
      *target.value = static_cast<std::uint8_t>((*target.value & ~(mask << target.shift)) | code << target.shift);
    } else {
      *target.value = *source.value;
    }
  }
}
/// The same of a format by its index in kv_formats.
template <kv_role Role>
void copy_kv(std::size_t format, const std::byte* from, std::size_t from_slot, std::byte* to, std::size_t to_slot,
             std::size_t dim) noexcept {
  visit_kv_format(format,
                  [&]<class Format>(std::type_identity<Format>) { copy_kv<Format, Role>(from, from_slot, to, to_slot, dim); });
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
