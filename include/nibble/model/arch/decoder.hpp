/// Parts that decoder-only architectures share: their common hyper-parameters, and the projections of self-attention.
#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "nibble/layers/elementwise.hpp"
#include "nibble/layers/linear.hpp"
#include "nibble/layers/rope.hpp"
#include "nibble/model/architecture.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Sizes that every decoder's metadata states.
struct decoder_config {
  std::size_t layers, width, hidden, heads, kv_heads, head_dim;
  std::size_t vocabulary, context;
  float eps, rope_base, rope_scale;

  static decoder_config read(hyperparameters& h) {
    constexpr std::uint64_t widest = 1u << 20;
    decoder_config c{};
    c.layers = h.count("block_count", 1, h.limits().layers);
    c.context = h.count("context_length", 1, h.limits().context);
    c.width = h.count("embedding_length", 1, widest);
    c.hidden = h.count("feed_forward_length", 1, widest);
    c.heads = h.count("attention.head_count", 1, widest);
    c.kv_heads = h.count_or("attention.head_count_kv", c.heads, 1, c.heads);
    c.head_dim = h.count_or("attention.key_length", c.width / c.heads, 1, max_head_dim);
    c.vocabulary = h.count_or("vocab_size", 0, 1, h.limits().vocabulary);
    c.eps = h.positive("attention.layer_norm_rms_epsilon");
    c.rope_base = h.positive_or("rope.freq_base", 10000.0f);
    c.rope_scale = rope_scale_of(h);
    if (c.heads % c.kv_heads != 0) {
      h.reject("attention.head_count_kv", "expected a divisor of the " + std::to_string(c.heads) + " heads",
               std::to_string(c.kv_heads));
    }
    if (c.head_dim % 2 != 0 || c.head_dim == 0 || c.head_dim > max_head_dim) {
      h.reject("attention.key_length", "expected an even number of at most " + std::to_string(max_head_dim),
               std::to_string(c.head_dim));
    }
    if (const auto value_dim = h.count_or("attention.value_length", c.head_dim, 1, max_head_dim); value_dim != c.head_dim) {
      h.reject("attention.value_length", "expected the key length " + std::to_string(c.head_dim), std::to_string(value_dim));
    }
    if (const auto rotated = h.count_or("rope.dimension_count", c.head_dim, 0, widest); rotated != c.head_dim) {
      h.reject("rope.dimension_count", "expected the head's " + std::to_string(c.head_dim), std::to_string(rotated));
    }
    return c;
  }

 private:
  /// 1 / factor of linear scaling; other kinds of scaling change the angles in ways this decoder does not know.
  static float rope_scale_of(hyperparameters& h) {
    const auto kind = h.text_or("rope.scaling.type", "linear");
    if (kind != "linear" && kind != "none")
      h.reject("rope.scaling.type", "expected none or linear", "'" + std::string(kind) + "'");
    if (kind == "none") return 1;
    for (const char* key : {"rope.scaling.factor", "rope.scale_linear"}) {
      if (h.has(key)) return 1 / h.positive(key);
    }
    return 1;
  }
};

/// Self-attention of one layer: weights, optional biases, optional norms of each head's queries and keys.
struct self_attention {
  weight q, k, v, o;
  std::span<const float> q_bias, k_bias, v_bias, o_bias, q_norm, k_norm;
  attention_spec spec;

  self_attention(const decoder_config& c, tensor_source& t, const std::string& layer)
      : q(t.matrix(layer + "attn_q.weight", c.heads * c.head_dim, c.width)),
        k(t.matrix(layer + "attn_k.weight", c.kv_heads * c.head_dim, c.width)),
        v(t.matrix(layer + "attn_v.weight", c.kv_heads * c.head_dim, c.width)),
        o(t.matrix(layer + "attn_output.weight", c.width, c.heads * c.head_dim)),
        q_bias(t.vector_or_none(layer + "attn_q.bias", q.rows())),
        k_bias(t.vector_or_none(layer + "attn_k.bias", k.rows())),
        v_bias(t.vector_or_none(layer + "attn_v.bias", v.rows())),
        o_bias(t.vector_or_none(layer + "attn_output.bias", o.rows())),
        spec{c.heads, c.kv_heads, c.head_dim, c.head_dim, 0, 1 / std::sqrt(float(c.head_dim)), 0, {}} {}

  /// out = attention(x), over all that the cache has seen. eps: of the norms of heads.
  /// @shape   x, out (tokens, width)
  void forward(step& s, std::size_t layer, const rope& position, const rope_angles& angles, float eps, const layer_input& x,
               layer_output out) const noexcept {
    const scratch_scope scope(s);
    const activations queries = s.scratch(q.rows()), keys = s.scratch(k.rows()), values = s.scratch(v.rows()),
                      mixed = s.scratch(q.rows());
    linear(s, x, {{q, queries}, {k, keys}, {v, values}});
    add_bias(s, queries, q_bias);
    add_bias(s, keys, k_bias);
    add_bias(s, values, v_bias);
    if (!q_norm.empty()) rms_norm_heads(s, queries, q_norm, eps);
    if (!k_norm.empty()) rms_norm_heads(s, keys, k_norm, eps);
    position.rotate(s, queries, spec.key_dim, angles);
    position.rotate(s, keys, spec.key_dim, angles);
    s.attend(layer, spec, queries, keys, values, mixed);
    linear(s, mixed, {{o, out}});
    add_bias(s, out.y, o_bias);
  }
};

/// A gated feed-forward layer: down(f(gate(x)) * up(x)).
struct gated_feed_forward {
  weight gate, up, down;

  gated_feed_forward(const decoder_config& c, tensor_source& t, const std::string& layer)
      : gate(t.matrix(layer + "ffn_gate.weight", c.hidden, c.width)),
        up(t.matrix(layer + "ffn_up.weight", c.hidden, c.width)),
        down(t.matrix(layer + "ffn_down.weight", c.width, c.hidden)) {}

  /// @shape   x, out (tokens, width)
  void forward(step& s, glu f, const layer_input& x, layer_output out) const noexcept {
    feed_forward(s, x, gate, up, f, down, out);
  }
};

/// "blk.3."
inline std::string layer_prefix(std::size_t layer) { return "blk." + std::to_string(layer) + "."; }

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
