/// Definitions of model/decoder/self_attention.hpp, compiled once: see nibble/compile.hpp.
#pragma once

#include <cmath>
#include <string>

#include "nibble/model/decoder/self_attention.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

self_attention::self_attention(const decoder_config& c, std::size_t layer, tensor_source& t) {
  const layer_config& l = c.layer[layer];
  const std::string at = layer_prefix(layer);
  if (l.kv_heads == 0 || l.heads % l.kv_heads != 0) t.reject(at + "attn", "heads that share those of keys and values evenly");
  if (l.rope != layer_config::no_rope && (l.rope >= c.ropes.size() || c.ropes[l.rope].dimensions > l.key_dim)) {
    t.reject(at + "attn", "a rotary embedding of no more dimensions than a head");
  }
  const std::size_t queries = l.heads * l.key_dim, keys = l.kv_heads * l.key_dim, values = l.kv_heads * l.value_dim;
  const auto bias_of = [&](const char* name, std::size_t rows) {
    return c.biases ? t.vector(at + name, rows) : t.vector_or_none(at + name, rows);
  };
  if (t.has(at + "attn_qkv.weight")) {
    const weight all = t.matrix(at + "attn_qkv.weight", queries + keys + values, c.width);
    if (queries % panel_rows != 0 || keys % panel_rows != 0) {
      t.reject(at + "attn_qkv.weight", "queries and keys of a multiple of " + std::to_string(panel_rows) + " rows");
    } else if (!all.empty()) {
      q_ = all.row_groups(0, queries / panel_rows);
      k_ = all.row_groups(queries / panel_rows, keys / panel_rows);
      v_ = all.row_groups((queries + keys) / panel_rows, (values + panel_rows - 1) / panel_rows);
    }
    if (const auto bias = bias_of("attn_qkv.bias", queries + keys + values); !bias.empty()) {
      const auto part = [&](std::size_t first, std::size_t count) {  // a plan's has no memory
        return std::span<const float>(bias.data() ? bias.data() + first : nullptr, count);
      };
      q_bias_ = part(0, queries), k_bias_ = part(queries, keys), v_bias_ = part(queries + keys, values);
    }
  } else {
    q_ = t.matrix(at + "attn_q.weight", queries, c.width);
    k_ = t.matrix(at + "attn_k.weight", keys, c.width);
    v_ = t.matrix(at + "attn_v.weight", values, c.width);
    q_bias_ = bias_of("attn_q.bias", queries);
    k_bias_ = bias_of("attn_k.bias", keys);
    v_bias_ = bias_of("attn_v.bias", values);
  }
  o_ = t.matrix(at + "attn_output.weight", c.width, l.heads * l.value_dim);
  o_bias_ = t.vector_or_none(at + "attn_output.bias", c.width);
  if (c.head_norms) {
    q_norm_ = {t.vector(at + "attn_q_norm.weight", l.key_dim), {}, c.eps, c.norm};
    k_norm_ = {t.vector(at + "attn_k_norm.weight", l.key_dim), {}, c.eps, c.norm};
  }
  spec_.heads = l.heads, spec_.kv_heads = l.kv_heads, spec_.key_dim = l.key_dim, spec_.value_dim = l.value_dim;
  spec_.mask = l.mask;
  spec_.scale = c.attention_scale > 0 ? c.attention_scale : 1 / std::sqrt(float(l.key_dim));
  spec_.softcap = c.attention_softcap;
  rope_ = l.rope;
}

kv_shape self_attention::keeps() const noexcept {
  const bool windowed = spec_.mask.after == 0 && spec_.mask.before != attention_mask::all;
  return {spec_.kv_heads, spec_.key_dim, spec_.value_dim, windowed ? spec_.mask.before + 1 : 0, 0, spec_.mask.after > 0};
}

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
