/// The feed-forward layers of decoders: gated and plain.
#pragma once

#include <cstddef>
#include <optional>

#include "nibble/layers/feed_forward.hpp"
#include "nibble/model/decoder/config.hpp"
#include "nibble/model/step.hpp"
#include "nibble/model/tensor_source.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// down(f(gate(x)) * up(x)); each of the three may have a bias.
class gated_feed_forward {
 public:
  gated_feed_forward(const decoder_config& c, std::size_t layer, tensor_source& t);
  /// @shape   x, out (tokens, width)
  void forward(step& s, std::size_t layer, const layer_input& x, layer_output out) const NIBBLE_NOEXCEPT;

 private:
  weight gate_, up_, down_;
  feed_forward_biases biases_;
  activation function_;
};

/// down(f(up(x))); each of the two may have a bias.
class plain_feed_forward {
 public:
  plain_feed_forward(const decoder_config& c, std::size_t layer, tensor_source& t);
  /// @shape   x, out (tokens, width)
  void forward(step& s, std::size_t layer, const layer_input& x, layer_output out) const NIBBLE_NOEXCEPT;

 private:
  weight up_, down_;
  feed_forward_biases biases_;
  activation function_;
  std::optional<xielu_numbers> xielu_;
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
