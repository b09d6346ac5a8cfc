/// Definitions of model/decoder/mamba2_mixer.hpp, compiled once: see nibble/compile.hpp.
#pragma once

#include <string>

#include "nibble/model/decoder/mamba2_mixer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

mamba2_mixer::mamba2_mixer(const decoder_config& c, std::size_t layer, tensor_source& t) {
  const std::string at = layer_prefix(layer);
  const recurrent_config& r = c.recurrent;
  if (r.heads == 0 || r.groups == 0 || r.heads % r.groups != 0 || r.inner % r.heads != 0 || r.inner % r.groups != 0) {
    t.reject(at + "ssm", "heads that share keys and values evenly");
    return;
  }
  const std::size_t channels = r.inner + 2 * r.groups * r.state;
  input_ = t.matrix(at + "ssm_in.weight", r.inner + channels + r.heads, c.width);
  convolution_ = {t.columns(at + "ssm_conv1d.weight", channels, r.taps), t.vector(at + "ssm_conv1d.bias", channels), r.taps,
                  true};
  step_bias_ = t.vector(at + "ssm_dt.bias", r.heads);
  rate_ = t.columns(at + "ssm_a", r.heads, 1);
  skip_ = t.columns(at + "ssm_d", r.heads, 1);
  if (r.always_normed || t.has(at + "ssm_norm.weight")) {
    norm_ = {t.vectors(at + "ssm_norm.weight", r.groups, r.inner / r.groups), {}, c.eps, norm_kind::rms};
  }
  output_ = t.matrix(at + "ssm_out.weight", c.width, r.inner);
  shape_ = {r.heads, r.groups, r.state, r.inner / r.heads};
}

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
