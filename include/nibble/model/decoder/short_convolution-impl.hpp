/// Definitions of model/decoder/short_convolution.hpp, compiled once: see nibble/compile.hpp.
#pragma once

#include <string>

#include "nibble/model/decoder/short_convolution.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

short_convolution::short_convolution(const decoder_config& c, std::size_t layer, tensor_source& t) {
  const std::string at = layer_prefix(layer) + "shortconv.";
  input_ = t.matrix(at + "in_proj.weight", 3 * c.width, c.width);
  convolution_ = {t.columns(at + "conv.weight", c.width, c.recurrent.taps), {}, c.recurrent.taps};
  output_ = t.matrix(at + "out_proj.weight", c.width, c.width);
}

void short_convolution::forward(step& s, std::size_t layer, const step_context&, const layer_input& x, const step_rows& rows,
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
