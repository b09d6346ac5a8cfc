/// dense_beside_experts: a feed-forward of both, each with norms of its own, added up.
#pragma once

#include <cmath>
#include <cstddef>

#include "nibble/model/decoder/expert_feed_forward.hpp"
#include "nibble/model/decoder/feed_forwards.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// norm(dense(its input)) + norm(experts(norm(x))), where x is what stands before the norm of the input, which the router norms
/// in its own way.
class dense_beside_experts {
 public:
  dense_beside_experts(const decoder_config& c, std::size_t layer, tensor_source& t);

  /// @shape   x, out (tokens, width)
  template <class Step>
  void forward(Step& s, std::size_t layer, const layer_input& x, layer_output out) const NIBBLE_NOEXCEPT {
    const scratch_scope scope(s);
    const activations given = s.compute::scratch(x.x.tokens, out.y.width);
    dense_.forward(s, layer, x, given);
    apply(s, dense_post_norm_, given, given);
    const auto watched = s.watch(operation::experts, layer);
    const activations scores = s.compute::scratch(x.x.tokens, router_.rows());
    linear(s, normed(x.x, router_norm_), {{router_, scores}});
    scale(s, scores, 1 / std::sqrt(float(out.y.width)));
    const activations chosen = s.compute::scratch(x.x.tokens, out.y.width);
    experts(s, as_normed(s, normed(x.x, norm_)), scores, spec_, weights_, function_, chosen);
    apply(s, post_norm_, chosen, chosen);
    add(s, given, chosen);
    out.how == epilogue::add ? add(s, out.y, given) : copy(s, given, out.y);
  }

 private:
  gated_feed_forward dense_;
  weight router_;
  expert_weights weights_;
  router_spec spec_;
  norm_weights router_norm_, norm_, post_norm_, dense_post_norm_;
  activation function_;
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
