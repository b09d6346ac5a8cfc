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
/// How far YaRN reaches. Its factor is at least 1: a logarithm of it becomes a factor of cosines and sines.
inline void read_yarn(hyperparameters& h, rope_config& r) {
  const float factor = h.positive_or("rope.scaling.factor", 1);
  const float times = h.positive_or_zero("rope.scaling.yarn_log_multiplier", 0);
  if (factor < 1) h.reject("rope.scaling.factor", "expected 1 or more, as YaRN has", std::to_string(factor));
  r.scale = 1 / double(factor);
  r.yarn.positions = double(r.trained);
  r.yarn.fast = double(h.positive_or("rope.scaling.yarn_beta_fast", 32));
  r.yarn.slow = double(h.positive_or("rope.scaling.yarn_beta_slow", 1));
  if (const float kept = h.number_or("rope.scaling.yarn_ext_factor", -1); kept >= 0) r.yarn.kept = double(kept);
  const double grown = 0.1 * std::log(double(factor)), divisor = 1 + double(times) * grown;
  r.magnitude = (1 + grown) / divisor * double(h.positive_or("rope.scaling.yarn_attn_factor", 1));
}
/// What makes a rotary embedding reach past the positions that a model was trained on.
inline void read_scaling(hyperparameters& h, rope_config& r, std::size_t context) {
  const auto kind = h.text_or("rope.scaling.type", "linear");
  r.trained = h.count_or("rope.scaling.original_context_length", context, 0, h.limits().context);
  if (r.trained == 0) r.trained = context;
  if (kind == "yarn") {
    read_yarn(h, r);
  } else if (kind == "linear") {
    for (const char* key : {"rope.scaling.factor", "rope.scale_linear"}) {
      const float factor = h.positive_or_zero(key, 0);  // 0: none
      if (factor > 0) {
        r.scale = 1 / double(factor);
        break;
      }
    }
  } else if (kind != "none" && kind != "longrope") {
    h.reject("rope.scaling.type", "expected none, linear, yarn or longrope", nibble::detail::quoted(kind));
  }
  for (const char* key : {"rope.scaling.factor", "rope.scale_linear"}) h.ignore(key);
  if (const float more = h.positive_or_zero("rope.scaling.attn_factor", 1); more > 0) r.magnitude *= double(more);
}
/// The numbers that a head has for one purpose: even, for pairs of them are rotated and quantised.
inline std::size_t read_head_dim(hyperparameters& h, std::string_view key, std::size_t fallback) {
  const std::size_t dim = h.count_or(key, fallback, 1, max_head_dim);
  if (dim % 2 != 0 || dim == 0 || dim > max_head_dim) {
    h.reject(key, "expected an even number of at most " + std::to_string(max_head_dim), std::to_string(dim));
  }
  return dim;
}
/// Heads and widths of each layer: files state one number for all blocks, or one for each.
inline void read_layers(hyperparameters& h, decoder_config& c) {
  const std::size_t blocks = c.layers + c.drafts;
  const auto hidden = h.counts("feed_forward_length", blocks, 1, h.limits().hidden);
  const auto heads = h.counts("attention.head_count", blocks, 1, h.limits().heads);
  const std::size_t most = *std::max_element(heads.begin(), heads.end());
  const auto kv_heads = h.has("attention.head_count_kv") ? h.counts("attention.head_count_kv", blocks, 1, most) : heads;
  const std::size_t key_dim = read_head_dim(h, "attention.key_length", c.width / heads[0]);
  const std::size_t value_dim = read_head_dim(h, "attention.value_length", key_dim);
  for (std::size_t i = 0; i < c.layers; ++i) {
    layer_config& l = c.layer[i];
    l.hidden = hidden[i], l.heads = heads[i], l.kv_heads = kv_heads[i], l.key_dim = key_dim, l.value_dim = value_dim;
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
  const bool is_normed = !c.mixer_post_norm.empty() || !c.feed_forward_post_norm.empty() || !c.mixer_sum_norm.empty() ||
                         !c.feed_forward_sum_norm.empty();
  if (c.parallel && (is_normed || c.residual_scale != 1)) {
    return "parallel branches that are neither normed nor scaled";
  }
  if (!c.xielu.empty() && c.xielu.size() != c.layers) return "an activation for each layer";
  for (const layer_config& l : c.layer) {
    if (l.mixer >= mixers || l.feed_forward >= feed_forwards) return "parts that it names";
    if (l.rope != layer_config::no_rope && l.rope >= c.ropes.size()) return "rotary embeddings that it has";
  }
  return nullptr;
}

decoder_config decoder_config::read(hyperparameters& h, rope_pairs order, norm_kind norm) {
  decoder_config c;
  const std::size_t blocks = h.count("block_count", 1, h.limits().layers);
  c.drafts = h.count_or("nextn_predict_layers", 0, 0, blocks - 1);
  c.layers = blocks - c.drafts;
  c.context = h.count("context_length", 1, h.limits().context);
  c.width = h.count("embedding_length", 1, h.limits().width);
  c.norm = norm;
  c.eps = h.positive(norm == norm_kind::rms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon");
  c.layer.resize(c.layers);
  detail::read_layers(h, c);
  const std::size_t dim = c.layer[0].key_dim;
  rope_config rope;
  rope.dimensions = h.count_or("rope.dimension_count", dim, 0, 1u << 20);
  if (rope.dimensions == 0 || rope.dimensions > dim || rope.dimensions % 2 != 0) {
    h.reject("rope.dimension_count", "expected the head's " + std::to_string(dim) + ", or fewer that are even",
             std::to_string(rope.dimensions));
  }
  rope.base = double(h.positive_or("rope.freq_base", 10000.0f));
  rope.order = order;
  detail::read_scaling(h, rope, c.context);
  c.ropes.push_back(rope);
  c.pooling = pooling_config::read(h);
  return c;
}

void decoder_config::rotate_nothing() noexcept {
  for (layer_config& l : layer) l.rope = layer_config::no_rope;
}
void decoder_config::rotate_whole_heads(hyperparameters& h) const {
  const std::size_t dim = layer[0].key_dim, rotated = ropes[0].dimensions;
  if (rotated != dim) h.reject("rope.dimension_count", "expected the head's " + std::to_string(dim), std::to_string(rotated));
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
void decoder_config::turn_windows_by(const rope_config& r) {
  ropes.push_back(r);
  for (layer_config& l : layer)
    if (l.sees_window()) l.rope = ropes.size() - 1;
}
void decoder_config::turn_windows_alone() noexcept {
  for (layer_config& l : layer)
    if (!l.sees_window()) l.rope = layer_config::no_rope;
}
void decoder_config::see_both_ways(hyperparameters& h) {
  if (h.flag_or("attention.causal", false)) h.reject("attention.causal", "expected false, for this is an encoder", "true");
  pooling.only_hidden = true;
  for (layer_config& l : layer) {
    const bool windowed = l.mask.before != attention_mask::all;
    l.mask = windowed ? attention_mask::symmetric_window(l.mask.before + 1) : attention_mask::everything();
  }
}
void decoder_config::read_windows(hyperparameters& h, std::size_t window, std::size_t period) {
  constexpr std::string_view which = "attention.sliding_window_pattern";
  window = h.count_or("attention.sliding_window", window, 0, h.limits().context);
  if (const auto marked = h.flags_or_none(which, layers + drafts)) return set_windows(window, *marked);
  set_windows(window, h.count_or(which, period, 1, h.limits().layers));
}

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
