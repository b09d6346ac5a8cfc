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
  template <class Step>
  void forward(Step& s, std::size_t layer, const step_context& context, const layer_input& x, const step_rows& rows,
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

template <class Step>
void mamba2_mixer::forward(Step& s, std::size_t layer, const step_context&, const layer_input& x, const step_rows& rows,
                           layer_output out) const NIBBLE_NOEXCEPT {
  const scratch_scope scope(s);
  const std::size_t keys = shape_.key_heads * shape_.rows, mixed = convolution_.channels();
  const activations all = s.scratch(input_.rows()), decay = s.scratch(shape_.heads), y = s.scratch(inner());
  const activations gate = all.columns(0, inner()), xbc = all.columns(inner(), mixed),
                    steps = all.columns(inner() + mixed, shape_.heads);
  const auto state = [&](const token_run& run) { return recurrent_state(s.state(layer, run)); };
  {
    const auto watched = s.watch(operation::projection, layer);
    linear(s, x, {{input_, all}});
  }
  {
    const auto watched = s.watch(operation::recurrence, layer);
    convolve(s, convolution_, s.all().runs, state, xbc);
    step_decay(s, step_bias_, rate_, steps, decay);
    scan_operands in{};
    in.value = xbc.columns(0, inner()), in.key = xbc.columns(inner(), keys);
    in.query = xbc.columns(inner() + keys, keys);
    in.step = steps, in.decay = decay, in.skip = skip_, in.output = y;
    scan(
        s, shape_, s.all().runs, [&](const token_run& run) { return state(run).from(first_of_heads()); }, in);
  }
  const auto watched = s.watch(operation::mixing, layer);
  const activations gated = s.pick(rows, gate);
  gate_by(s, gated, s.pick(rows, y));
  if (!norm_.gain.empty()) apply_to_heads(s, norm_, gated, inner() / shape_.key_heads);
  linear(s, gated, {{output_, out}});
}

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
