/// per_layer_input: each layer ends with a small input of its own, made of the token, and a scale.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "nibble/core/heap_bytes.hpp"
#include "nibble/layers/linear.hpp"
#include "nibble/model/decoder/around_layers.hpp"
#include "nibble/model/decoder/config.hpp"
#include "nibble/model/step.hpp"
#include "nibble/model/tensor_source.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// y = (y + norm(out(gelu(gate y) * p_i))) * scale_i at the end of layer i, where p is made once a step: a row of a table for
/// the token, and a product of its embedding. Without such inputs (config.input_dim is 0) it is the scale alone.
///
/// The table is most of a file: it stays as it is stored, and a token's row is decoded.
/// @source  Gemma Team 2025, "Gemma 3n"
class per_layer_input final : public around_layers {
 public:
  per_layer_input(const decoder_config& c, tensor_source& t);
  std::size_t memory_bytes() const noexcept { return nibble::detail::heap_bytes(layers_); }

  /// @returns p, (tokens, layers * input_dim)
  activations begin(step& s, activations x) const NIBBLE_NOEXCEPT override;
  /// out = norm(out(gelu(gate x) * p_i)), with all rows
  /// @shape   x, out (tokens, width)
  void input_of(compute& c, std::size_t i, const activations& p, activations x, activations out) const NIBBLE_NOEXCEPT;
  void end_layer(step& s, std::size_t i, const activations& p, const step_rows& rows,
                 activations y) const NIBBLE_NOEXCEPT override;

 private:
  struct layer {
    weight gate, out;
    norm_weights post_norm;
    std::span<const float> scale;  ///< (1)
  };

  std::size_t dim_ = 0;
  weight table_, projection_;
  norm_weights norm_;
  std::vector<layer> layers_;
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
