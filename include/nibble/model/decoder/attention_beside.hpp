/// attention_beside: attention and another mixer side by side on one input, added up.
#pragma once

#include <cstddef>

#include "nibble/layers/elementwise.hpp"
#include "nibble/model/decoder/self_attention.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// out = attention(x) + other(x); a layer keeps what both keep.
template <class Mixer>
class attention_beside {
 public:
  attention_beside(const decoder_config& c, std::size_t layer, tensor_source& t)
      : attention_(c, layer, t), other_(c, layer, t) {}

  kv_shape keeps() const noexcept {
    kv_shape both = attention_.keeps();
    both.state = other_.keeps().state;
    return both;
  }
  /// @shape   x (tokens, width); out (rows.count, width)
  void forward(step& s, std::size_t layer, const step_context& context, const layer_input& x, const step_rows& rows,
               layer_output out) const NIBBLE_NOEXCEPT {
    const scratch_scope scope(s);
    const activations attended = s.compute::scratch(rows.count, out.y.width);  // out may be what both read
    attention_.forward(s, layer, context, x, rows, attended);
    other_.forward(s, layer, context, x, rows, out);
    const auto watched = s.watch(operation::mixing, layer);
    add(s, out.y, attended);
  }

 private:
  self_attention attention_;
  Mixer other_;
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
