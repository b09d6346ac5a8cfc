/// format_info: a weight format as a value. A file mixes formats from tensor to tensor, so code that works on weights holds
/// this instead of a type.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "nibble/core/checked.hpp"
#include "nibble/core/type_list.hpp"
#include "nibble/kernels/reference_matmul.hpp"
#include "nibble/kernels/table.hpp"
#include "nibble/quant/panel.hpp"
#include "nibble/quant/registry.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// The kernels of any format in plain C++: right everywhere, and slow. They serve a user's own format, of which the compiled
/// kernels know nothing.
template <multiplied_format Q>
inline constexpr format_kernels reference_kernels{&pack_group<Q>, &unpack_row<Q>, &decode_row<Q>, &reference::matmul<Q>};

/// What is known of a format at run time.
/// @example  const nibble::format_info* info = nibble::find_format(nibble::tensor_type::q4_k);
struct format_info {
  std::string_view name;
  tensor_type type;
  std::size_t block_size, block_bytes;                       ///< columns of a block, and its bytes in a file
  activation_format input;                                   ///< what its products take activations as
  std::size_t (*group_bytes)(std::size_t columns) noexcept;  ///< bytes of sixteen rows in panels
  std::size_t index;                                         ///< of its kernels in kernel_table::formats, where `own` is null
  const format_kernels* own;                                 ///< kernels of a format that the table does not know

  /// Bytes of a row as a file holds it; precondition: columns is a multiple of block_size.
  constexpr std::size_t row_bytes(std::size_t columns) const NIBBLE_NOEXCEPT {
    NIBBLE_ASSERT(columns % block_size == 0);
    return product_of_sizes(columns / block_size, block_bytes);
  }
  constexpr const format_kernels& kernels(const kernel_table& table) const noexcept {
    return own ? *own : table.formats[index];
  }
  /// Whether the program has them: NIBBLE_FORMATS may have left them out.
  bool compiled() const noexcept { return own || nibble::kernels().formats[index].matmul; }
};

namespace detail {
/// Of a format, in errors.
inline constexpr std::string_view left_out = "which NIBBLE_FORMATS leaves out of this program";

/// Null for the formats that the table has kernels of, so that no user of them compiles others.
template <quant_format Q>
constexpr const format_kernels* own_kernels() noexcept {
  if constexpr (index_of<Q, quant_formats> < quant_formats::size) {
    return nullptr;
  } else {
    return &reference_kernels<Q>;
  }
}
}  // namespace detail

/// The one of a format: its address tells formats apart.
template <multiplied_format Q>
inline constexpr format_info format_of{
    .name = Q::name,
    .type = Q::type,
    .block_size = Q::block_size,
    .block_bytes = sizeof(typename Q::block),
    .input = input_format<Q>,
    .group_bytes = &group_bytes<Q>,
    .index = index_of<Q, quant_formats>,
    .own = detail::own_kernels<Q>(),
};

/// The format of a tensor type among those of a type_list; null if none has it.
/// @example  using formats = nibble::append<nibble::quant_formats, my_format>;
///           const nibble::format_info* info = nibble::find_format<formats>(my_format::type);
template <class Formats = quant_formats>
constexpr const format_info* find_format(tensor_type type) noexcept {
  const format_info* found = nullptr;
  any_type(Formats{}, [&]<class Q>(std::type_identity<Q>) { return type == Q::type && (found = &format_of<Q>); });
  return found;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
