/// Definitions of model/decoder/decoder.hpp, compiled once: see nibble/compile.hpp.
#pragma once

#include <array>
#include <cmath>
#include <utility>

#include "nibble/core/fused.hpp"
#include "nibble/core/portable_math.hpp"
#include "nibble/layers/embedding.hpp"
#include "nibble/model/decoder/decoder.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

namespace detail {
norm_weights norm_of(const decoder_config& c, tensor_source& t, const std::string& at, std::string_view name, float eps) {
  if (name.empty()) return {};
  const std::string tensor = at + std::string(name);
  const std::string gain = name.ends_with('.') ? tensor.substr(0, tensor.size() - 1) : tensor + ".weight";
  norm_weights norm{{}, {}, eps > 0 ? eps : c.eps, c.norm};
  norm.gain = name == decoder_config::unit_norm ? t.ones(c.width) : t.vector(gain, c.width);
  if (c.norm == norm_kind::layer) norm.bias = bias_of(c, t, tensor + ".bias", c.width);
  return norm;
}
}  // namespace detail

any_decoder::any_decoder(const decoder_config& c, tensor_source& t, std::span<const detail::part_maker<any_mixer>> mixers,
                         std::span<const detail::part_maker<any_feed_forward>> feed_forwards)
    : config_(c), embedding_(t.matrix("token_embd.weight", c.vocabulary, c.width)) {
  if (c.learned_positions) position_embedding_ = t.matrix("position_embd.weight", c.context, c.width);
  constexpr std::string_view types = "token_types.weight";
  if (c.token_types == 1 && t.rows_of(types) > 1) {
    t.reject(types,
             "one row, for key 'tokenizer.ggml.token_type_count' is 1 or missing; found " + std::to_string(t.rows_of(types)));
  }
  if (c.token_types > 1 || (c.token_types == 1 && t.has(types))) token_types_ = t.matrix(types, c.token_types, c.width);
  embedding_norm_ = detail::norm_of(c, t, "", c.embedding_norm);
  output_norm_ = detail::norm_of(c, t, "", c.output_norm);
  if (!c.pooling.only_hidden) {
    output_ = t.has("output.weight") ? t.matrix("output.weight", c.vocabulary, c.width) : embedding_;
    output_bias_ = c.output_bias ? t.vector("output.bias", c.vocabulary) : t.vector_or_none("output.bias", c.vocabulary);
  }
  if (c.pooling.only_hidden) t.ignore("output.");
  if (const char* wrong = detail::wrong_with(c, mixers.size(), feed_forwards.size(), rotations::most)) {
    t.reject("the decoder's description", wrong);
    return;
  }
  rotations_ = rotations(c, t);
  layers_.reserve(c.layers);
  for (std::size_t i = 0; i < c.layers; ++i) {
    layers_.push_back(make_layer(i, t, mixers[c.layer[i].mixer], feed_forwards[c.layer[i].feed_forward]));
  }
  const auto kept = kv();
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (kept[i].heads > 0 || kept[i].state > 0) last_keeping_ = i;
    if (c.layer[i].mask.after > 0 && kept[i].state > 0) {
      t.reject(layer_prefix(i), "a mixer that sees what is behind a token, for attention.causal is false");
    }
  }
  // A block that has nothing to draft with is a layer of the pass: what is in there is refused, as nobody reads it.
  bool drafting = true;
  for (std::size_t i = 0; i < c.drafts; ++i) drafting = drafting && t.has(layer_prefix(c.layers + i) + "nextn.eh_proj.weight");
  if (drafting) t.ignore_layers(c.layers, c.drafts);
}
any_decoder::~any_decoder() = default;

any_decoder::layer any_decoder::make_layer(std::size_t i, tensor_source& t, detail::part_maker<any_mixer> mixer,
                                           detail::part_maker<any_feed_forward> feed_forward) const {
  const decoder_config& c = config_;
  const std::string at = layer_prefix(i);
  if (c.parallel && !(mixer && feed_forward)) t.reject(at, "two branches side by side");
  layer l;
  if (mixer) {
    if (c.layer[i].mixer_normed) l.mixer_norm = detail::norm_of(c, t, at, c.mixer_norm);
    l.mixer = mixer(c, i, t);
    l.mixer_post_norm = detail::norm_of(c, t, at, c.mixer_post_norm, c.post_eps);
    l.mixer_sum_norm = detail::norm_of(c, t, at, c.mixer_sum_norm);
  }
  if (feed_forward) {
    l.feed_forward_norm = detail::norm_of(c, t, at, c.feed_forward_norm);
    l.feed_forward = feed_forward(c, i, t);
    l.feed_forward_post_norm = detail::norm_of(c, t, at, c.feed_forward_post_norm, c.post_eps);
    l.feed_forward_sum_norm = detail::norm_of(c, t, at, c.feed_forward_sum_norm);
  }
  return l;
}

std::vector<kv_shape> any_decoder::kv() const {
  std::vector<kv_shape> shapes;
  for (const layer& l : layers_) shapes.push_back(l.mixer ? l.mixer->keeps() : kv_shape());
  return shapes;
}

std::size_t any_decoder::memory_bytes() const noexcept {
  std::size_t bytes = config_.memory_bytes() + rotations_.memory_bytes() + nibble::detail::heap_bytes(layers_);
  for (const layer& l : layers_) {
    if (l.mixer) bytes += l.mixer->memory_bytes();
    if (l.feed_forward) bytes += l.feed_forward->memory_bytes();
  }
  return bytes;
}

void any_decoder::forward(step& s, const around_layers* around, activations out) const NIBBLE_NOEXCEPT {
  activations x = s.scratch(config_.width);
  const activations branch = s.scratch(config_.width);
  std::array<rope_angles, rotations::most> angles, near_angles;
  activations query_scales;
  {
    const auto watched = s.watch(operation::embedding, 0);
    angles = rotations_.angles(s, s.positions());
    if (s.forgets()) near_angles = rotations_.angles(s, s.near_positions());
    query_scales = query_scales_of(s);
    take_in(s, x, branch);
  }
  const step_context context{rotations_.ropes(), angles, query_scales, near_angles};
  const activations prepared = around ? around->begin(s, x) : activations();
  for (std::size_t i = 0; i < layers_.size() && !s.cancelled(); ++i) {
    const step_rows rows = i >= last_keeping_ ? s.wanted() : s.all();
    x = config_.parallel ? forward_parallel(s, i, context, x, branch, rows) : forward_layer(s, i, context, x, branch, rows);
    if (rows.count == 0) return;
    if (around) around->end_layer(s, i, prepared, rows, x);
    s.steer(i, x);
  }
  if (s.cancelled()) return;
  const auto watched = s.watch(operation::output, 0);
  if (s.output() == step_output::hidden) return give_hidden(s, x, out);
  if (s.keep().tokens > 0) give_hidden(s, x, s.keep());
  give_logits(s, detail::input_of(x, output_norm_), output_, out);
}

/// What logits are made of.
void any_decoder::give_hidden(step& s, activations x, activations out) const NIBBLE_NOEXCEPT {
  output_norm_.gain.empty() ? copy(s, x, out) : apply(s, output_norm_, x, out);
}

/// @param   output  the decoder's, or that of a block behind its layers
void any_decoder::give_logits(step& s, const layer_input& x, const weight& output, activations out) const NIBBLE_NOEXCEPT {
  linear(s, x, {{output, out}});
  add_bias(s, out, output_bias_);
  scale(s, out, config_.logit_scale);
  softcap(s, out, config_.output_softcap);
}

/// Embeddings, with those of positions and token types and a norm where a model has them.
void any_decoder::take_in(step& s, activations x, activations room) const NIBBLE_NOEXCEPT {
  embed(s, embedding_, s.ids(), x);
  scale(s, x, config_.embedding_scale);
  if (!position_embedding_.empty()) {
    embed_positions(s, position_embedding_, s.positions(), room);
    nibble::add(s, x, room);
  }
  if (!token_types_.empty()) {
    const activations type = room.range(0, 1);
    s.for_each(1, [&](std::size_t) { token_types_.decode_row(s.kernels(), 0, type.data); });
    add_bias(s, x, {type.data, type.width});
  }
  if (!embedding_norm_.gain.empty()) apply(s, embedding_norm_, x, x);
}

activations any_decoder::query_scales_of(step& s) const NIBBLE_NOEXCEPT {
  if (config_.query_temperature == 0) return {};
  const activations out = s.scratch(1);
  s.for_each_range(s.tokens(), 1024, [&](std::size_t begin, std::size_t end) {
    for (std::size_t t = begin; t < end; ++t) {
      const double turns = double(s.near_positions()[t] / config_.temperature_positions);
      *out.row(t) = static_cast<float>(fused(double(config_.query_temperature), nibble::detail::portable_log(1 + turns), 1.0));
    }
  });
  return out;
}

/// One layer. From the last on that keeps something, only the wanted rows are more than keys, values and states.
/// @shape   x (tokens, width), or behind that layer (rows.count, width)
/// @returns its output, (rows.count, width)
activations any_decoder::forward_layer(step& s, std::size_t i, const step_context& context, activations x, activations branch,
                                       const step_rows& rows) const NIBBLE_NOEXCEPT {
  const layer& l = layers_[i];
  const activations y = s.pick(rows, x), h = branch.range(0, rows.count);
  // What a part gives is added to y at once, or by way of h where it is normed or scaled before.
  const auto target = [&](const norm_weights& post_norm) {
    return post_norm.gain.empty() && config_.residual_scale == 1 ? added_to(y) : layer_output(h);
  };
  const auto add = [&](const layer_output& given, const norm_weights& post_norm, const norm_weights& sum_norm) {
    if (given.how == epilogue::replace) add_branch(s, i, y, h, post_norm);
    if (sum_norm.gain.empty()) return;
    const auto watched = s.watch(operation::residual, i);
    apply(s, sum_norm, y, y);
  };
  const layer_output mixed = target(l.mixer_post_norm), fed = target(l.feed_forward_post_norm);
  if (l.mixer) l.mixer->forward(s, i, context, detail::input_of(x, l.mixer_norm), rows, mixed);
  if (rows.count == 0) return y;
  if (config_.mixer_post_norm_of_sum && mixed.how == epilogue::replace) nibble::add(s, h, y);
  if (l.mixer) add(mixed, l.mixer_post_norm, l.mixer_sum_norm);
  if (!l.feed_forward) return y;
  l.feed_forward->forward(s, i, detail::input_of(y, l.feed_forward_norm), fed);
  add(fed, l.feed_forward_post_norm, l.feed_forward_sum_norm);
  return y;
}

/// One layer whose two parts stand side by side.
activations any_decoder::forward_parallel(step& s, std::size_t i, const step_context& context, activations x,
                                          activations branch, const step_rows& rows) const NIBBLE_NOEXCEPT {
  const layer& l = layers_[i];
  const activations y = s.pick(rows, x), h = branch.range(0, rows.count);
  const norm_weights& norm = l.feed_forward_norm.gain.empty() ? l.mixer_norm : l.feed_forward_norm;
  l.mixer->forward(s, i, context, detail::input_of(x, l.mixer_norm), rows, h);
  if (rows.count == 0) return y;
  l.feed_forward->forward(s, i, detail::input_of(y, norm), added_to(y));
  add_branch(s, i, y, h, {});
  return y;
}

/// y += scale * norm(h)
void any_decoder::add_branch(step& s, std::size_t i, activations y, activations h,
                             const norm_weights& norm) const NIBBLE_NOEXCEPT {
  const auto watched = s.watch(operation::residual, i);
  nibble::add_branch(s, y, h, norm.gain.empty() ? nullptr : &norm, config_.residual_scale);
}

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
