/// expert_feed_forward: experts, of which each token uses a few, and an expert that all tokens share.
#pragma once

#include <cstddef>

#include "nibble/layers/experts.hpp"
#include "nibble/layers/feed_forward.hpp"
#include "nibble/layers/gates.hpp"
#include "nibble/model/decoder/config.hpp"
#include "nibble/model/step.hpp"
#include "nibble/model/tensor_source.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

namespace detail {
/// The experts of a layer. Gates and ups are two tensors or one ("ffn_gate_up_exps"), whose rows are a gate's, then an up's,
/// for each expert; files of 2023 have a tensor for each expert ("ffn_gate.0").
expert_weights take_experts(const decoder_config& c, std::size_t layer, tensor_source& t);
/// The configured router with the vectors of a layer.
router_spec take_router(const decoder_config& c, std::size_t layer, tensor_source& t);
}  // namespace detail

/// Feed-forwards, gated or plain, as experts, and one beside them that all tokens share, where there is one. Experts may work
/// on fewer numbers than a token has, which are made of them.
class expert_feed_forward {
 public:
  expert_feed_forward(const decoder_config& c, std::size_t layer, tensor_source& t);

  /// @shape   x, out (tokens, width)
  void forward(step& s, std::size_t layer, const layer_input& x, layer_output out) const NIBBLE_NOEXCEPT;

 private:
  void choose(compute& c, activations x, activations weighed, layer_output out) const NIBBLE_NOEXCEPT;
  void share(compute& c, activations x, layer_output out) const NIBBLE_NOEXCEPT;

  weight router_, latent_down_, latent_up_;
  expert_weights weights_;
  router_spec spec_;
  weight shared_gate_, shared_up_, shared_down_, shared_share_;
  activation function_;
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
