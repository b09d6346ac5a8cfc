/// The definitions behind quantize.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <type_traits>

#include "nibble/quant/encode.hpp"
#include "nibble/quant/encode_grid-impl.hpp"
#include "nibble/quant/quantize.hpp"
#include "nibble/quant/registry.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

inline result<void> expect_size(const char* what, std::size_t expected, std::size_t found) {
  if (expected == found) return {};
  return error(errc::invalid_argument,
               std::string(what) + ": expected " + std::to_string(expected) + ", found " + std::to_string(found));
}

template <class Q>
void quantize_row(std::span<const float> row, const float* importance, std::byte* out) noexcept {
  encode_hint hint;
  if (importance) {
    double squares = 0;
    for (const float v : row) squares += double(encodable(v)) * double(encodable(v));
    hint.row_mean_square = float(squares / double(row.size()));
  }
  for (std::size_t at = 0; at < row.size(); at += Q::block_size, out += sizeof(typename Q::block)) {
    if (importance) hint.importance = importance + at;
    typename Q::block block;
    Q::encode(row.subspan(at).template first<Q::block_size>(), hint, block);
    std::memcpy(out, &block, sizeof block);
  }
}

/// How far values of a block may reach: a scale and an offset are largest halves times their largest codes.
template <integer_format Q>
struct reach {
  static constexpr bool has_offset = Q::scales::has_offset;
  static constexpr float offset = largest_offset<typename Q::scales>;
  static constexpr float scale = [] {
    if constexpr (Q::scales::super_block) return largest_half * float(std::max(Q::scales::most_scale, -Q::scales::least_scale));
    return largest_half;
  }();
  /// The largest level: up from an offset, or to either side of 0, for a scale has a sign.
  static constexpr float level = [] {
    int most = 0;
    for (unsigned code = 0; code < (1u << Q::code_bits); ++code)
      most = std::max({most, level_of<Q>(std::uint8_t(code)), -level_of<Q>(std::uint8_t(code))});
    return float(most);
  }();
};

/// The first value of a block that the format does not reach, or the block's size. Offsets go down, so a block that reaches
/// further down than they do is written with the other sign, see leans_down().
template <integer_format Q>
std::size_t beyond_reach(const std::array<float, Q::block_size>& x) noexcept {
  using range = reach<Q>;
  const float sign = range::has_offset && leans_down(x, range::offset) ? -1.0f : 1.0f;
  const float least = range::has_offset ? -range::offset : -range::scale * range::level;
  for (std::size_t i = 0; i < x.size(); ++i)
    if (sign * x[i] < least || sign * x[i] > range::scale * range::level) return i;
  return x.size();
}

/// The first value of a row that its format cannot hold, or the row's length: one that is no number, or beyond its range.
template <class Q>
std::size_t misfit(std::span<const float> row, const std::byte* made) noexcept {
  float largest = 0;
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (!std::isfinite(row[i])) return i;
    largest = std::max(largest, std::abs(row[i]));
  }
  if constexpr (requires { Q::largest_value; }) {
    const auto beyond = std::find_if(row.begin(), row.end(), [](float v) { return std::abs(v) > Q::largest_value; });
    return static_cast<std::size_t>(beyond - row.begin());
  }
  if (largest <= largest_half) return row.size();  // every other format holds these
  for (std::size_t at = 0; at < row.size(); at += Q::block_size, made += sizeof(typename Q::block)) {
    std::array<float, Q::block_size> block;
    if constexpr (integer_format<Q>) {
      std::copy_n(row.begin() + std::ptrdiff_t(at), Q::block_size, block.begin());
      if (const std::size_t i = beyond_reach<Q>(block); i < Q::block_size) return at + i;
    } else {
      decode_row<Q>(made, Q::block_size, block.data());
      for (std::size_t i = 0; i < Q::block_size; ++i)
        if (!std::isfinite(block[i])) return at + i;
    }
  }
  return row.size();
}

/// That a value cannot be written.
inline error misfit_error(std::size_t row, std::size_t column, float value, tensor_type type) {
  char text[32];
  const char* end = std::to_chars(text, text + sizeof text, value).ptr;
  return error(errc::invalid_argument,
               "row " + std::to_string(row) + ", column " + std::to_string(column) + ": " +
                   std::string(text, static_cast<std::size_t>(end - text)) +
                   (std::isfinite(value) ? " is beyond the range of " : " is no weight, and cannot be ") +
                   std::string(name_of(type)));
}

/// Calls f(row) for each row, several in a task: enough tasks to even out, few enough to be worth starting.
template <class F>
void for_each_row(std::size_t rows, executor_ref executor, F&& f) {
  const std::size_t tasks = std::min(rows, 8 * executor.concurrency());
  if (tasks == 0) return;
  executor.run(tasks, [&](std::size_t task) {
    const std::size_t share = rows / tasks, more = rows % tasks;
    const std::size_t begin = task * share + std::min(task, more), end = begin + share + (task < more ? 1 : 0);
    for (std::size_t row = begin; row < end; ++row) f(row);
  });
}

/// Encodes a matrix whose sizes fit together.
/// @returns  where the first value stands that the format cannot hold, or values.size()
std::size_t encode_rows(tensor_type type, std::span<const float> values, std::size_t rows, std::size_t cols,
                        const float* importance, std::span<std::byte> out, executor_ref executor) {
  std::atomic<std::size_t> first{values.size()};
  visit_format(type, [&]<class Q>(std::type_identity<Q>) {
    for_each_row(rows, executor, [&](std::size_t r) {
      const auto row = values.subspan(r * cols, cols);
      std::byte* const made = out.data() + r * (out.size() / rows);
      quantize_row<Q>(row, importance, made);
      const std::size_t column = misfit<Q>(row, made);
      if (column == cols) return;
      std::size_t known = first.load();
      while (r * cols + column < known && !first.compare_exchange_weak(known, r * cols + column)) {
      }
    });
  });
  return first.load();
}

}  // namespace detail

result<std::size_t> try_quantized_bytes(tensor_type type, std::size_t rows, std::size_t cols) {
  const auto info = find_tensor_type(static_cast<std::uint32_t>(type));
  if (!info || !visit_format(type, [](auto) {}))
    return error(errc::unknown_format, "weight format " + std::string(name_of(type)) + " (" +
                                           std::to_string(static_cast<std::uint32_t>(type)) +
                                           ") can be neither encoded nor decoded");
  if (cols % info->block_size != 0)
    return error(errc::invalid_argument, "rows of " + std::to_string(cols) + " are no multiple of the " +
                                             std::to_string(info->block_size) + " of " + std::string(info->name));
  const std::size_t row_blocks = cols / info->block_size, most = std::numeric_limits<std::size_t>::max();
  if (row_blocks > most / info->block_bytes || (rows > 0 && row_blocks * info->block_bytes > most / rows) ||
      (rows > 0 && cols > most / sizeof(float) / rows))
    return error(errc::invalid_argument, std::to_string(rows) + " rows of " + std::to_string(cols) + " pass the address space");
  return rows * row_blocks * info->block_bytes;
}

result<void> try_quantize_rows(tensor_type type, std::span<const float> values, std::size_t rows, std::size_t cols,
                               std::span<const float> importance, std::span<std::byte> out, executor_ref executor) {
  const auto bytes = try_quantized_bytes(type, rows, cols);
  if (!bytes) return bytes.failure();
  NIBBLE_TRY(detail::expect_size("values", rows * cols, values.size()));
  NIBBLE_TRY(detail::expect_size("bytes", *bytes, out.size()));
  if (!importance.empty()) NIBBLE_TRY(detail::expect_size("importance weights", cols, importance.size()));
  const float* const weights = importance.empty() ? nullptr : importance.data();
  const std::size_t at = detail::encode_rows(type, values, rows, cols, weights, out, executor);
  if (at < values.size()) return detail::misfit_error(at / cols, at % cols, values[at], type);
  return {};
}

result<void> try_dequantize_rows(tensor_type type, std::span<const std::byte> bytes, std::size_t rows, std::size_t cols,
                                 std::span<float> out, executor_ref executor) {
  const auto expected = try_quantized_bytes(type, rows, cols);
  if (!expected) return expected.failure();
  NIBBLE_TRY(detail::expect_size("bytes", *expected, bytes.size()));
  NIBBLE_TRY(detail::expect_size("values", rows * cols, out.size()));
  visit_format(type, [&]<class Q>(std::type_identity<Q>) {
    detail::for_each_row(rows, executor, [&](std::size_t row) {
      decode_row<Q>(bytes.data() + row * (bytes.size() / rows), cols, out.data() + row * cols);
    });
  });
  return {};
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
