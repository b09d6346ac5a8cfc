/// Definitions of model/pooling.hpp, compiled once: see nibble/compile.hpp.
#pragma once

#include <algorithm>
#include <array>
#include <string>

#include "nibble/layers/elementwise.hpp"
#include "nibble/layers/linear.hpp"
#include "nibble/model/pooling.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

pooling pooling_config::read_scored(hyperparameters& h, pooling fallback) {
  return static_cast<pooling>(h.count_or("classifier.pooling_type", static_cast<std::size_t>(fallback), 1, 3));
}
pooling_config pooling_config::read(hyperparameters& h) {
  pooling_config c;
  c.scored = read_scored(h, c.scored);
  if (h.has("pooling_type")) c.stated = static_cast<pooling>(h.count("pooling_type", 0, 4));
  c.labels = std::max<std::size_t>(1, h.elements("classifier.output_labels"));
  const auto dense = [&](const char* in, const char* out) -> dense_layer {
    return {h.count_or(in, 0, 1, h.limits().width), h.count_or(out, 0, 1, h.limits().width)};
  };
  c.dense_2 = dense("dense_2_feat_in", "dense_2_feat_out");
  c.dense_3 = dense("dense_3_feat_in", "dense_3_feat_out");
  return c;
}

namespace detail {
/// A product behind pooling, of as many rows as are stated or else as the file has.
inline weight dense_layer(const pooling_config::dense_layer& stated, std::size_t width, tensor_source& t,
                          std::string_view name) {
  if (stated.out == 0 && !t.has(name)) return {};
  if (stated.in != 0 && stated.in != width) {
    t.reject(name, std::to_string(width) + " columns, and dense_*_feat_in says " + std::to_string(stated.in));
    return {};
  }
  return t.matrix(name, stated.out > 0 ? stated.out : t.rows_of(name), width);
}
}  // namespace detail

pooling_head::pooling_head(const pooling_config& c, std::size_t width, tensor_source& t) : config_(c), width_(width) {
  if (!c.embeds()) return;
  const bool ends = t.has("cls.output.weight");
  if (t.has("cls.weight")) {
    first_ = t.matrix("cls.weight", ends ? width : c.labels, width);
    first_bias_ = t.vector_or_none("cls.bias", ends ? width : c.labels);
  }
  if (t.has("cls.norm.weight")) norm_ = {t.vector("cls.norm.weight", width), {}, c.eps, norm_kind::layer};
  if (ends) {
    scores_ = t.matrix("cls.output.weight", c.labels, width);
    scores_bias_ = t.vector_or_none("cls.output.bias", c.labels);
  }
  if (c.stated == pooling::rank && !ranks()) t.reject("cls.weight", "a classifier, for pooling_type is rank");
  dense_2_ = detail::dense_layer(c.dense_2, width, t, "dense_2.weight");
  dense_3_ = detail::dense_layer(c.dense_3, dense_2_.empty() ? width : dense_2_.rows(), t, "dense_3.weight");
}

std::size_t pooling_head::outputs(pooling how) const noexcept {
  if (how == pooling::rank) return config_.labels;
  if (!dense_3_.empty()) return dense_3_.rows();
  return dense_2_.empty() ? width_ : dense_2_.rows();
}

namespace detail {
/// out = the mean of rows [first, first + count), each column summed in order in double precision.
inline void mean_of_rows(activations rows, const token_run& text, float* out) noexcept {
  constexpr std::size_t at_once = 64;
  for (std::size_t column = 0; column < rows.width; column += at_once) {
    const std::size_t n = std::min(at_once, rows.width - column);
    std::array<double, at_once> sum{};
    for (std::size_t t = text.first; t < text.first + text.count; ++t) {
      const float* row = rows.row(t) + column;
      for (std::size_t i = 0; i < n; ++i) sum[i] += double(row[i]);
    }
    for (std::size_t i = 0; i < n; ++i) out[column + i] = static_cast<float>(sum[i] / double(text.count));
  }
}
/// In place.
inline void softmax(const kernel_table& kernels, float* x, std::size_t n) noexcept {
  const float most = *std::max_element(x, x + n);
  for (std::size_t i = 0; i < n; ++i) x[i] -= most;
  kernels.activate(x, n, activation::exp);
  double total = 0;
  for (std::size_t i = 0; i < n; ++i) total += double(x[i]);
  for (std::size_t i = 0; i < n; ++i) x[i] = static_cast<float>(double(x[i]) / total);
}
}  // namespace detail

void pooling_head::forward(compute& c, pooling how, activations rows, std::span<const token_run> texts,
                           activations out) const NIBBLE_NOEXCEPT {
  const scratch_scope scope(c);
  activations x = rows;
  if (rows_for(how) == pooling::mean) {
    x = c.scratch(texts.size(), rows.width);
    c.for_each(texts.size(), [&](std::size_t i) { detail::mean_of_rows(rows, texts[i], x.row(i)); });
  }
  if (how == pooling::rank) return classify(c, x, out);
  for (const weight* dense : {&dense_2_, &dense_3_}) {
    if (dense->empty()) continue;
    const activations y = c.scratch(x.tokens, dense->rows());
    linear(c, x, {{*dense, y}});
    x = y;
  }
  copy(c, x, out);
}

/// Scores of rows: of a first product, its activation and its norm, then of a second; either may be all there is.
void pooling_head::classify(compute& c, activations x, activations out) const NIBBLE_NOEXCEPT {
  if (!first_.empty()) {
    const activations y = scores_.empty() ? out : c.scratch(x.tokens, first_.rows());
    linear(c, x, {{first_, y}});
    add_bias(c, y, first_bias_);
    detail::for_each_token(c, y, [&](std::size_t t) { c.kernels().activate(y.row(t), y.width, config_.between); });
    if (!norm_.gain.empty()) apply(c, norm_, y, y);
    x = y;
  }
  if (!scores_.empty()) {
    linear(c, x, {{scores_, out}});
    add_bias(c, out, scores_bias_);
  }
  if (!config_.probabilities) return;
  detail::for_each_token(c, out, [&](std::size_t t) { detail::softmax(c.kernels(), out.row(t), out.width); });
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
