/// tensor_source: hands an architecture its tensors, checked against the shapes it expects, in the layout of the kernels.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "nibble/core/aligned.hpp"
#include "nibble/core/executor.hpp"
#include "nibble/error.hpp"
#include "nibble/gguf/reader.hpp"
#include "nibble/kernels/format_info.hpp"
#include "nibble/kernels/table.hpp"
#include "nibble/kernels/weight.hpp"
#include "nibble/quant/panel.hpp"
#include "nibble/quant/registry.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Reads tensors by name. Like hyperparameters it keeps the first error and goes on with empty tensors, so that an
/// architecture's constructor is straight lines; the loader looks once.
///
/// A plan reads shapes only: weights have no memory, but `bytes()` says what they will take.
class tensor_source {
 public:
  /// A plan.
  tensor_source(const gguf_file& file, bool mapped) noexcept : file_(file), mapped_(mapped) {}
  /// Reads into `memory`, which is as large as the bytes() of a plan and outlives what is built from here. If `mapped`,
  /// matrices stay in the file, which must outlive it, too.
  tensor_source(const gguf_file& file, bool mapped, executor_ref executor, std::span<std::byte> memory) noexcept
      : file_(file), mapped_(mapped), executor_(executor), memory_(memory) {}

  bool has(std::string_view name) const noexcept { return file_.find(name) != nullptr; }

  /// A matrix that must be there.
  /// @errors  kept: missing_tensor, shape_mismatch, unknown_format, out_of_memory
  weight matrix(std::string_view name, std::size_t rows, std::size_t columns) {
    const tensor_info* info = require(name, {columns, rows});
    if (!info) return {};
    const format_info* format = find_format(info->type);
    if (!format) {
      fail(errc::unknown_format, name, "weights of format " + std::string(name_of(info->type)) + " are not supported");
      return {};
    }
    const weight stored = weight::stored(*format, file_.bytes(*info).data(), rows, columns);
    return mapped_ ? stored : lay_out(*info, stored);
  }
  /// A matrix that may be missing: an empty weight then.
  weight matrix_or_none(std::string_view name, std::size_t rows, std::size_t columns) {
    return has(name) ? matrix(name, rows, columns) : weight{};
  }

  /// A vector of numbers that must be there, widened to float.
  std::span<const float> vector(std::string_view name, std::size_t n) {
    const tensor_info* info = require(name, {n, 1});
    if (!info) return {};
    const bool plain = info->type == tensor_type::f32 || info->type == tensor_type::f16 || info->type == tensor_type::bf16;
    if (!plain) {
      fail(errc::unknown_format, name, "expected a vector of F32, F16 or BF16, found " + std::string(name_of(info->type)));
      return {};
    }
    std::byte* memory = allocate(name, n * sizeof(float));
    if (!memory) return {};
    auto* out = reinterpret_cast<float*>(memory);
    visit_format(info->type, [&]<class Q>(std::type_identity<Q>) {
      if constexpr (float_format<Q>) {
        for (std::size_t i = 0; i < n; ++i) {
          typename Q::block stored;
          std::memcpy(&stored, file_.bytes(*info).data() + i * sizeof stored, sizeof stored);
          out[i] = float(stored);
        }
      }
    });
    if (!mapped_) file_.release(*info, 0, static_cast<std::size_t>(info->bytes));
    return {out, n};
  }
  /// A vector that may be missing: empty then.
  std::span<const float> vector_or_none(std::string_view name, std::size_t n) {
    return has(name) ? vector(name, n) : std::span<const float>();
  }

  /// Rows of a matrix as the file states them, for sizes that only tensors know (a vocabulary); 0 if it is missing.
  std::size_t rows_of(std::string_view name) const noexcept {
    const tensor_info* info = file_.find(name);
    return info ? static_cast<std::size_t>(info->dims[1]) : 0;
  }

  /// Called with the bytes read so far; returning false gives up with errc::cancelled.
  void on_progress(std::function<bool(std::size_t)> f) { progress_ = std::move(f); }

  /// Bytes of all that was read so far, in the layout of the kernels.
  std::size_t bytes() const noexcept { return bytes_; }
  const std::optional<error>& failure() const noexcept { return failure_; }

 private:
  static std::string shape_text(std::array<std::uint64_t, 4> dims) {
    std::size_t rank = 4;
    while (rank > 1 && dims[rank - 1] == 1) --rank;
    std::string out = "(";
    for (std::size_t i = rank; i > 0; --i) out += (i == rank ? "" : ", ") + std::to_string(dims[i - 1]);
    return out + ")";
  }
  void fail(errc code, std::string_view name, std::string sentence) {
    if (!failure_) failure_ = error(code, std::string(name) + ": " + std::move(sentence));
  }
  /// The tensor, if it is there with exactly this shape.
  const tensor_info* require(std::string_view name, std::array<std::uint64_t, 2> shape) {
    const tensor_info* info = file_.find(name);
    if (!info) return fail(errc::missing_tensor, name, "the tensor is missing"), nullptr;
    std::array<std::uint64_t, 4> wanted{shape[0], shape[1], 1, 1}, found{1, 1, 1, 1};
    for (std::size_t i = 0; i < info->n_dims; ++i) found[i] = info->dims[i];
    if (wanted == found) return info;
    return fail(errc::shape_mismatch, name, "expected " + shape_text(wanted) + ", found " + shape_text(found)), nullptr;
  }
  /// Memory for a tensor, or null in a plan or after a failure.
  std::byte* allocate(std::string_view name, std::size_t bytes) {
    const std::size_t at = bytes_;
    bytes_ += round_up(bytes, cache_line);
    if (memory_.empty() || failure_) return nullptr;
    if (bytes_ > memory_.size()) return fail(errc::out_of_memory, name, "more weights than were planned for"), nullptr;
    if (progress_ && !progress_(bytes_)) return fail(errc::cancelled, name, "loading was cancelled"), nullptr;
    return memory_.data() + at;
  }
  /// Packs a matrix into panels, in parallel, and gives its mapped pages back as it goes: memory holds it once.
  weight lay_out(const tensor_info& info, const weight& stored) {
    const format_info& format = stored.format();
    const std::size_t groups = stored.groups(), group_bytes = format.group_bytes(stored.columns());
    std::byte* panels = allocate(info.name, weight::packed_bytes(format, stored.rows(), stored.columns()));
    const weight packed = weight::packed(format, panels, stored.rows(), stored.columns());
    if (!panels) return packed;
    const std::size_t size = file_.bytes(info).size(), row_bytes = size / stored.rows();
    const std::size_t chunk = std::max<std::size_t>(1, (std::size_t{4} << 20) / (row_bytes * panel_rows + 1));
    for (std::size_t begin = 0; begin < groups; begin += chunk) {
      const std::size_t count = std::min(chunk, groups - begin);
      executor_.run(count, [&](std::size_t i) { stored.pack_group(kernels(), begin + i, panels + (begin + i) * group_bytes); });
      const std::size_t from = begin * panel_rows * row_bytes;
      file_.release(info, from, std::min(count * panel_rows * row_bytes, size - from));
    }
    return packed;
  }

  const gguf_file& file_;
  bool mapped_;
  executor_ref executor_;
  std::span<std::byte> memory_;
  std::size_t bytes_ = 0;
  std::function<bool(std::size_t)> progress_;
  std::optional<error> failure_;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
