/// Definitions of model/tensor_source.hpp, compiled once: see nibble/compile.hpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "nibble/core/aligned.hpp"
#include "nibble/core/checked.hpp"
#include "nibble/core/checksum.hpp"
#include "nibble/model/tensor_source.hpp"
#include "nibble/quant/registry.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

namespace detail {
/// Copies bytes that part(at, count) shows, 2 MiB at a time; done(at, count) says behind each whether to go on.
template <class Part, class Done>
bool copy_in_parts(std::byte* to, std::size_t bytes, Part&& part, Done&& done) {
  constexpr std::size_t at_once = std::size_t{2} << 20;
  for (std::size_t at = 0; at < bytes; at += at_once) {
    const std::size_t count = std::min(at_once, bytes - at);
    const std::byte* from = part(at, count);
    if (!from) return false;
    std::memcpy(to + at, from, count);
    if (!done(at, count)) return false;
  }
  return true;
}
}  // namespace detail

tensor_source::tensor_source(const gguf_file& file, format_lookup formats, bool mapped)
    : file_(file), formats_(formats), mapped_(mapped), read_(file.tensors().size()) {}
tensor_source::tensor_source(const gguf_file& file, format_lookup formats, bool mapped, executor_ref executor,
                             std::span<std::byte> memory)
    : file_(file), formats_(formats), mapped_(mapped), executor_(executor), memory_(memory), read_(file.tensors().size()) {}

weight tensor_source::part(std::string_view name, std::size_t matrices, std::size_t all, std::size_t columns, std::size_t first,
                           std::size_t rows) {
  return with_scales(name, take(require(name, {columns, all, matrices, 1}), matrices, all, columns, first, rows));
}
/// A weight with the factors that stand beside it in the file, if there are any.
weight tensor_source::with_scales(std::string_view name, const weight& w) {
  if (!name.ends_with(".weight") || w.empty()) return w;
  const std::string scale = std::string(name.substr(0, name.size() - 6)) + "scale";
  const auto scales = vector_or_none(scale, w.matrices());
  if (scales.data() == nullptr) return w;  // none, or a plan's
  if (!std::all_of(scales.begin(), scales.end(), [](float x) { return std::isfinite(x); })) {
    fail(errc::bad_value, scale, "expected finite numbers");
  }
  return w.scaled_by(scales.data());
}
weight tensor_source::rows_of_each(std::string_view name, std::size_t matrices, std::size_t all, std::size_t columns,
                                   std::size_t first, std::size_t rows) {
  return take(require(name, {columns, product_of_sizes(matrices, all), 1, 1}), matrices, all, columns, first, rows);
}
weight tensor_source::take(const tensor_info* info, std::size_t matrices, std::size_t all, std::size_t columns,
                           std::size_t first, std::size_t rows) {
  NIBBLE_ASSERT(first <= all && rows <= all - first);
  const format_info* format = info ? format_of(*info, product_of_sizes(matrices, all), columns) : nullptr;
  if (!format) return {};
  const auto placed = [&](const weight& w) {
    if (matrices == 1)
      placed_.push_back({detail::checksum(std::as_bytes(std::span(info->name))), w.data(), all, first, rows, columns});
    return w;
  };
  if (mapped_) {
    const std::byte* begin = file_.bytes(*info).data() + first * format->row_bytes(columns);
    return placed(weight::stored(*format, begin, rows, columns, matrices, all));
  }
  std::byte* panels = allocate(info->name, weight::packed_bytes(*format, rows, columns, matrices));
  const weight packed = weight::packed(*format, panels, rows, columns, matrices);
  if (panels) pack(*info, packed, panels, first, all);
  return placed(packed);
}
weight tensor_source::table(std::string_view name, std::size_t rows, std::size_t columns) {
  const tensor_info* info = require(name, {columns, rows, 1, 1});
  const format_info* format = info ? format_of(*info, rows, columns) : nullptr;
  if (!format) return {};
  if (mapped_) return weight::stored(*format, file_.bytes(*info).data(), rows, columns);
  const auto bytes = static_cast<std::size_t>(info->bytes);
  std::byte* memory = allocate(name, bytes);
  std::vector<std::byte> copy;
  const bool copied =
      !memory || detail::copy_in_parts(
                     memory, bytes, [&](std::size_t at, std::size_t count) { return part_of(*info, at, count, copy); },
                     [&](std::size_t at, std::size_t count) {
                       file_.release(*info, at, count);
                       return tell(name, place_of(memory + at + count));
                     });
  return copied ? weight::stored(*format, memory, rows, columns) : weight{};
}
weight tensor_source::turned_rows_of_each(std::string_view name, std::size_t matrices, std::size_t all, std::size_t columns,
                                          std::size_t first, std::size_t rows) {
  const tensor_info* info = require(name, {columns, product_of_sizes(matrices, all), 1, 1});
  const format_info* format = info ? format_of(*info, product_of_sizes(matrices, all), columns) : nullptr;
  const format_info* floats = formats_(tensor_type::f32);
  if (!format || !floats) return {};
  const std::size_t each = weight::packed_bytes(*floats, columns, rows), row_bytes = format->row_bytes(columns);
  std::byte* panels = allocate(name, product_of_sizes(matrices, each));
  const weight turned = weight::packed(*floats, panels, columns, rows, matrices);
  if (!panels) return turned;
  std::vector<std::byte> copy;
  std::vector<float> row(columns), numbers(columns * rows);
  for (std::size_t m = 0; m < matrices; ++m) {
    const std::byte* from = part_of(*info, (m * all + first) * row_bytes, rows * row_bytes, copy);
    if (!from) return {};
    const weight stored = weight::stored(*format, from, rows, columns);
    for (std::size_t r = 0; r < rows; ++r) {
      stored.decode_row(kernels(), r, row.data());
      for (std::size_t i = 0; i < columns; ++i) numbers[i * rows + r] = row[i];
    }
    const weight whole = weight::stored(*floats, reinterpret_cast<const std::byte*>(numbers.data()), columns, rows);
    for (std::size_t g = 0; g < whole.groups(); ++g) {
      whole.pack_group(kernels(), g, panels + m * each + g * floats->group_bytes(rows));
    }
    if (!tell(name, place_of(panels + (m + 1) * each))) return {};
  }
  return turned;
}
weight tensor_source::gathered(std::string_view before, std::string_view after, std::size_t matrices, std::size_t rows,
                               std::size_t columns) {
  const auto name_of_matrix = [&](std::size_t i) { return std::string(before) + std::to_string(i) + std::string(after); };
  const format_info* format = nullptr;
  std::byte* memory = nullptr;
  std::size_t bytes_each = 0;
  for (std::size_t i = 0; i < matrices; ++i) {
    const std::string name = name_of_matrix(i);
    const tensor_info* info = require(name, {columns, rows, 1, 1});
    const format_info* its_format = info ? format_of(*info, rows, columns) : nullptr;
    if (!its_format) return {};
    if (i == 0) {
      format = its_format;
      bytes_each = mapped_ ? static_cast<std::size_t>(info->bytes) : weight::packed_bytes(*format, rows, columns);
      memory = allocate(name, product_of_sizes(matrices, bytes_each));
    } else if (its_format != format) {
      return reject(name, "the format of its first, " + std::string(format->name)), weight{};
    }
    if (!memory) continue;
    std::byte* to = memory + i * bytes_each;
    if (!mapped_) {
      pack(*info, weight::packed(*format, to, rows, columns), to, 0, rows);
    } else {
      std::vector<std::byte> copy;
      const bool copied = detail::copy_in_parts(
          to, bytes_each, [&](std::size_t at, std::size_t count) { return part_of(*info, at, count, copy); },
          [&](std::size_t at, std::size_t count) {
            file_.release(*info, at, count);
            return tell(name, place_of(to + at + count));
          });
      if (!copied) return {};
    }
  }
  return mapped_ ? weight::stored(*format, memory, rows, columns, matrices)
                 : weight::packed(*format, memory, rows, columns, matrices);
}
/// The format of a tensor of so many rows, if it is known and the bytes are its own.
const format_info* tensor_source::format_of(const tensor_info& info, std::size_t rows, std::size_t columns) {
  const format_info* format = formats_(info.type);
  if (!format || !format->compiled()) {
    const std::string name(name_of(info.type)), why(format ? ", " + std::string(detail::left_out) : " are not supported");
    fail(errc::unknown_format, info.name, "weights of format " + name + why);
    return nullptr;
  }
  if (info.bytes != product_of_sizes(rows, format->row_bytes(columns))) {
    fail(errc::shape_mismatch, info.name, "its bytes are not those of " + std::string(format->name));
    return nullptr;
  }
  return format;
}
weight tensor_source::matrix_or_none(std::string_view name, std::size_t rows, std::size_t columns) {
  return has(name) ? matrix(name, rows, columns) : weight{};
}

std::span<const float> tensor_source::vector(std::string_view name, std::size_t n) { return numbers(name, {n, 1, 1, 1}); }
std::span<const float> tensor_source::vectors(std::string_view name, std::size_t count, std::size_t n) {
  return numbers(name, {n, count, 1, 1});
}
std::span<const float> tensor_source::columns(std::string_view name, std::size_t rows, std::size_t columns) {
  const std::span<float> out = numbers(name, {columns, rows, 1, 1});
  if (out.data() == nullptr || rows == 1 || columns == 1) return out;
  const std::vector<float> stored(out.begin(), out.end());
  for (std::size_t i = 0; i < stored.size(); ++i) out[i % columns * rows + i / columns] = stored[i];
  return out;
}
std::span<const float> tensor_source::made(std::size_t n, const std::function<float(std::size_t)>& f) {
  std::byte* memory = allocate("numbers of no tensor", product_of_sizes(n, sizeof(float)));
  auto* out = reinterpret_cast<float*>(memory);
  for (std::size_t i = 0; out && i < n; ++i) out[i] = f(i);
  return {out, out || !failure_ ? n : 0};
}
std::span<float> tensor_source::numbers(std::string_view name, std::array<std::uint64_t, 4> shape) {
  const tensor_info* info = require(name, shape);
  if (!info) return {};
  const auto n = product_of_sizes(static_cast<std::size_t>(shape[0]), static_cast<std::size_t>(shape[1]));
  const bool plain = info->type == tensor_type::f32 || info->type == tensor_type::f16 || info->type == tensor_type::bf16;
  if (!plain) {
    fail(errc::unknown_format, name, "expected a vector of F32, F16 or BF16, found " + std::string(name_of(info->type)));
    return {};
  }
  std::byte* memory = allocate(name, product_of_sizes(n, sizeof(float)));
  if (!memory) return failure_ ? std::span<float>() : std::span<float>(static_cast<float*>(nullptr), n);
  auto* out = reinterpret_cast<float*>(memory);
  std::vector<std::byte> copy;
  const std::byte* bytes = part_of(*info, 0, static_cast<std::size_t>(info->bytes), copy);
  if (!bytes) return {};
  visit_format(info->type, [&]<class Q>(std::type_identity<Q>) {
    if constexpr (float_format<Q>) decode_row<Q>(bytes, n, out);
  });
  if (!mapped_) file_.release(*info, 0, static_cast<std::size_t>(info->bytes));
  return {out, n};
}
std::span<const float> tensor_source::vector_or_none(std::string_view name, std::size_t n) {
  return has(name) ? vector(name, n) : std::span<const float>();
}

std::size_t tensor_source::rows_of(std::string_view name) const noexcept {
  const tensor_info* info = file_.find(name);
  return info ? static_cast<std::size_t>(info->dims[1]) : 0;
}

void tensor_source::reject(std::string_view name, std::string_view expected) {
  fail(errc::shape_mismatch, name, "expected " + std::string(expected));
}

void tensor_source::on_progress(std::function<bool(std::size_t)> f) { progress_ = std::move(f); }

/// Tells progress how many bytes are done; false where somebody gave up, now or before.
bool tensor_source::tell(std::string_view name, std::size_t done) {
  if (progress_ && done > told_ && !failure_) {
    told_ = done;
    if (!progress_(done)) fail(errc::cancelled, name, "loading was cancelled");
  }
  return !failure_;
}

namespace detail {
/// "(4096, 1024)", slowest dimension first, as far as the shape goes.
inline std::string shape_text(std::array<std::uint64_t, 4> dims) {
  std::size_t rank = 4;
  while (rank > 1 && dims[rank - 1] == 1) --rank;
  std::string out = "(";
  for (std::size_t i = rank; i > 0; --i) out += (i == rank ? "" : ", ") + std::to_string(dims[i - 1]);
  return out + ")";
}
/// A name as it stands, where that is short and printable.
inline std::string plain_or_quoted(std::string_view name) {
  const std::string safe = quoted(name);
  return safe.size() == name.size() + 2 ? std::string(name) : safe;
}
}  // namespace detail

void tensor_source::fail(errc code, std::string_view name, std::string sentence) {
  if (!failure_) failure_ = error(code, detail::plain_or_quoted(name) + ": " + std::move(sentence));
}

/// The tensor, if it is there with exactly this shape, fastest dimension first.
const tensor_info* tensor_source::require(std::string_view name, std::array<std::uint64_t, 4> shape) {
  const tensor_info* info = file_.find(name);
  if (!info) return fail(errc::missing_tensor, name, "the tensor is missing"), nullptr;
  read_[static_cast<std::size_t>(info - file_.tensors().data())] = true;
  std::array<std::uint64_t, 4> found{1, 1, 1, 1};
  for (std::size_t i = 0; i < info->n_dims; ++i) found[i] = info->dims[i];
  if (shape == found) return info;
  fail(errc::shape_mismatch, name, "expected " + detail::shape_text(shape) + ", found " + detail::shape_text(found));
  return nullptr;
}

/// Memory for a tensor, or null in a plan or after a failure.
std::byte* tensor_source::allocate(std::string_view name, std::size_t bytes) {
  const std::size_t at = bytes_;
  bytes_ = sum_of_sizes(bytes_, round_up(bytes, cache_line));
  if (memory_.empty() || failure_) return nullptr;
  if (bytes_ > memory_.size()) return fail(errc::out_of_memory, name, "more weights than were planned for"), nullptr;
  return tell(name, at) ? memory_.data() + at : nullptr;
}

/// A part of a tensor's bytes: where they are mapped, or copied from a file that is read. Null after a failure.
const std::byte* tensor_source::part_of(const tensor_info& info, std::size_t offset, std::size_t bytes,
                                        std::vector<std::byte>& copy) {
  auto part = detail::part_of(file_, info, offset, bytes, copy);
  if (part) return part->data();
  if (!failure_) failure_ = std::move(part).failure();
  return nullptr;
}

/// Packs rows of matrices, from row `first` of `all` on, into panels, in parallel, some rows at a time, and gives their mapped
/// pages back as it goes: memory holds them once.
void tensor_source::pack(const tensor_info& info, const weight& packed, std::byte* panels, std::size_t first, std::size_t all) {
  constexpr std::size_t at_once = std::size_t{2} << 20;  // bytes of the file that are resident beside their panels
  const format_info& format = packed.format();
  const std::size_t group_bytes = format.group_bytes(packed.columns()), row_bytes = format.row_bytes(packed.columns());
  const std::size_t step = std::max<std::size_t>(1, at_once / sum_of_sizes(product_of_sizes(row_bytes, panel_rows), 1));
  std::vector<std::byte> copy;
  for (std::size_t m = 0; m < packed.matrices(); ++m) {
    std::size_t offset = (m * all + first) * row_bytes;  // in the tensor
    for (std::size_t group = 0; group < packed.groups(); group += step) {
      const std::size_t count = std::min(step, packed.groups() - group);
      const std::size_t rows = std::min(count * panel_rows, packed.rows() - group * panel_rows), bytes = rows * row_bytes;
      const std::byte* from = part_of(info, offset, bytes, copy);
      if (!from) return;
      const weight stored = weight::stored(format, from, rows, packed.columns());
      executor_.run(count, [&](std::size_t i) { stored.pack_group(kernels(), i, panels + i * group_bytes); });
      file_.release(info, offset, bytes);
      panels += count * group_bytes, offset += bytes;
      if (!tell(info.name, place_of(panels))) return;
    }
  }
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
