/// Definitions of model/decoder/config.hpp, compiled once: see nibble/compile.hpp.
#pragma once

#include <cmath>
#include <string>

#include "nibble/model/decoder/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

namespace detail {
/// 1 / factor of linear scaling; other kinds of scaling change the angles in ways that are not known here.
inline float rope_scale_of(hyperparameters& h) {
  const auto kind = h.text_or("rope.scaling.type", "linear");
  if (kind != "linear" && kind != "none") {
    h.reject("rope.scaling.type", "expected none or linear", "'" + std::string(kind) + "'");
  }
  if (kind == "none") return 1;
  for (const char* key : {"rope.scaling.factor", "rope.scale_linear"}) {
    if (h.has(key)) return 1 / h.positive(key);
  }
  return 1;
}
}  // namespace detail

const char* detail::wrong_with(const decoder_config& c, std::size_t mixers, std::size_t feed_forwards,
                               std::size_t most_ropes) noexcept {
  if (c.layers == 0) return "one layer at least";
  if (c.layer.size() != c.layers) return "as many layers as it says";
  if (c.ropes.size() > most_ropes) return "at most four kinds of rotary embedding";
  if (c.experts > 0 && (c.router.used == 0 || c.router.used > c.experts))
    return "one expert a token at least, and no more than there are";
  if (c.parallel && (!c.mixer_post_norm.empty() || !c.feed_forward_post_norm.empty() || c.residual_scale != 1)) {
    return "parallel branches that are neither normed nor scaled";
  }
  for (const layer_config& l : c.layer) {
    if (l.mixer >= mixers || l.feed_forward >= feed_forwards) return "parts that it names";
    if (l.rope != layer_config::no_rope && l.rope >= c.ropes.size()) return "rotary embeddings that it has";
  }
  return nullptr;
}

decoder_config decoder_config::read(hyperparameters& h, rope_pairs order) {
  constexpr std::uint64_t widest = 1u << 20;
  decoder_config c;
  c.layers = h.count("block_count", 1, h.limits().layers);
  c.context = h.count("context_length", 1, h.limits().context);
  c.width = h.count("embedding_length", 1, widest);
  layer_config l;
  l.hidden = h.count("feed_forward_length", 1, widest);
  l.heads = h.count("attention.head_count", 1, widest);
  l.kv_heads = h.count_or("attention.head_count_kv", l.heads, 1, l.heads);
  l.key_dim = h.count_or("attention.key_length", c.width / l.heads, 1, max_head_dim);
  c.vocabulary = h.count_or("vocab_size", 0, 1, h.limits().vocabulary);
  c.eps = h.positive("attention.layer_norm_rms_epsilon");
  rope_config rope;
  rope.base = double(h.positive_or("rope.freq_base", 10000.0f));
  rope.scale = double(detail::rope_scale_of(h));
  rope.order = order;
  rope.dimensions = l.key_dim;
  if (l.heads % l.kv_heads != 0) {
    h.reject("attention.head_count_kv", "expected a divisor of the " + std::to_string(l.heads) + " heads",
             std::to_string(l.kv_heads));
  }
  if (l.key_dim % 2 != 0 || l.key_dim == 0 || l.key_dim > max_head_dim) {
    h.reject("attention.key_length", "expected an even number of at most " + std::to_string(max_head_dim),
             std::to_string(l.key_dim));
  }
  l.value_dim = h.count_or("attention.value_length", l.key_dim, 1, max_head_dim);
  if (l.value_dim != l.key_dim) {
    h.reject("attention.value_length", "expected the key length " + std::to_string(l.key_dim), std::to_string(l.value_dim));
  }
  if (const auto rotated = h.count_or("rope.dimension_count", l.key_dim, 0, widest); rotated != l.key_dim) {
    h.reject("rope.dimension_count", "expected the head's " + std::to_string(l.key_dim), std::to_string(rotated));
  }
  c.layer.assign(c.layers, l);
  c.ropes.push_back(rope);
  return c;
}

void decoder_config::read_experts(hyperparameters& h) {
  constexpr std::uint64_t most = 1024;
  experts = h.count("expert_count", 1, most);
  router.used = h.count("expert_used_count", 1, experts);
  router.renormalised = true;
  const std::size_t wide = h.count_or("expert_feed_forward_length", layer[0].hidden, 1, 1u << 20);
  for (layer_config& l : layer) l.hidden = wide;
}

void decoder_config::scale_scores_by_width() noexcept { attention_scale = 1 / std::sqrt(float(width) / float(layer[0].heads)); }

void decoder_config::set_windows(std::size_t window, std::size_t period) {
  if (window == 0) return;
  for (std::size_t i = 0; i < layer.size(); ++i) {
    if (i % period < period - 1) layer[i].mask = attention_mask::window(window);
  }
}

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
