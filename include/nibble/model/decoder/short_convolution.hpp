/// short_convolution: the mixer of LFM2: a convolution over a few tokens between two gates.
#pragma once

#include <cstddef>

#include "nibble/layers/linear.hpp"
#include "nibble/layers/recurrent.hpp"
#include "nibble/model/decoder/config.hpp"
#include "nibble/model/decoder/step_context.hpp"
#include "nibble/model/step.hpp"
#include "nibble/model/tensor_source.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// out = output(c * convolution(b * u)), where b, c and u are the rows of one matrix ("shortconv.in_proj").
/// @source  Liquid AI 2025, "LFM2 Technical Report"
class short_convolution {
 public:
  short_convolution(const decoder_config& c, std::size_t layer, tensor_source& t);

  /// The last inputs of the convolution.
  kv_shape keeps() const noexcept { return {.state = convolution_.state()}; }

  /// @shape   x (tokens, width); out (rows.count, width)
  template <class Step>
  void forward(Step& s, std::size_t layer, const step_context& context, const layer_input& x, const step_rows& rows,
               layer_output out) const NIBBLE_NOEXCEPT;

 private:
  weight input_, output_;
  convolution_weights convolution_;
};

template <class Step>
void short_convolution::forward(Step& s, std::size_t layer, const step_context&, const layer_input& x, const step_rows& rows,
                                layer_output out) const NIBBLE_NOEXCEPT {
  const scratch_scope scope(s);
  const std::size_t width = output_.columns();
  const activations all = s.scratch(input_.rows());
  const activations b = all.columns(0, width), c = all.columns(width, width), u = all.columns(2 * width, width);
  {
    const auto watched = s.watch(operation::projection, layer);
    linear(s, x, {{input_, all}});
  }
  {
    const auto watched = s.watch(operation::recurrence, layer);
    multiply(s, b, u);
    convolve(
        s, convolution_, s.all().runs, [&](const token_run& run) { return recurrent_state(s.state(layer, run)); }, b);
  }
  const auto watched = s.watch(operation::mixing, layer);
  const activations mixed = s.pick(rows, b);
  multiply(s, mixed, s.pick(rows, c));
  linear(s, mixed, {{output_, out}});
}

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
