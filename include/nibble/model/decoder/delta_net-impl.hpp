/// Definitions of model/decoder/delta_net.hpp, compiled once: see nibble/compile.hpp.
#pragma once

#include <string>

#include "nibble/layers/deal.hpp"
#include "nibble/model/decoder/delta_net.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

delta_net::delta_net(const decoder_config& c, std::size_t layer, tensor_source& t) {
  const std::string at = layer_prefix(layer);
  const recurrent_config& r = c.recurrent;
  if (r.heads == 0 || r.groups == 0 || r.heads % r.groups != 0 || r.inner != r.heads * r.state) {
    t.reject(at + "ssm", "heads that share keys evenly");
    return;
  }
  shape_ = {r.heads, r.groups, r.state, r.state, true, r.interleaved};
  const std::size_t channels = 2 * keys() + values();
  if (t.has(at + "ssm_in.weight")) {
    qkv_ = t.matrix(at + "ssm_in.weight", channels + values(), c.width);
  } else {
    qkv_ = t.matrix(at + "attn_qkv.weight", channels, c.width);
    gate_ = t.matrix(at + "attn_gate.weight", values(), c.width);
  }
  if (t.has(at + "ssm_ba.weight")) {
    strength_ = t.matrix(at + "ssm_ba.weight", 2 * r.heads, c.width);
  } else {
    strength_ = t.matrix(at + "ssm_beta.weight", r.heads, c.width);
    step_ = t.matrix(at + "ssm_alpha.weight", r.heads, c.width);
  }
  convolution_ = {t.columns(at + "ssm_conv1d.weight", channels, r.taps), {}, r.taps, true};
  step_bias_ = t.vector(at + "ssm_dt.bias", r.heads);
  rate_ = t.vector(at + "ssm_a", r.heads);
  norm_ = {t.vector(at + "ssm_norm.weight", r.state), {}, c.eps, norm_kind::rms};
  output_ = t.matrix(at + "ssm_out.weight", c.width, values());
}

void delta_net::project(compute& c, const layer_input& x, activations qkv, activations gate, activations strength,
                        activations step) const NIBBLE_NOEXCEPT {
  const std::size_t key_heads = shape_.key_heads, shared = shape_.heads / key_heads;
  const bool joined = gate_.empty(), paired = step_.empty();
  const activations all = joined ? c.scratch(x.x.tokens, qkv_.rows()) : qkv;
  const activations both = paired ? c.scratch(x.x.tokens, strength_.rows()) : strength;
  if (joined && paired) {
    linear(c, x, {{qkv_, all}, {strength_, both}});
  } else if (joined) {
    linear(c, x, {{qkv_, all}, {strength_, both}, {step_, step}});
  } else if (paired) {
    linear(c, x, {{qkv_, all}, {gate_, gate}, {strength_, both}});
  } else {
    linear(c, x, {{qkv_, all}, {gate_, gate}, {strength_, both}, {step_, step}});
  }
  if (joined) {
    deal_out(c, all, key_heads,
             {{qkv, 0, shape_.rows},
              {qkv, keys(), shape_.rows},
              {qkv, 2 * keys(), shared * shape_.columns},
              {gate, 0, shared * shape_.columns}});
  }
  if (paired) deal_out(c, both, key_heads, {{strength, 0, shared}, {step, 0, shared}});
}

void delta_net::forward(step& s, std::size_t layer, const step_context&, const layer_input& x, const step_rows& rows,
                        layer_output out) const NIBBLE_NOEXCEPT {
  const scratch_scope scope(s);
  const activations qkv = s.scratch(2 * keys() + values()), gate = s.scratch(values()), y = s.scratch(values());
  const activations strength = s.scratch(shape_.heads), step = s.scratch(shape_.heads), decay = s.scratch(shape_.heads);
  const auto state = [&](const token_run& run) { return recurrent_state(s.state(layer, run)); };
  {
    const auto watched = s.watch(operation::projection, layer);
    project(s, x, qkv, gate, strength, step);
  }
  {
    const auto watched = s.watch(operation::recurrence, layer);
    convolve(s, convolution_, s.all().runs, state, qkv);
    scan_operands in{};
    in.query = qkv.columns(0, keys()), in.key = qkv.columns(keys(), keys());
    in.value = qkv.columns(2 * keys(), values());
    normalize_heads(s, in.query, shape_.rows, norm_.eps, 1 / std::sqrt(float(shape_.rows)));
    normalize_heads(s, in.key, shape_.rows, norm_.eps, 1);
    step_decay(s, step_bias_, rate_, step, decay);
    activate(s, strength, activation::sigmoid);
    in.step = strength, in.decay = decay, in.output = y;
    scan(
        s, shape_, s.all().runs, [&](const token_run& run) { return state(run).from(first_of_heads()); }, in);
  }
  const auto watched = s.watch(operation::mixing, layer);
  const activations mixed = s.pick(rows, y), gated = s.pick(rows, gate);
  apply_to_heads(s, norm_, mixed, shape_.columns);
  gate_by(s, gated, mixed);
  linear(s, gated, {{output_, out}});
}

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
