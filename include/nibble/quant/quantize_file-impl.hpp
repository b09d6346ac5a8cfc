/// The definitions behind quantize_file.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/core/checked.hpp"
#include "nibble/gguf/reader.hpp"
#include "nibble/gguf/writer.hpp"
#include "nibble/quant/quantize-impl.hpp"
#include "nibble/quant/quantize_file.hpp"
#include "nibble/quant/recipe-impl.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Turns one tensor after the other from one format into another, a slab of rows at a time.
class tensor_converter {
 public:
  tensor_converter(const gguf_file& source, const quantize_options& options) : source_(&source), options_(&options) {
    for (const auto& tensor : source.tensors()) report_.source_bytes += tensor.bytes;
  }

  const quantize_report& report() const noexcept { return report_; }
  bool cancelled() const noexcept { return cancelled_; }

  result<void> convert(const tensor_info& tensor, tensor_type type, byte_sink& out) {
    const std::size_t cols = static_cast<std::size_t>(tensor.cols()), rows = static_cast<std::size_t>(tensor.rows());
    if (cols == 0) return {};
    if (type == tensor.type && !visit_format(type, [](auto) {})) return pass(tensor, out);
    const auto importance = importance_of(tensor, type);
    if (!importance) return importance.failure();
    const std::size_t slab = std::max<std::size_t>(1, slab_values / std::max<std::size_t>(cols, 1));
    for (std::size_t row = 0, now = 0; row < rows; row += now) {
      const auto [weights, left] = columns_of(tensor, *importance, row);
      now = std::min({slab, rows - row, left});
      // for a tensor that keeps its format, too: it may hold what is no number
      const auto from_bytes = try_quantized_bytes(tensor.type, now, cols), to_bytes = try_quantized_bytes(type, now, cols);
      if (!from_bytes) return from_bytes.failure();
      if (!to_bytes) return to_bytes.failure();
      const std::size_t offset = row * (*from_bytes / now);
      const auto from = part_of(*source_, tensor, offset, *from_bytes, copy_);
      if (!from) return from.failure();
      values_.resize(product_of_sizes(now, cols));
      NIBBLE_TRY(try_dequantize_rows(tensor.type, *from, now, cols, values_, options_->executor));
      NIBBLE_TRY(check_numbers(tensor.type, row, cols));
      if (type != tensor.type) NIBBLE_TRY(encode(type, row, now, cols, *to_bytes, weights));
      NIBBLE_TRY(step(tensor, offset, *from_bytes, type == tensor.type ? *from : packed_, out));
    }
    return {};
  }

 private:
  static constexpr std::size_t slab_values = std::size_t{1} << 18;

  /// What is known of the columns of a tensor, or of those of each of its matrices.
  result<std::span<const float>> importance_of(const tensor_info& tensor, tensor_type type) const {
    if (!options_->importance || type == tensor.type) return std::span<const float>();
    const std::span<const float> known = options_->importance(tensor.name);
    const auto cols = static_cast<std::size_t>(tensor.cols()), matrices = static_cast<std::size_t>(tensor.dims[2]);
    if (known.empty() || known.size() == cols || known.size() == product_of_sizes(cols, matrices)) return known;
    return error(errc::invalid_argument,
                 "importance weights: expected " + std::to_string(cols) +
                     (matrices > 1 ? ", or so many for each of " + std::to_string(matrices) + " matrices" : std::string()) +
                     ", found " + std::to_string(known.size()));
  }

  /// The importance of columns in a row, and for how many rows from there it holds.
  struct column_weights {
    std::span<const float> weights;
    std::size_t rows;
  };
  static column_weights columns_of(const tensor_info& tensor, std::span<const float> importance, std::size_t row) {
    const auto cols = static_cast<std::size_t>(tensor.cols()), matrix = static_cast<std::size_t>(tensor.dims[1]);
    if (importance.size() <= cols) return {importance, static_cast<std::size_t>(tensor.rows()) - row};
    const std::size_t expert = row / matrix % static_cast<std::size_t>(tensor.dims[2]);
    return {importance.subspan(expert * cols, cols), matrix - row % matrix};
  }

  /// Whether all of a slab are numbers, which begins with this row of its tensor.
  result<void> check_numbers(tensor_type type, std::size_t row, std::size_t cols) const {
    const auto bad = std::find_if(values_.begin(), values_.end(), [](float v) { return !std::isfinite(v); });
    if (bad == values_.end()) return {};
    const auto at = static_cast<std::size_t>(bad - values_.begin());
    return misfit_error(row + at / cols, at % cols, *bad, type);
  }

  result<void> encode(tensor_type type, std::size_t row, std::size_t rows, std::size_t cols, std::size_t bytes,
                      std::span<const float> importance) {
    packed_.resize(bytes);
    const float* const weights = importance.empty() ? nullptr : importance.data();
    const std::size_t at = encode_rows(type, values_, rows, cols, weights, packed_, options_->executor);
    if (at == values_.size()) return {};
    return misfit_error(row + at / cols, at % cols, values_[at], type);
  }

  /// Copies a tensor whose format is nobody's here: a table of integers.
  result<void> pass(const tensor_info& tensor, byte_sink& out) {
    const auto bytes = static_cast<std::size_t>(tensor.bytes);
    for (std::size_t at = 0; at < bytes; at += slab_values) {
      const std::size_t now = std::min(slab_values, bytes - at);
      const auto from = part_of(*source_, tensor, at, now, copy_);
      if (!from) return from.failure();
      NIBBLE_TRY(step(tensor, at, now, *from, out));
    }
    return {};
  }

  /// Writes what became of some bytes of a tensor, and asks whether to go on.
  result<void> step(const tensor_info& tensor, std::size_t offset, std::size_t length, std::span<const std::byte> made,
                    byte_sink& out) {
    NIBBLE_TRY(out.try_write(made));
    source_->release(tensor, offset, length);
    done_ += length;
    report_.result_bytes += made.size();
    cancelled_ = options_->progress && !options_->progress({done_, report_.source_bytes, tensor.name});
    if (cancelled_) return error(errc::io, "cancelled");
    return {};
  }

  const gguf_file* source_;
  const quantize_options* options_;
  std::vector<float> values_;
  std::vector<std::byte> copy_, packed_;  // of the source, where it is read; what is written
  quantize_report report_;
  std::uint64_t done_ = 0;
  bool cancelled_ = false;
};

}  // namespace detail

result<quantize_report> try_quantize_file(const gguf_file& source, const std::filesystem::path& path,
                                          const quantize_recipe& recipe, const quantize_options& options) {
  NIBBLE_TRY(detail::check_overrides(recipe, source));
  metadata meta = source.meta();
  meta.set("general.file_type", value(recipe.file_type));
  meta.set("general.quantization_version", value(std::uint32_t{2}));
  for (const auto& [key, set] : options.keys) meta.set(key, set);

  gguf_writer writer(std::move(meta));
  detail::tensor_converter converter(source, options);
  const auto types = recipe.plan(source, static_cast<bool>(options.importance));
  for (std::size_t i = 0; i < types.size(); ++i) {
    const tensor_info& tensor = source.tensors()[i];
    writer.add(tensor.name, types[i], std::span(tensor.dims).first(tensor.n_dims),
               [&converter, &tensor, type = types[i]](byte_sink& out) { return converter.convert(tensor, type, out); });
  }
  auto written = writer.try_write(path, options.limits);
  quantize_report report = converter.report();
  if (converter.cancelled()) return report;
  if (!written) return std::move(written).failure();
  report.finished = true;
  return report;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
