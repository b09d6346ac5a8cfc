/// Definitions of model/decoder/config.hpp, compiled once: see nibble/compile.hpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <iterator>
#include <string>

#include "nibble/core/fused.hpp"
#include "nibble/core/portable_math.hpp"
#include "nibble/model/decoder/config.hpp"
#include "nibble/model/decoder/recurrent_config-impl.hpp"
#include "nibble/model/decoder/rope_scaling-impl.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

namespace detail {
/// How many experts a token uses, and how wide they are: one number for all blocks, or one for each. A layer without experts
/// may have 0.
inline void read_numbers_of_experts(hyperparameters& h, decoder_config& c) {
  constexpr std::string_view used = "expert_used_count", hidden = "expert_feed_forward_length";
  const std::size_t blocks = c.layers + c.drafts;
  if (h.elements(used) > 0) {
    const auto all = h.counts(used, blocks, 0, c.experts);
    for (std::size_t i = 0; i < c.layers; ++i) c.layer[i].experts_used = all[i];
    c.router.used = std::max<std::size_t>(1, *std::max_element(all.begin(), all.end()));
  } else {
    c.router.used = h.count(used, 1, c.experts);
  }
  if (h.elements(hidden) > 0) {
    const auto all = h.counts(hidden, blocks, 0, h.limits().hidden);
    for (std::size_t i = 0; i < c.layers; ++i) c.layer[i].expert_hidden = all[i];
    c.expert_hidden = *std::max_element(all.begin(), all.end());
  } else {
    c.expert_hidden = h.count_or(hidden, 0, 0, h.limits().hidden);
  }
  if (c.expert_hidden == 0) c.expert_hidden = c.layer.back().hidden;
  if (c.expert_hidden == 0) h.count(hidden, 1, h.limits().hidden);
}
/// Groups of experts of equal size, some of which a token looks into: together they have as many as it uses.
inline void read_expert_groups(hyperparameters& h, std::size_t experts, router_spec& router) {
  const std::size_t groups = h.count_or("expert_group_count", 1, 0, router_spec::most_groups);
  if (groups <= 1) return h.ignore("expert_group_used_count");
  router.groups = groups, router.groups_used = h.count("expert_group_used_count", 1, groups);
  if (experts % groups != 0 || router.groups_used * (experts / groups) < router.used) {
    h.reject("expert_group_count",
             "expected a divisor of the " + std::to_string(experts) + " experts, by which " +
                 std::to_string(router.groups_used) + " groups have the " + std::to_string(router.used) + " that a token uses",
             std::to_string(groups));
  }
}
/// Heads and widths of each layer: files state one number for all blocks, or one for each.
inline void read_layers(hyperparameters& h, decoder_config& c, std::size_t least) {
  const std::size_t blocks = c.layers + c.drafts;
  const bool silent = least == decoder_config::only_experts && !h.has("feed_forward_length");
  if (least == decoder_config::only_experts) least = 1;
  const auto hidden =
      silent ? std::vector<std::size_t>(blocks) : h.counts("feed_forward_length", blocks, least, h.limits().hidden);
  const auto heads = h.counts("attention.head_count", blocks, 1, h.limits().heads);
  const std::size_t most = *std::max_element(heads.begin(), heads.end());
  const auto kv_heads = h.has("attention.head_count_kv") ? h.counts("attention.head_count_kv", blocks, least, most) : heads;
  const std::size_t key_dim = decoder_config::read_head_dim(h, "attention.key_length", c.width / heads[0]);
  const std::size_t value_dim = decoder_config::read_head_dim(h, "attention.value_length", c.width / heads[0]);
  for (std::size_t i = 0; i < c.layers; ++i) {
    layer_config& l = c.layer[i];
    l.hidden = hidden[i], l.heads = heads[i], l.kv_heads = kv_heads[i], l.key_dim = key_dim, l.value_dim = value_dim;
    if (l.kv_heads > 0 && l.heads % l.kv_heads != 0) {
      h.reject("attention.head_count_kv", "expected a divisor of the " + std::to_string(l.heads) + " heads",
               std::to_string(l.kv_heads));
    }
  }
}

const char* wrong_with(const decoder_config& c, std::size_t mixers, std::size_t feed_forwards,
                       std::size_t most_ropes) noexcept {
  if (c.layers == 0) return "one layer at least";
  if (c.layer.size() != c.layers) return "as many layers as it says";
  if (c.ropes.size() > most_ropes) return "at most four kinds of rotary embedding";
  if (c.experts > 0 && (c.router.used == 0 || c.router.used > c.experts))
    return "one expert a token at least, and no more than there are";
  for (const layer_config& l : c.layer)
    if (l.experts_used.value_or(0) > c.router.used) return "no more experts a token in a layer than in any";
  if (c.router.groups == 0 || c.router.groups > router_spec::most_groups || c.experts % c.router.groups != 0)
    return "groups that divide the experts";
  const bool is_normed = !c.mixer_post_norm.empty() || !c.feed_forward_post_norm.empty() || !c.mixer_sum_norm.empty() ||
                         !c.feed_forward_sum_norm.empty();
  if (c.parallel && (is_normed || c.residual_scale != 1)) {
    return "parallel branches that are neither normed nor scaled";
  }
  if (c.query_temperature != 0 && c.temperature_positions == 0) return "positions by which queries grow";
  if (!c.xielu.empty() && c.xielu.size() != c.layers) return "an activation for each layer";
  for (const layer_config& l : c.layer) {
    if (l.mixer >= mixers || l.feed_forward >= feed_forwards) return "parts that it names";
    if (l.rope != layer_config::no_rope && l.rope >= c.ropes.size()) return "rotary embeddings that it has";
  }
  return nullptr;
}

/// How many layers there are, and how wide they are.
inline decoder_config read_sizes(hyperparameters& h, norm_kind norm) {
  decoder_config c;
  const std::size_t blocks = h.count("block_count", 1, h.limits().layers);
  c.drafts = h.count_or("nextn_predict_layers", 0, 0, blocks - 1);
  c.layers = blocks - c.drafts;
  c.context = h.count("context_length", 1, h.limits().context);
  c.width = h.count("embedding_length", 1, h.limits().width);
  c.norm = norm;
  c.eps = h.positive(norm == norm_kind::rms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon");
  c.layer.resize(c.layers);
  return c;
}
}  // namespace detail

decoder_config decoder_config::read_without_attention(hyperparameters& h) {
  decoder_config c = detail::read_sizes(h, norm_kind::rms);
  for (layer_config& l : c.layer) l.rope = layer_config::no_rope;
  for (const char* none : {"attention.head_count", "feed_forward_length"}) h.count_or(none, 0, 0, 0);
  c.pooling = pooling_config::read(h);
  return c;
}

decoder_config decoder_config::read(hyperparameters& h, rope_pairs order, norm_kind norm, std::size_t least) {
  decoder_config c = detail::read_sizes(h, norm);
  detail::read_layers(h, c, least);
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
  detail::read_sections(h, rope);
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

std::size_t decoder_config::read_head_dim(hyperparameters& h, std::string_view key, std::size_t fallback) {
  const std::size_t dim = h.count_or(key, fallback, 1, max_head_dim);
  if (dim % 2 != 0 || dim == 0 || dim > max_head_dim) {
    h.reject(key, "expected an even number of at most " + std::to_string(max_head_dim), std::to_string(dim));
  }
  return dim;
}

void decoder_config::read_experts(hyperparameters& h) {
  using gating = router_spec::gating;
  experts = h.count("expert_count", 1, h.limits().experts);
  detail::read_numbers_of_experts(h, *this);
  router.renormalized = h.flag_or("expert_weights_norm", router.renormalized);
  router.scale = h.factor_or("expert_weights_scale", router.scale);
  constexpr gating known[] = {gating::softmax, gating::sigmoid, gating::softmax_of_used};
  if (const std::size_t by = h.count_or("expert_gating_func", 0, 0, std::size(known)); by > 0) router.by = known[by - 1];
  detail::read_expert_groups(h, experts, router);
  expert_latent = h.count_or("moe_latent_size", 0, 0, h.limits().width);
  const std::size_t shared = h.count_or("expert_shared_count", 0, 0, h.limits().experts);
  const std::size_t wide = h.count_or("expert_shared_feed_forward_length", 0, 0, h.limits().hidden);
  shared_hidden = wide > 0 ? wide : shared * expert_hidden;
  if (shared_hidden > h.limits().hidden) {
    h.reject("expert_shared_count",
             "expected experts that are no wider than " + std::to_string(h.limits().hidden) + " together",
             std::to_string(shared));
  }
}
void decoder_config::read_experts_if_any(hyperparameters& h) {
  if (h.count_or("expert_count", 0, 0, h.limits().experts) == 0) return;
  read_experts(h);
  for (layer_config& l : layer) l.feed_forward = 1;
}
void decoder_config::read_experts_behind_dense(hyperparameters& h) {
  read_experts(h);
  const std::size_t dense = h.count_or("leading_dense_block_count", 0, 0, layers);
  const std::size_t each = h.count_or("interleave_moe_layer_step", 1, 1, h.limits().layers);
  for (std::size_t i = dense; i < layer.size(); ++i) layer[i].feed_forward = (i + 1) % each == 0 ? 1 : 0;
}

void decoder_config::read_latent(hyperparameters& h) {
  latent.query = h.count_or("attention.q_lora_rank", 0, 0, h.limits().width);
  latent.latent = h.count("attention.kv_lora_rank", 2, max_head_dim);
  latent.rotated = ropes[0].dimensions = h.count("rope.dimension_count", 2, max_head_dim);
  latent.absorbed = h.has("attention.key_length_mla");
  const char* of_keys = latent.absorbed ? "attention.key_length_mla" : "attention.key_length";
  const std::size_t keys = latent.absorbed ? h.count(of_keys, 1, max_head_dim) : layer[0].key_dim;
  latent.values = latent.absorbed ? h.count("attention.value_length_mla", 1, max_head_dim) : layer[0].value_dim;
  latent.plain = keys - std::min(keys, latent.rotated);
  if (latent.plain == 0) {
    h.reject(of_keys, "expected more than the " + std::to_string(latent.rotated) + " numbers that are rotated",
             std::to_string(keys));
  }
  const std::size_t kept = latent.latent + latent.rotated;
  if (latent.latent % 2 != 0 || kept > max_head_dim) {
    h.reject("attention.kv_lora_rank",
             "expected an even number, and with what is rotated at most " + std::to_string(max_head_dim),
             std::to_string(latent.latent));
  }
  if (latent.absorbed && layer[0].key_dim != kept)
    h.reject("attention.key_length", "expected " + std::to_string(kept), std::to_string(layer[0].key_dim));
  // YaRN's files state by how much it makes scores grow. Where they do not, its usual factor stands for that, and makes cosines
  // and sines grow too: so do the runtimes that such files were written for.
  const bool has_yarn = ropes[0].yarn.positions > 0;
  const float stated = has_yarn ? h.positive_or_zero("rope.scaling.yarn_log_multiplier", 0) : 0;
  const double grown =
      has_yarn ? fused(stated > 0 ? -double(stated) : -0.1, nibble::detail::portable_log(ropes[0].scale), 1.0) : 1;
  attention_scale = float(grown * grown / std::sqrt(double(latent.plain + latent.rotated)));
  ropes[0].magnitude = stated > 0 ? 1 : grown;
  for (const char* key : {"rope.scaling.attn_factor", "rope.scaling.yarn_attn_factor"}) {
    const float factor = h.factor_or(key, 1);
    if (factor != 1) h.reject(key, "expected 1, for scores are scaled instead of cosines and sines", std::to_string(factor));
  }
}

void decoder_config::read_shared_keys(hyperparameters& h, std::size_t fallback) {
  constexpr std::string_view key = "attention.shared_kv_layers";
  const std::size_t shared = h.count_or(key, fallback, 0, layers - 1), own = layers - shared;
  if (shared == 0) return;
  if (own < 2) return h.reject(key, "expected two layers with keys of their own", std::to_string(shared));
  for (std::size_t i = own; i < layers; ++i) layer[i].keys_of = own - (layer[i].sees_window() ? 2 : 1);
}
void decoder_config::need_feed_forwards(hyperparameters& h) const {
  for (const layer_config& l : layer)
    if (l.hidden == 0) return h.reject("feed_forward_length", "expected 1 or more", "0");
}

void decoder_config::read_query_temperature(hyperparameters& h) {
  query_temperature = h.positive_or_zero("attention.temperature_scale", 0);
  temperature_positions = h.count_or("attention.temperature_length", ropes[0].trained, 1, h.limits().context);
}
void decoder_config::scale_scores_by_width() noexcept { attention_scale = 1 / std::sqrt(float(width) / float(layer[0].heads)); }

void decoder_config::set_windows(std::size_t window, std::size_t period, std::size_t sees_all) {
  std::vector<bool> marked(layer.size());
  for (std::size_t i = 0; i < layer.size(); ++i) marked[i] = i % period != std::min(sees_all, period - 1);
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
rope_config decoder_config::read_window_rope(hyperparameters& h, std::size_t dim) const {
  constexpr std::string_view rotated = "rope.dimension_count_swa";
  rope_config r = ropes[0].unscaled();
  r.base = double(h.positive_or("rope.freq_base_swa", 1e4f));
  if (dim == 0) return r;
  r.dimensions = h.count_or(rotated, dim, 2, dim);
  if (r.dimensions % 2 != 0) h.reject(rotated, "expected an even number", std::to_string(r.dimensions));
  return r;
}
void decoder_config::turn_windows_alone() noexcept {
  for (layer_config& l : layer)
    if (!l.sees_window()) l.rope = layer_config::no_rope;
}
void decoder_config::see_both_ways(hyperparameters& h) {
  if (h.flag_or("attention.causal", false)) h.reject("attention.causal", "expected false, for this is an encoder", "true");
  pooling.only_hidden = true;
  for (layer_config& l : layer) {
    l.mask = l.sees_window() ? attention_mask::symmetric_window(l.mask.before + 1) : attention_mask::everything();
  }
}
void decoder_config::complete(hyperparameters& h) {
  if (pooling.only_hidden || h.flag_or("attention.causal", true)) return;
  for (const layer_config& l : layer) {
    if (!l.sees_window()) continue;
    return h.reject("attention.causal", "expected true, for layers see a window, and it is not known how far they look ahead",
                    "false");
  }
  see_both_ways(h);
}
void decoder_config::read_windows(hyperparameters& h, std::size_t window, std::size_t period, std::size_t sees_all) {
  constexpr std::string_view which = "attention.sliding_window_pattern";
  window = h.count_or("attention.sliding_window", window, 0, h.limits().context);
  if (const auto marked = h.flags_or_none(which, layers, drafts)) return set_windows(window, *marked);
  set_windows(window, h.count_or(which, period, 1, h.limits().layers), sees_all);
}

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
