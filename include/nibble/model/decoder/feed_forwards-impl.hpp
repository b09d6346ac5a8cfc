/// Definitions of model/decoder/feed_forwards.hpp, compiled once: see nibble/compile.hpp.
#pragma once

#include <string>

#include "nibble/model/decoder/feed_forwards.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

gated_feed_forward::gated_feed_forward(const decoder_config& c, std::size_t layer, tensor_source& t) : function_(c.gate) {
  const std::string at = layer_prefix(layer);
  const std::size_t hidden = c.layer[layer].hidden;
  biases_.down = detail::bias_of(c, t, at + "ffn_down.bias", c.width);
  if (c.fused_gate) {
    gate_ = t.rows(at + "ffn_up.weight", 2 * hidden, c.width, 0, hidden);
    up_ = t.rows(at + "ffn_up.weight", 2 * hidden, c.width, hidden, hidden);
    down_ = t.matrix(at + "ffn_down.weight", c.width, hidden);
    return;
  }
  gate_ = t.matrix(at + "ffn_gate.weight", hidden, c.width);
  up_ = t.matrix(at + "ffn_up.weight", hidden, c.width);
  down_ = t.matrix(at + "ffn_down.weight", c.width, hidden);
  biases_.gate = t.vector_or_none(at + "ffn_gate.bias", hidden);
  biases_.up = t.vector_or_none(at + "ffn_up.bias", hidden);
}

plain_feed_forward::plain_feed_forward(const decoder_config& c, std::size_t layer, tensor_source& t) : function_(c.gate) {
  const std::string at = layer_prefix(layer);
  const std::size_t hidden = c.layer[layer].hidden;
  up_ = t.matrix(at + "ffn_up.weight", hidden, c.width);
  down_ = t.matrix(at + "ffn_down.weight", c.width, hidden);
  biases_.up = detail::bias_of(c, t, at + "ffn_up.bias", hidden);
  biases_.down = detail::bias_of(c, t, at + "ffn_down.bias", c.width);
  if (!c.xielu.empty()) xielu_ = c.xielu[layer];
}

void gated_feed_forward::forward(step& s, std::size_t layer, const layer_input& x, layer_output out) const NIBBLE_NOEXCEPT {
  const auto watched = s.watch(operation::feed_forward, layer);
  feed_forward(s, x, gate_, up_, function_, down_, biases_, out);
}

void plain_feed_forward::forward(step& s, std::size_t layer, const layer_input& x, layer_output out) const NIBBLE_NOEXCEPT {
  const auto watched = s.watch(operation::feed_forward, layer);
  const auto f = [&](float* hidden, std::size_t n) {
    xielu_ ? s.kernels().xielu(hidden, n, *xielu_) : s.kernels().activate(hidden, n, function_);
  };
  nibble::plain_feed_forward(s, x, up_, f, down_, biases_, out);
}

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
