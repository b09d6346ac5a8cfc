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

void mamba2_mixer::forward(step& s, std::size_t layer, const step_context&, const layer_input& x, const step_rows& rows,
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
