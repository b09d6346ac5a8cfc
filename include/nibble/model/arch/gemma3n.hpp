/// gemma3n: Gemma 3n E2B and E4B, Google's models for devices.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/layers/embedding.hpp"
#include "nibble/model/decoder/alternating_updates.hpp"
#include "nibble/model/decoder/per_layer_input.hpp"
#include "nibble/model/decoder/rotations.hpp"
#include "nibble/model/decoder/self_attention.hpp"
#include "nibble/model/decoder/sparse_feed_forward.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Four streams, of which a layer works on the first; a product of low rank beside each attention; inputs of each layer; few of
/// the hidden numbers of the first layers stay. Attention is that of gemma4, and the last layers read keys of others.
/// @source  Gemma Team 2025, "Gemma 3n"
class gemma3n {
 public:
  static constexpr std::string_view name = "gemma3n";
  static constexpr bool gives_hidden = true;
  using config = decoder_config;

  static config read(hyperparameters& h);
  gemma3n(const config& c, tensor_source& t);

  std::vector<kv_shape> kv() const;
  std::size_t memory_bytes() const noexcept;
  void forward(step& s, activations out) const NIBBLE_NOEXCEPT;

 private:
  static constexpr std::size_t sparse_layers = 10, layers_with_keys = 20;
  static constexpr std::size_t most_rank = 4096;
  static constexpr double sparse_deviations = 1.6448533535003662;  // 95% of a normal distribution are below

  struct layer {
    alternating_updates updates;
    self_attention attention;
    sparse_feed_forward feed_forward;
    norm_weights norm, post_norm, low_rank_norm, feed_forward_norm, feed_forward_post_norm;
    weight low_rank_down, low_rank_up;
  };
  layer make_layer(std::size_t i, tensor_source& t) const;
  void forward_layer(step& s, std::size_t i, const step_context& context, activations active, const step_rows& rows,
                     activations found) const NIBBLE_NOEXCEPT;

  config config_;
  weight embedding_;
  parallel_streams streams_;
  norm_weights output_norm_;
  rotations rotations_;
  per_layer_input inputs_;
  std::vector<layer> layers_;
  std::size_t last_with_keys_ = 0;  // no layer behind it has keys and values of its own
};

inline decoder_config gemma3n::read(hyperparameters& h) {
  config c = config::read(h);
  c.embedding_scale = std::sqrt(float(c.width));
  c.attention_scale = 1;
  c.gate = activation::gelu_tanh;
  c.head_norms = head_norm::shared;
  c.value_norm = true;
  c.output_softcap = h.positive_or_zero("final_logit_softcapping", 30);
  c.input_dim = h.count("embedding_length_per_layer_input", 1, h.limits().width);
  h.ignore("activation_sparsity_scale");
  h.need("attention.sliding_window");
  c.read_windows(h, 0, 5);
  c.turn_windows_by(c.read_window_rope(h));
  c.read_shared_keys(h, c.layers - std::min(c.layers, layers_with_keys));
  return c;
}

inline gemma3n::gemma3n(const config& c, tensor_source& t)
    : config_(c),
      embedding_(t.matrix("token_embd.weight", c.vocabulary, c.width)),
      streams_(c, t),
      rotations_(c, t),
      inputs_(c, t) {
  output_norm_ = {t.vector("output_norm.weight", c.width), {}, c.eps, c.norm};
  layers_.reserve(c.layers);
  for (std::size_t i = 0; i < c.layers; ++i) layers_.push_back(make_layer(i, t));
  for (std::size_t i = 0; i < c.layers; ++i)
    if (c.layer[i].keys_of == layer_config::own_keys) last_with_keys_ = i;
}

inline gemma3n::layer gemma3n::make_layer(std::size_t i, tensor_source& t) const {
  const config& c = config_;
  const std::string at = layer_prefix(i);
  const std::size_t rank = t.rows_of(at + "laurel_l.weight");
  if (rank > most_rank) t.reject(at + "laurel_l.weight", "at most " + std::to_string(most_rank) + " rows");
  const auto norm = [&](const char* its_name) { return norm_weights{t.vector(at + its_name, c.width), {}, c.eps, c.norm}; };
  return {.updates = alternating_updates(c, i, t),
          .attention = self_attention(c, i, t),
          .feed_forward = sparse_feed_forward(c, i, t, i < sparse_layers ? sparse_deviations : 0),
          .norm = norm("attn_norm.weight"),
          .post_norm = norm("post_attention_norm.weight"),
          .low_rank_norm = norm("laurel_post_norm.weight"),
          .feed_forward_norm = norm("ffn_norm.weight"),
          .feed_forward_post_norm = norm("post_ffw_norm.weight"),
          .low_rank_down = t.matrix(at + "laurel_l.weight", rank, c.width),
          .low_rank_up = t.matrix(at + "laurel_r.weight", c.width, rank)};
}

inline std::vector<kv_shape> gemma3n::kv() const {
  std::vector<kv_shape> shapes;
  for (const layer& l : layers_) shapes.push_back(l.attention.keeps());
  return shapes;
}
inline std::size_t gemma3n::memory_bytes() const noexcept {
  using nibble::detail::heap_bytes;
  return config_.memory_bytes() + rotations_.memory_bytes() + heap_bytes(layers_) + inputs_.memory_bytes();
}

inline void gemma3n::forward(step& s, activations out) const NIBBLE_NOEXCEPT {
  alternating_updates::streams x, predicted;
  for (std::size_t a = 0; a < x.size(); ++a) x[a] = s.scratch(config_.width), predicted[a] = s.scratch(config_.width);
  activations found = s.scratch(config_.width);
  std::array<rope_angles, rotations::most> angles, near_angles;
  {
    const auto watched = s.watch(operation::embedding, 0);
    angles = rotations_.angles(s, s.positions());
    if (s.forgets()) near_angles = rotations_.angles(s, s.near_positions());
    embed(s, embedding_, s.ids(), x[0]);
    scale(s, x[0], config_.embedding_scale);
    streams_.begin(s, x);
  }
  const auto inputs = inputs_.begin(s, x[0]);
  const step_context context{rotations_.ropes(), angles, {}, near_angles};
  for (std::size_t i = 0; i < layers_.size() && !s.cancelled(); ++i) {
    const alternating_updates& updates = layers_[i].updates;
    const step_rows rows = i >= last_with_keys_ ? s.wanted() : s.all();
    updates.predict(s, x, predicted);
    found = found.range(0, rows.count);
    forward_layer(s, i, context, predicted[0], rows, found);
    if (rows.count == 0) return;
    for (std::size_t a = 0; a < x.size(); ++a) {
      predicted[a] = s.pick(rows, predicted[a]), x[a] = x[a].range(0, rows.count);
    }
    updates.correct(s, predicted, found, x);
    copy(s, x[0], found);
    nibble::detail::for_each_token(s, found, [&](std::size_t t) {
      for (std::size_t k = 0; k < found.width; ++k) found.row(t)[k] *= updates.output_scale()[k];
    });
    const bool all = rows.count == inputs.tokens;
    inputs_.input_of(s, i, all ? inputs : inputs.subset(rows.of_tokens.data(), rows.count), found, predicted[0]);
    for (std::size_t a = 1; a < x.size(); ++a) add(s, x[a], predicted[0]);
  }
  if (s.cancelled()) return;
  const auto watched = s.watch(operation::output, 0);
  streams_.merge(s, x, found, predicted[0]);
  if (s.output() == step_output::hidden) return apply(s, output_norm_, found, out);
  linear(s, normed(found, output_norm_), {{embedding_, out}});
  softcap(s, out, config_.output_softcap);
}

/// found = a + norm(feed_forward(norm(a))), where a is made of the input, attention, and what is beside it.
/// @shape   active (tokens, width), or behind the last layer with keys (rows.count, width); found (rows.count, width)
inline void gemma3n::forward_layer(step& s, std::size_t i, const step_context& context, activations active,
                                   const step_rows& rows, activations found) const NIBBLE_NOEXCEPT {
  const scratch_scope scope(s);
  const layer& l = layers_[i];
  const activations normed_active = s.compute::scratch(active.tokens, active.width),
                    h = s.compute::scratch(rows.count, active.width),
                    low = s.compute::scratch(rows.count, l.low_rank_down.rows());
  apply(s, l.norm, active, normed_active);
  l.attention.forward(s, i, context, normed_active, rows, h);
  if (rows.count == 0) return;
  const activations n = s.pick(rows, normed_active);
  copy(s, s.pick(rows, active), found);
  add_branch(s, found, h, &l.post_norm, 1);
  linear(s, n, {{l.low_rank_down, low}});
  linear(s, low, {{l.low_rank_up, h}});
  add(s, found, n);
  add_branch(s, found, h, &l.low_rank_norm, 1);
  scale(s, found, std::numbers::sqrt2_v<float> / 2);
  l.feed_forward.forward(s, i, normed(found, l.feed_forward_norm), h);
  add_branch(s, found, h, &l.feed_forward_post_norm, 1);
}

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
