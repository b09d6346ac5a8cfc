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
  template <class Step>
  void forward(Step& s, std::size_t layer, const layer_input& x, layer_output out) const NIBBLE_NOEXCEPT;

 private:
  void choose(compute& c, activations x, layer_output out) const NIBBLE_NOEXCEPT;
  void share(compute& c, activations x, layer_output out) const NIBBLE_NOEXCEPT;

  weight router_, latent_down_, latent_up_;
  expert_weights weights_;
  router_spec spec_;
  weight shared_gate_, shared_up_, shared_down_, shared_share_;
  activation function_;
};

template <class Step>
void expert_feed_forward::forward(Step& s, std::size_t layer, const layer_input& x, layer_output out) const NIBBLE_NOEXCEPT {
  const scratch_scope scope(s);
  activations n = as_normed(s, x);
  if (!x.is_normed && out.how == epilogue::add && !shared_up_.empty()) {  // the experts' sum may be added to x itself
    n = s.compute::scratch(x.x.tokens, x.x.width);
    copy(s, x.x, n);
  }
  {
    const auto watched = s.watch(operation::experts, layer);
    choose(s, n, out);
  }
  if (shared_up_.empty()) return;
  const auto watched = s.watch(operation::feed_forward, layer);
  if (shared_share_.empty()) return share(s, n, added_to(out.y));
  const activations given = s.compute::scratch(n.tokens, out.y.width), weighed = s.compute::scratch(n.tokens, 1);
  share(s, n, given);
  linear(s, n, {{shared_share_, weighed}});
  close_gates(s, weighed, activation::sigmoid, given);
  add(s, out.y, given);
}

/// What the experts of each token give.
inline void expert_feed_forward::choose(compute& c, activations x, layer_output out) const NIBBLE_NOEXCEPT {
  if (latent_down_.empty()) return experts(c, x, router_, spec_, weights_, function_, out);
  const scratch_scope scope(c);
  const activations scores = c.scratch(x.tokens, router_.rows()), latent = c.scratch(x.tokens, latent_down_.rows()),
                    given = c.scratch(x.tokens, latent.width);
  linear(c, x, {{router_, scores}, {latent_down_, latent}});
  experts(c, latent, scores, spec_, weights_, function_, given);
  linear(c, given, {{latent_up_, out}});
}
/// What the expert that all share gives.
inline void expert_feed_forward::share(compute& c, activations x, layer_output out) const NIBBLE_NOEXCEPT {
  if (!shared_gate_.empty()) return feed_forward(c, x, shared_gate_, shared_up_, function_, shared_down_, out);
  const auto f = [&](float* hidden, std::size_t n) { c.kernels().activate(hidden, n, function_); };
  nibble::plain_feed_forward(c, x, shared_up_, f, shared_down_, {}, out);
}

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
