/// Definitions of model/decoder/self_attention.hpp, compiled once: see nibble/compile.hpp.
#pragma once

#include <cmath>
#include <string>

#include "nibble/model/decoder/self_attention.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

namespace detail {
/// Why a layer cannot read the keys and values of the one that it names, or null.
inline const char* wrong_with_shared_keys(const decoder_config& c, std::size_t layer) noexcept {
  const layer_config& l = c.layer[layer];
  if (l.keys_of >= layer) return "keys and values of a layer before it";
  const layer_config& other = c.layer[l.keys_of];
  const bool alike = other.kv_heads == l.kv_heads && other.key_dim == l.key_dim && other.value_dim == l.value_dim &&
                     other.mask == l.mask && other.mixer == l.mixer;
  return alike && other.keys_of == layer_config::own_keys ? nullptr : "keys and values of a layer of the same shape and mask";
}
}  // namespace detail

self_attention::self_attention(const decoder_config& c, std::size_t layer, tensor_source& t) {
  const layer_config& l = c.layer[layer];
  const std::string at = layer_prefix(layer);
  if (l.kv_heads == 0 || l.heads % l.kv_heads != 0) t.reject(at + "attn", "heads that share those of keys and values evenly");
  if (l.rope != layer_config::no_rope && (l.rope >= c.ropes.size() || c.ropes[l.rope].dimensions > l.key_dim)) {
    t.reject(at + "attn", "a rotary embedding of no more dimensions than a head");
  }
  const bool own_keys = l.keys_of == layer_config::own_keys;
  if (const char* wrong = own_keys ? nullptr : detail::wrong_with_shared_keys(c, layer)) t.reject(at + "attn", wrong);
  if (c.gates_in_queries && l.value_dim != l.key_dim) t.reject(at + "attn_q.weight", "as many gates as a head has values");
  take_projections(c, l, at, t);
  const std::size_t outputs = l.heads * l.value_dim;
  o_ = t.matrix(at + "attn_output.weight", c.width, outputs);
  o_bias_ = detail::bias_of(c, t, at + "attn_output.bias", c.width);
  if (c.head_gates) {
    const std::size_t gates = t.rows_of(at + "attn_gate.weight");
    gate_ = t.matrix(at + "attn_gate.weight", gates == l.heads ? gates : outputs, c.width);
  }
  const bool has_norms = t.has("blk.0.attn_q_norm.weight") || t.has("blk.0.attn_k_norm.weight");
  norms_ = has_norms || !c.head_norms_optional ? c.head_norms : head_norm::none;
  const auto norm_of = [&](const std::string& name, std::size_t heads) {
    norm_weights norm{{}, {}, c.eps, c.norm};
    if (heads == 0) return norm;
    if (norms_ == head_norm::shared) norm.gain = t.vector(at + name + ".weight", l.key_dim);
    if (norms_ == head_norm::own) norm.gain = t.vectors(at + name + ".weight", heads, l.key_dim);
    if (norms_ != head_norm::whole) return norm;
    norm.gain = t.vector(at + name + ".weight", heads * l.key_dim);
    if (c.norm == norm_kind::layer) norm.bias = detail::bias_of(c, t, at + name + ".bias", heads * l.key_dim);
    return norm;
  };
  q_norm_ = norm_of("attn_q_norm", l.heads), k_norm_ = norm_of("attn_k_norm", own_keys ? l.kv_heads : 0);
  if (c.value_norm && own_keys) v_norm_ = {t.ones(l.value_dim), {}, c.eps, c.norm};
  gates_ = c.head_gates, gates_in_queries_ = c.gates_in_queries;
  norms_behind_rope_ = c.head_norms_behind_rope, tempered_ = c.query_temperature > 0;
  if (c.alibi > 0) spec_.slopes = t.made(l.heads, [&](std::size_t h) { return alibi_slope(c.alibi, l.heads, h); });
  if (c.sinks) spec_.sinks = t.vector(at + "attn_sinks.weight", l.heads);
  spec_.heads = l.heads, spec_.kv_heads = l.kv_heads, spec_.key_dim = l.key_dim, spec_.value_dim = l.value_dim;
  spec_.mask = l.mask;
  spec_.scale = c.attention_scale > 0 ? c.attention_scale : 1 / std::sqrt(float(l.key_dim));
  spec_.softcap = c.attention_softcap;
  rope_ = l.rope, keys_of_ = l.keys_of;
}

/// Queries, keys and values: three tensors, or one.
void self_attention::take_projections(const decoder_config& c, const layer_config& l, const std::string& at, tensor_source& t) {
  const std::size_t queries = (c.gates_in_queries ? 2 : 1) * l.heads * l.key_dim, keys = l.kv_heads * l.key_dim,
                    values = l.kv_heads * l.value_dim;
  const bool may_miss = c.biases_optional && !t.has("blk.0.attn_q.bias") && !t.has("blk.0.attn_qkv.bias");
  const auto bias_of = [&](const char* name, std::size_t rows) {
    return c.biases && !may_miss ? t.vector(at + name, rows) : t.vector_or_none(at + name, rows);
  };
  if (const std::string name = at + "attn_qkv.weight"; l.keys_of == layer_config::own_keys && t.has(name)) {
    const std::size_t all = queries + keys + values;
    q_ = t.rows(name, all, c.width, 0, queries);
    k_ = t.rows(name, all, c.width, queries, keys);
    v_ = t.rows(name, all, c.width, queries + keys, values);
    if (const auto bias = bias_of("attn_qkv.bias", all); !bias.empty()) {
      const auto part = [&](std::size_t first, std::size_t count) {  // a plan's has no memory
        return std::span<const float>(bias.data() ? bias.data() + first : nullptr, count);
      };
      q_bias_ = part(0, queries), k_bias_ = part(queries, keys), v_bias_ = part(queries + keys, values);
    }
    return;
  }
  q_ = t.matrix(at + "attn_q.weight", queries, c.width);
  q_bias_ = bias_of("attn_q.bias", queries);
  if (l.keys_of != layer_config::own_keys) {
    for (const char* unused : {"attn_k.", "attn_k_norm.", "attn_v."}) t.ignore(at + unused);
    return;
  }
  k_ = t.matrix(at + "attn_k.weight", keys, c.width);
  const bool same = c.keys_are_values && keys == values && !l.sees_window();
  if (!same || t.has(at + "attn_v.weight")) v_ = t.matrix(at + "attn_v.weight", values, c.width);
  k_bias_ = bias_of("attn_k.bias", keys);
  v_bias_ = bias_of("attn_v.bias", values);
}

kv_shape self_attention::keeps() const noexcept {
  if (k_.empty()) return {};
  const bool windowed = spec_.mask.after == 0 && spec_.mask.before != attention_mask::all;
  // gains behind the rotation: scores are not those of distances alone
  const bool relative = !norms_behind_rope_ || norms_ == head_norm::none;
  return {spec_.kv_heads,       spec_.key_dim, spec_.value_dim,  windowed ? spec_.mask.before + 1 : 0,         0,
          spec_.mask.after > 0, relative,      !k_bias_.empty(), spec_.slopes.empty() && spec_.mask.after == 0};
}

void self_attention::forward(step& s, std::size_t layer, const step_context& context, const layer_input& x,
                             const step_rows& rows, layer_output out) const NIBBLE_NOEXCEPT {
  const scratch_scope scope(s);
  const bool weighs = !k_.empty() && s.weighs(spec_.mask);
  const step_rows asking = weighs ? s.all() : rows;
  const auto scratch = [&](std::size_t width) { return s.compute::scratch(asking.count, width); };
  const activations asked = scratch(q_.rows()), keys = s.scratch(k_.rows()),
                    values = s.scratch(spec_.kv_heads * spec_.value_dim * (k_.empty() ? 0 : 1)), mixed = scratch(o_.columns()),
                    opened = scratch(gate_.rows());
  const activations queries = gates_in_queries_ ? scratch(q_.rows() / 2) : asked,
                    gates = gates_in_queries_ ? scratch(q_.rows() / 2) : activations();
  const activations kept_queries = s.forgets(spec_.mask) ? scratch(queries.width) : activations();
  const bool all = asking.count == s.tokens();
  {
    const auto watched = s.watch(operation::projection, layer);
    project(s, x, all ? x : x.with(s.pick(asking, x.x)), asked, keys, values, opened);
    add_bias(s, asked, q_bias_);
    add_bias(s, keys, k_bias_);
    add_bias(s, values, v_bias_);
    if (gates_in_queries_) {
      deal_out(s, asked, spec_.heads, {{queries, 0, spec_.key_dim}, {gates, 0, spec_.key_dim}});
    }
    if (!norms_behind_rope_) norm_heads(s, q_norm_, queries), norm_heads(s, k_norm_, keys);
    if (!v_norm_.gain.empty()) apply_to_heads(s, v_norm_, values, spec_.value_dim);
    if (kept_queries.tokens > 0) copy(s, queries, kept_queries);
    const bool turns = rope_ != layer_config::no_rope;
    if (turns && !k_.empty()) context.ropes[rope_].rotate(s, keys, spec_.key_dim, context.angles[rope_]);
    if (norms_behind_rope_) norm_heads(s, k_norm_, keys);
    const auto place = [&](activations q, std::span<const rope_angles> by) {
      if (turns) context.ropes[rope_].rotate(s, q, spec_.key_dim, all ? by[rope_] : by[rope_].of(asking.of_tokens));
      if (norms_behind_rope_) norm_heads(s, q_norm_, q);
      if (tempered_)
        scale_rows(s, q, all ? context.query_scales : context.query_scales.subset(asking.of_tokens.data(), asking.count));
    };
    place(queries, context.angles);
    if (kept_queries.tokens > 0) place(kept_queries, context.near_angles);
    if (!k_.empty()) s.store_kv(layer, spec_, keys, values);
  }
  {
    const auto watched = s.watch(operation::attention, layer);
    s.attend(k_.empty() ? keys_of_ : layer, spec_, asking, queries, mixed, kept_queries);
    if (weighs) s.weigh(layer, spec_, queries);
  }
  const auto watched = s.watch(operation::mixing, layer);
  if (gates_in_queries_) close_gates(s, gates, activation::sigmoid, mixed);
  if (gates_) close_gates(s, opened, *gates_, mixed);
  linear(s, s.pick(rows, mixed), {{o_, out}});
  add_bias(s, out.y, o_bias_);
}

/// Queries and gates of some rows, keys and values of all; a layer that reads another's has none of its own.
void self_attention::project(compute& s, const layer_input& x, const layer_input& picked, activations queries, activations keys,
                             activations values, activations gates) const NIBBLE_NOEXCEPT {
  const bool all = picked.x.tokens == x.x.tokens;
  const auto of_picked = [&] {
    gate_.empty() ? linear(s, picked, {{q_, queries}}) : linear(s, picked, {{q_, queries}, {gate_, gates}});
  };
  if (k_.empty()) {
    of_picked();
  } else if (v_.empty()) {
    linear(s, x, {{k_, keys}});
    of_picked();
    copy(s, keys, values);
  } else if (all && gate_.empty()) {
    linear(s, x, {{q_, queries}, {k_, keys}, {v_, values}});
  } else if (all) {
    linear(s, x, {{q_, queries}, {k_, keys}, {v_, values}, {gate_, gates}});
  } else {
    linear(s, x, {{k_, keys}, {v_, values}});
    of_picked();
  }
}

/// Of queries, or of keys where there are some.
void self_attention::norm_heads(compute& s, const norm_weights& by, activations x) const NIBBLE_NOEXCEPT {
  if (norms_ == head_norm::none || by.gain.empty()) return;
  norms_ == head_norm::whole ? apply(s, by, x, x) : apply_to_heads(s, by, x, spec_.key_dim);
}

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
