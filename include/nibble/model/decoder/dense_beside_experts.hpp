/// dense_beside_experts: a feed-forward of both, each with norms of its own, added up.
#pragma once

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
  void forward(step& s, std::size_t layer, const layer_input& x, layer_output out) const NIBBLE_NOEXCEPT;

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
