/// Definitions of model/decoder/latent_attention.hpp, compiled once: see nibble/compile.hpp.
#pragma once

#include <cmath>
#include <string>

#include "nibble/model/decoder/latent_attention.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

latent_attention::latent_attention(const decoder_config& c, std::size_t layer, tensor_source& t) : shape_(c.latent) {
  const layer_config& l = c.layer[layer];
  const std::string at = layer_prefix(layer);
  if (l.rope >= c.ropes.size() || c.ropes[l.rope].dimensions != shape_.rotated || shape_.latent == 0) {
    t.reject(at + "attn", "a latent row, and a rotary embedding of the rotated part of a head");
    return;
  }
  spec_.heads = l.heads, spec_.kv_heads = 1;
  spec_.key_dim = shape_.rotated + shape_.latent, spec_.value_dim = shape_.latent;
  spec_.mask = l.mask, spec_.scale = c.attention_scale;
  rope_ = l.rope;
  const std::size_t queries = l.heads * (shape_.plain + shape_.rotated);
  if (shape_.query > 0) {
    q_a_ = t.matrix(at + "attn_q_a.weight", shape_.query, c.width);
    q_norm_ = {t.vector(at + "attn_q_a_norm.weight", shape_.query), {}, c.eps, c.norm};
    q_ = t.matrix(at + "attn_q_b.weight", queries, shape_.query);
  } else {
    q_ = t.matrix(at + "attn_q.weight", queries, c.width);
  }
  kv_a_ = t.matrix(at + "attn_kv_a_mqa.weight", spec_.key_dim, c.width);
  kv_norm_ = {t.vector(at + "attn_kv_a_norm.weight", shape_.latent), {}, c.eps, c.norm};
  take_head_matrices(at, t);
  o_ = t.matrix(at + "attn_output.weight", c.width, l.heads * shape_.values);
}

/// Two stacks, or in files of 2024 one matrix with the rows of each head's keys and values, of which those of keys are turned
/// round.
void latent_attention::take_head_matrices(const std::string& at, tensor_source& t) {
  const std::size_t heads = spec_.heads;
  if (const std::string both = at + "attn_kv_b.weight"; !shape_.absorbed) {
    k_ = t.turned_rows_of_each(both, heads, shape_.plain + shape_.values, shape_.latent, 0, shape_.plain);
    v_ = t.rows_of_each(both, heads, shape_.plain + shape_.values, shape_.latent, shape_.plain, shape_.values);
  } else {
    k_ = t.stack(at + "attn_k_b.weight", heads, shape_.latent, shape_.plain);
    v_ = t.stack(at + "attn_v_b.weight", heads, shape_.values, shape_.latent);
  }
}

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
