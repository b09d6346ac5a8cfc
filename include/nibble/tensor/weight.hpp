/// weight: a type-erased 2-d parameter, as a layer sees it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "nibble/config.hpp"
#include "nibble/gguf/tensor_type.hpp"
#include "nibble/quant/activation.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// A matrix of (rows, columns) = (outputs, inputs) in the panels of its format, see quant/panel.hpp, or as its file holds it.
/// Borrowed: the model owns it. A file mixes formats from tensor to tensor, so the format is a value here, and is looked at
/// once in a matrix product.
struct weight {
  const std::byte* panels = nullptr;
  std::size_t rows = 0, columns = 0;
  std::size_t group_bytes = 0;  ///< from one group of sixteen rows to the next
  tensor_type type = tensor_type::f32;
  std::uint32_t format = 0;  ///< index in quant_formats
  activation_format input = activation_format::floats;
  const std::byte* stored = nullptr;  ///< instead of panels: rows of blocks
  std::size_t row_bytes = 0;          ///< from one of them to the next

  bool empty() const noexcept { return rows == 0; }
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
