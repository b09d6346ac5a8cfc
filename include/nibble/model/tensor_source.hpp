/// tensor_source: hands an architecture its tensors, checked against the shapes it expects, in the layout of the kernels.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/core/executor.hpp"
#include "nibble/error.hpp"
#include "nibble/file/limits.hpp"
#include "nibble/gguf/layer_of.hpp"
#include "nibble/gguf/reader.hpp"
#include "nibble/kernels/format_info.hpp"
#include "nibble/kernels/weight.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// The format of a type, or null: find_format<> of some list.
using format_lookup = const format_info* (*)(tensor_type type);

/// A matrix of products as a model has it: which rows of which tensor it is. What an adapter finds by the tensor's name.
struct placed_matrix {
  std::uint64_t name = 0;  ///< checksum of the tensor's
  const std::byte* data = nullptr;
  std::size_t rows_of_tensor = 0, first = 0, rows = 0, columns = 0;
};

/// Reads tensors by name. Like hyperparameters it keeps the first error and goes on with empty tensors, so that an
/// architecture's constructor is straight lines; the loader looks once.
///
/// A plan reads shapes only: weights and vectors have their sizes, but no memory, and `bytes()` says what they will take.
class tensor_source {
 public:
  /// A plan. The file must outlive it; if `mapped`, matrices stay in the file, which must outlive what is built from here.
  tensor_source(const gguf_file& file, format_lookup formats, bool mapped);
  tensor_source(const gguf_file&&, format_lookup, bool) = delete;
  /// Reads into `memory`, which is as large as the bytes() of a plan and outlives what is built from here.
  tensor_source(const gguf_file& file, format_lookup formats, bool mapped, executor_ref executor, std::span<std::byte> memory);
  tensor_source(const gguf_file&&, format_lookup, bool, executor_ref, std::span<std::byte>) = delete;

  /// Whether the file has a tensor. Asking is not reading.
  bool has(std::string_view name) const noexcept { return file_.find(name) != nullptr; }

  /// A matrix that must be there. Of "x.weight", what the file has as "x.scale" is a factor: a number, or of a stack one for
  /// each matrix; see weight::scaled_by.
  /// @errors  kept: missing_tensor, shape_mismatch, unknown_format, out_of_memory; bad_value: a factor that is not finite
  weight matrix(std::string_view name, std::size_t rows, std::size_t columns) { return stack(name, 1, rows, columns); }
  /// The same where "x.scale" is something else.
  weight unscaled_matrix(std::string_view name, std::size_t rows, std::size_t columns) {
    return rows_of_each(name, 1, rows, columns, 0, rows);
  }
  /// A matrix that may be missing: an empty weight then.
  weight matrix_or_none(std::string_view name, std::size_t rows, std::size_t columns);
  /// Rows [first, first + count) of a matrix that must be there with `rows` of them: one of several that stand in one tensor.
  weight rows(std::string_view name, std::size_t rows, std::size_t columns, std::size_t first, std::size_t count) {
    return part(name, 1, rows, columns, first, count);
  }
  /// A matrix of which rows are read, and no products are made: as the file holds it, in the file or copied.
  weight table(std::string_view name, std::size_t rows, std::size_t columns);
  /// Equal matrices in one tensor of three dimensions, as experts have them; see weight::matrix().
  weight stack(std::string_view name, std::size_t matrices, std::size_t rows, std::size_t columns) {
    return part(name, matrices, rows, columns, 0, rows);
  }
  /// Rows [first, first + rows) of each matrix of a stack, whose matrices have `all`.
  weight part(std::string_view name, std::size_t matrices, std::size_t all, std::size_t columns, std::size_t first,
              std::size_t rows);
  /// The same of a tensor of two dimensions, in which the matrices follow each other. It has no factors.
  weight rows_of_each(std::string_view name, std::size_t matrices, std::size_t all, std::size_t columns, std::size_t first,
                      std::size_t rows);
  /// These matrices turned round, (columns, rows) each, as floats, which never stay in the file.
  weight turned_rows_of_each(std::string_view name, std::size_t matrices, std::size_t all, std::size_t columns,
                             std::size_t first, std::size_t rows);
  /// Equal matrices in tensors of their own, "<before>0<after>" and so on, side by side as if they were one tensor. Their
  /// formats must be equal, too. They are copied even where matrices stay in the file.
  weight gathered(std::string_view before, std::string_view after, std::size_t matrices, std::size_t rows, std::size_t columns);

  /// A vector of numbers that must be there, widened to float.
  std::span<const float> vector(std::string_view name, std::size_t n);
  /// A vector that may be missing: empty then.
  std::span<const float> vector_or_none(std::string_view name, std::size_t n);
  /// Several vectors of n numbers in one tensor, one after the other.
  std::span<const float> vectors(std::string_view name, std::size_t count, std::size_t n);
  /// A small matrix of numbers, widened to float, column by column: element (r, c) at [c * rows + r].
  std::span<const float> columns(std::string_view name, std::size_t rows, std::size_t columns);
  /// n numbers that no file holds: f(0) to f(n - 1).
  std::span<const float> made(std::size_t n, const std::function<float(std::size_t)>& f);
  /// n times 1: the gain of a norm that has none.
  std::span<const float> ones(std::size_t n) {
    return made(n, [](std::size_t) { return 1.0f; });
  }

  /// Rows of a matrix as the file states them, for sizes that only tensors know (a vocabulary); 0 if it is missing.
  std::size_t rows_of(std::string_view name) const noexcept;

  /// Says that a tensor is not what the architecture can use.
  void reject(std::string_view name, std::string_view expected);

  /// Says that tensors are known and do no harm unread: all whose names begin so.
  void ignore(std::string_view beginning);
  /// The same of "blk.<layer>." for `count` layers from `first` on.
  /// @cost  O(tensors)
  void ignore_layers(std::size_t first, std::size_t count);
  /// Refuses a file with a tensor that was neither read nor ignored: without it, the results would not be the model's.
  ///
  /// Harmless are biases of zeros and frequency factors of ones, tables of angles ("attn_rot_embd") that follow from the
  /// metadata, what turns pictures and sounds into embeddings ("v.", "a.", "mm."), and factors of activations beside a matrix
  /// ("x.input_scale" of "x.weight"), for machines that multiply in 4 bits.
  /// @param most  vectors above its width, hidden and vocabulary are not looked into, and not harmless
  /// @errors      kept: unread_tensor
  /// @cost        O(numbers of unread vectors), up to the first that is not neutral, in 16 KiB each of floats and bytes
  void refuse_unread(std::string_view architecture, const limits& most = {});

  /// Called with the bytes laid out so far, at each tensor and each 2 MiB of one; returning false gives up with
  /// errc::cancelled.
  void on_progress(std::function<bool(std::size_t)> f);
  /// Tells progress that all has been read.
  void finish() { tell("the last tensor", bytes_); }

  /// All matrices of products that were read, but for those that stand in stacks, and tables.
  std::vector<placed_matrix> take_placed() noexcept { return std::move(placed_); }

  /// Bytes of all that was read so far, in the layout of the kernels.
  std::size_t bytes() const noexcept { return bytes_; }
  const std::optional<error>& failure() const noexcept { return failure_; }

 private:
  void fail(errc code, std::string_view name, std::string sentence);
  bool tell(std::string_view name, std::size_t done);
  std::size_t place_of(const std::byte* at) const noexcept { return static_cast<std::size_t>(at - memory_.data()); }
  const tensor_info* require(std::string_view name, std::array<std::uint64_t, 4> shape);
  std::byte* allocate(std::string_view name, std::size_t bytes);
  const std::byte* part_of(const tensor_info& info, std::size_t offset, std::size_t bytes, std::vector<std::byte>& copy);
  weight take(const tensor_info* info, std::size_t matrices, std::size_t all, std::size_t columns, std::size_t first,
              std::size_t rows);
  std::span<float> numbers(std::string_view name, std::array<std::uint64_t, 4> shape);
  weight with_scales(std::string_view name, const weight& w);
  const format_info* format_of(const tensor_info& info, std::size_t rows, std::size_t columns);
  void pack(const tensor_info& info, const weight& packed, std::byte* panels, std::size_t first, std::size_t all);
  bool is_harmless(const tensor_info& info, const limits& most);
  bool all_are(const tensor_info& info, float number);

  const gguf_file& file_;
  format_lookup formats_;
  bool mapped_;
  executor_ref executor_;
  std::span<std::byte> memory_;
  std::size_t bytes_ = 0, told_ = 0;
  std::function<bool(std::size_t)> progress_;
  std::optional<error> failure_;
  std::vector<placed_matrix> placed_;
  std::vector<bool> read_;  // by place in file_.tensors()
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
