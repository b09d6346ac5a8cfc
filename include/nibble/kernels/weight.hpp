/// weight: a matrix of parameters, as a layer sees it. How it is stored, and in which format, is its own affair.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "nibble/config.hpp"
#include "nibble/core/checked.hpp"
#include "nibble/gguf/tensor_type.hpp"
#include "nibble/kernels/format_info.hpp"
#include "nibble/kernels/table.hpp"
#include "nibble/quant/activation.hpp"
#include "nibble/quant/panel.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// A matrix of (rows, columns) = (outputs, inputs), or a stack of `matrices` equal ones, such as the weights of experts. Its
/// memory is borrowed: the model owns it. All operations are for one matrix, the first of a stack; matrix(i) is any of them.
/// @example  auto w = nibble::weight::stored(nibble::format_of<nibble::q8_0>, bytes, rows, columns);
///           w.decode_row(nibble::kernels(), 3, out);
class weight {
 public:
  /// No weight: empty().
  constexpr weight() = default;

  /// A weight in the panels of its format, see quant/panel.hpp. Each matrix begins with a group of its own.
  /// @shape   panels: packed_bytes(format, rows, columns, matrices), on a cache line; null in a plan, which only counts
  static constexpr weight packed(const format_info& format, const std::byte* panels, std::size_t rows, std::size_t columns,
                                 std::size_t matrices = 1) noexcept {
    return {format, panels, true, format.group_bytes(columns), rows, columns, matrices};
  }
  /// A weight as a file holds it: matrices of rows of blocks, any alignment.
  /// @param   apart  rows from the beginning of a matrix to that of the next; 0: they follow without gaps
  static constexpr weight stored(const format_info& format, const std::byte* bytes, std::size_t rows, std::size_t columns,
                                 std::size_t matrices = 1, std::size_t apart = 0) NIBBLE_NOEXCEPT {
    weight w{format, bytes, false, format.row_bytes(columns), rows, columns, matrices};
    if (apart > 0) w.apart_ = apart;
    return w;
  }
  /// Bytes of packed(): whole groups for every matrix.
  static constexpr std::size_t packed_bytes(const format_info& format, std::size_t rows, std::size_t columns,
                                            std::size_t matrices = 1) noexcept {
    return product_of_sizes(matrices, groups_of(rows), format.group_bytes(columns));
  }

  /// The same with a number for each matrix, by which its products are multiplied when they are summed, and its rows.
  /// @shape   scales (matrices), borrowed; null: none
  constexpr weight scaled_by(const float* scales) const noexcept {
    weight w = *this;
    w.scales_ = scales;
    return w;
  }

  constexpr bool empty() const noexcept { return rows_ == 0; }
  constexpr std::size_t rows() const noexcept { return rows_; }
  constexpr std::size_t columns() const noexcept { return columns_; }
  constexpr std::size_t matrices() const noexcept { return matrices_; }
  /// Where it begins in memory, or null: this tells weights of a model apart.
  constexpr const std::byte* data() const noexcept { return data_; }
  /// Groups of sixteen rows of one matrix, the last of which may be partly padding.
  constexpr std::size_t groups() const noexcept { return groups_of(rows_); }
  /// The format; precondition for this and what follows: not empty().
  constexpr const format_info& format() const NIBBLE_NOEXCEPT {
    NIBBLE_ASSERT(format_ != nullptr);
    return *format_;
  }
  constexpr tensor_type type() const NIBBLE_NOEXCEPT { return format().type; }
  /// What its products take activations as.
  constexpr activation_format input() const NIBBLE_NOEXCEPT { return format().input; }

  /// Matrix i of a stack.
  constexpr weight matrix(std::size_t i) const noexcept {
    weight w = *this;
    w.matrices_ = 1;
    if (data_) w.data_ += i * apart_ * step_;
    if (scales_) w.scales_ += i;
    return w;
  }
  /// The rows of `count` groups from `first` on; precondition: there are so many.
  constexpr weight row_groups(std::size_t first, std::size_t count) const NIBBLE_NOEXCEPT {
    NIBBLE_ASSERT(first <= groups() && count <= groups() - first);
    weight w = *this;
    w.matrices_ = 1;
    w.rows_ = std::min(count * panel_rows, rows_ - first * panel_rows);
    if (data_) w.data_ += first * (packed_ ? 1 : panel_rows) * step_;
    return w;
  }

  /// One row as floats, the same bits for any storage.
  /// @shape   out (columns)
  void decode_row(const kernel_table& table, std::size_t row, float* out) const NIBBLE_NOEXCEPT {
    const format_kernels& k = format().kernels(table);
    if (packed_) {
      k.unpack_row(data_ + row / panel_rows * step_, row % panel_rows, columns_, out);
    } else {
      k.decode_row(data_ + row * step_, columns_, out);
    }
    if (scales_) table.scale(out, *scales_, columns_);
  }

  /// A matrix product with the groups [args.first, args.last), the same bits for any storage; see matmul_args.
  /// @errors  none; precondition: the caller has filled in what matmul_args says of the product
  void multiply(const kernel_table& table, matmul_args args) const NIBBLE_NOEXCEPT {
    NIBBLE_ASSERT(args.first <= args.last && args.last <= groups() && args.output_stride >= rows_ && args.tokens > 0);
    (packed_ ? args.groups : args.stored) = data_;
    (packed_ ? args.group_bytes : args.row_bytes) = step_;
    args.rows = rows_, args.columns = columns_, args.scale = scales_ ? *scales_ : 1;
    format().kernels(table).matmul(args);
  }

  /// Packs group g, counted through all matrices, of a weight that is stored() as a file holds it.
  /// @shape   group: format().group_bytes(columns())
  void pack_group(const kernel_table& table, std::size_t g, std::byte* group) const NIBBLE_NOEXCEPT {
    const std::size_t row = g % groups() * panel_rows;
    format().kernels(table).pack(data_ + (g / groups() * apart_ + row) * step_, std::min(panel_rows, rows_ - row), step_,
                                 columns_, group);
  }

 private:
  constexpr weight(const format_info& format, const std::byte* data, bool packed, std::size_t step, std::size_t rows,
                   std::size_t columns, std::size_t matrices) noexcept
      : format_(&format),
        data_(data),
        packed_(packed),
        step_(step),
        rows_(rows),
        columns_(columns),
        matrices_(matrices),
        apart_(packed ? groups_of(rows) : rows) {}
  static constexpr std::size_t groups_of(std::size_t rows) noexcept { return rows / panel_rows + (rows % panel_rows != 0); }

  const format_info* format_ = nullptr;
  const std::byte* data_ = nullptr;
  bool packed_ = false;   // panels, or rows as a file holds them
  std::size_t step_ = 0;  // bytes from one group, or one row, to the next
  std::size_t rows_ = 0, columns_ = 0, matrices_ = 0;
  std::size_t apart_ = 0;          // groups or rows from one matrix to the next
  const float* scales_ = nullptr;  // one a matrix, or none
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
