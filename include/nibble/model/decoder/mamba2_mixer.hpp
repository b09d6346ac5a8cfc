/// mamba2_mixer: the recurrence of Mamba-2: a state for each head that decays and grows by each token as the token says.
#pragma once

#include <cstddef>
#include <span>

#include "nibble/layers/linear.hpp"
#include "nibble/layers/recurrent.hpp"
#include "nibble/model/decoder/config.hpp"
#include "nibble/model/decoder/step_context.hpp"
#include "nibble/model/step.hpp"
#include "nibble/model/tensor_source.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// One matrix ("ssm_in") gives the gate z, then x, B and C, which a convolution and SiLU pass through, and a time step of each
/// head. What the recurrence gives is gated, normed by groups where the file has "ssm_norm", and goes through "ssm_out".
/// @source  Dao and Gu 2024, "Transformers are SSMs"
class mamba2_mixer {
 public:
  mamba2_mixer(const decoder_config& c, std::size_t layer, tensor_source& t);

  /// The last inputs of the convolution, and a matrix for each head.
  kv_shape keeps() const noexcept { return {.state = first_of_heads() + shape_.state()}; }

  /// @shape   x (tokens, width); out (rows.count, width)
  void forward(step& s, std::size_t layer, const step_context& context, const layer_input& x, const step_rows& rows,
               layer_output out) const NIBBLE_NOEXCEPT;

 private:
  std::size_t inner() const noexcept { return shape_.heads * shape_.columns; }
  std::size_t first_of_heads() const noexcept { return round_up(convolution_.state(), scan_args::strip); }

  weight input_, output_;
  convolution_weights convolution_;
  scan_shape shape_;
  std::span<const float> step_bias_, rate_, skip_;
  norm_weights norm_;
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
