/// Definitions of model/decoder/config.hpp, compiled once: see nibble/compile.hpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>

#include "nibble/model/decoder/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

namespace detail {
/// 1 / factor of linear scaling, of which 0 is none; other kinds of scaling change the angles in ways that are not known here.
inline float rope_scale_of(hyperparameters& h) {
  const auto kind = h.text_or("rope.scaling.type", "linear");
  if (kind != "linear" && kind != "none")
    h.reject("rope.scaling.type", "expected none or linear", nibble::detail::quoted(kind));
  for (const char* key : {"rope.scaling.factor", "rope.scale_linear"}) {
    if (kind == "none") h.ignore(key);
    const float factor = kind == "none" ? 0 : h.positive_or_zero(key, 0);
    if (factor > 0) return h.ignore("rope.scale_linear"), 1 / factor;
  }
  return 1;
}
/// Heads and widths of each layer: files state one number for all layers, or one for each.
inline void read_layers(hyperparameters& h, decoder_config& c) {
  const auto hidden = h.counts("feed_forward_length", c.layers, 1, h.limits().hidden);
  const auto heads = h.counts("attention.head_count", c.layers, 1, h.limits().heads);
  const std::size_t most = *std::max_element(heads.begin(), heads.end());
  const auto kv_heads = h.has("attention.head_count_kv") ? h.counts("attention.head_count_kv", c.layers, 1, most) : heads;
  const std::size_t dim = h.count_or("attention.key_length", c.width / heads[0], 1, max_head_dim);
  if (dim % 2 != 0 || dim == 0 || dim > max_head_dim) {
    h.reject("attention.key_length", "expected an even number of at most " + std::to_string(max_head_dim), std::to_string(dim));
  }
  for (std::size_t i = 0; i < c.layers; ++i) {
    layer_config& l = c.layer[i];
    l.hidden = hidden[i], l.heads = heads[i], l.kv_heads = kv_heads[i], l.key_dim = l.value_dim = dim;
    if (l.heads % l.kv_heads != 0) {
      h.reject("attention.head_count_kv", "expected a divisor of the " + std::to_string(l.heads) + " heads",
               std::to_string(l.kv_heads));
    }
  }
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
  decoder_config c;
  c.layers = h.count("block_count", 1, h.limits().layers);
  c.context = h.count("context_length", 1, h.limits().context);
  c.width = h.count("embedding_length", 1, h.limits().width);
  c.eps = h.positive("attention.layer_norm_rms_epsilon");
  c.layer.resize(c.layers);
  detail::read_layers(h, c);
  const std::size_t dim = c.layer[0].key_dim;
  if (const auto values = h.count_or("attention.value_length", dim, 1, max_head_dim); values != dim) {
    h.reject("attention.value_length", "expected the key length " + std::to_string(dim), std::to_string(values));
  }
  if (const auto rotated = h.count_or("rope.dimension_count", dim, 0, 1u << 20); rotated != dim) {
    h.reject("rope.dimension_count", "expected the head's " + std::to_string(dim), std::to_string(rotated));
  }
  rope_config rope;
  rope.base = double(h.positive_or("rope.freq_base", 10000.0f));
  rope.scale = double(detail::rope_scale_of(h));
  rope.order = order;
  rope.dimensions = dim;
  c.ropes.push_back(rope);
  return c;
}

void decoder_config::read_experts(hyperparameters& h) {
  experts = h.count("expert_count", 1, h.limits().experts);
  router.used = h.count("expert_used_count", 1, experts);
  router.renormalised = h.flag_or("expert_weights_norm", true);
  if (const float scale = h.positive_or_zero("expert_weights_scale", 0); scale > 0) router.scale = scale;
  switch (h.count_or("expert_gating_func", 1, 0, 3)) {
    case 2:
      router.by = router_spec::gating::sigmoid;
      break;
    case 3:
      router.by = router_spec::gating::softmax_of_used;
      break;
    default:
      router.by = router_spec::gating::softmax;
  }
  const std::size_t wide = h.count_or("expert_feed_forward_length", 0, 0, h.limits().hidden);
  for (layer_config& l : layer) l.hidden = wide > 0 ? wide : l.hidden;
}

void decoder_config::scale_scores_by_width() noexcept { attention_scale = 1 / std::sqrt(float(width) / float(layer[0].heads)); }

void decoder_config::set_windows(std::size_t window, std::size_t period) {
  std::vector<bool> marked(layer.size());
  for (std::size_t i = 0; i < layer.size(); ++i) marked[i] = i % period < period - 1;
  set_windows(window, marked);
}
void decoder_config::set_windows(std::size_t window, const std::vector<bool>& marked) {
  if (window == 0) return;
  for (std::size_t i = 0; i < std::min(marked.size(), layer.size()); ++i) {
    if (marked[i]) layer[i].mask = attention_mask::window(window);
  }
}
void decoder_config::read_windows(hyperparameters& h, std::size_t window, std::size_t period) {
  constexpr std::string_view which = "attention.sliding_window_pattern";
  window = h.count_or("attention.sliding_window", window, 0, h.limits().context);
  if (const auto marked = h.flags_or_none(which, layers)) return set_windows(window, *marked);
  set_windows(window, h.count_or(which, period, 1, h.limits().layers));
}

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
