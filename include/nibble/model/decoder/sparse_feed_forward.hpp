/// sparse_feed_forward: a gated feed-forward of whose hidden numbers only the largest stay.
#pragma once

#include <cstddef>
#include <string>

#include "nibble/layers/feed_forward.hpp"
#include "nibble/layers/streams.hpp"
#include "nibble/model/decoder/config.hpp"
#include "nibble/model/step.hpp"
#include "nibble/model/tensor_source.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// down(f(max(0, gate(x) - least)) * up(x)), where `least` is so many standard deviations above the mean of the gates.
/// @source  Gemma Team 2025, "Gemma 3n"
class sparse_feed_forward {
 public:
  /// @param   deviations  0: all numbers stay
  sparse_feed_forward(const decoder_config& c, std::size_t layer, tensor_source& t, double deviations);

  /// @shape   x, out (tokens, width)
  void forward(step& s, std::size_t layer, const layer_input& x, layer_output out) const NIBBLE_NOEXCEPT;

 private:
  weight gate_, up_, down_;
  activation function_;
  double deviations_;
};

inline sparse_feed_forward::sparse_feed_forward(const decoder_config& c, std::size_t layer, tensor_source& t, double deviations)
    : function_(c.gate), deviations_(deviations) {
  const std::string at = layer_prefix(layer);
  const std::size_t hidden = c.layer[layer].hidden;
  if (hidden < 2) t.reject(at + "ffn_gate.weight", "two rows at least");
  gate_ = t.matrix(at + "ffn_gate.weight", hidden, c.width), up_ = t.matrix(at + "ffn_up.weight", hidden, c.width);
  down_ = t.matrix(at + "ffn_down.weight", c.width, hidden);
}

inline void sparse_feed_forward::forward(step& s, std::size_t layer, const layer_input& x,
                                         layer_output out) const NIBBLE_NOEXCEPT {
  const auto watched = s.watch(operation::feed_forward, layer);
  if (deviations_ == 0) return nibble::feed_forward(s, x, gate_, up_, function_, down_, out);
  const scratch_scope scope(s);
  const activations gates = s.compute::scratch(x.x.tokens, gate_.rows()), ups = s.compute::scratch(x.x.tokens, up_.rows());
  linear(s, x, {{gate_, gates}, {up_, ups}});
  keep_largest(s, gates, deviations_);
  nibble::detail::for_each_token(s, gates,
                                 [&](std::size_t t) { s.kernels().gate(gates.row(t), ups.row(t), gates.width, function_); });
  linear(s, gates, {{down_, out}});
}

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
