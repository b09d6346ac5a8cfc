/// decoder: the forward pass of every model whose layers are norm, mixer, residual, norm, feed-forward, residual.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "nibble/core/type_list.hpp"
#include "nibble/layers/embedding.hpp"
#include "nibble/layers/rope.hpp"
#include "nibble/model/decoder/any_part.hpp"
#include "nibble/model/decoder/config.hpp"
#include "nibble/model/decoder/feed_forwards.hpp"
#include "nibble/model/decoder/self_attention.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Mixers and FeedForwards are the parts that an architecture names: no other is in its binary. A mixer has
///
///     M(decoder_config, layer, tensor_source&)
///     keeps()                                            what the layer keeps between tokens
///     forward(step, layer, context, input, rows, output) output: of `rows` only; what is kept: of all tokens
///
/// and a feed-forward F(decoder_config, layer, tensor_source&) and forward(step, layer, input, output).
template <class Mixers = type_list<self_attention>, class FeedForwards = type_list<gated_feed_forward>>
class decoder {
 public:
  using config = decoder_config;
  static constexpr bool gives_hidden = true;
  decoder(const config& c, tensor_source& t);

  std::vector<kv_shape> kv() const;
  /// Bytes that it has allocated; weights lie elsewhere.
  std::size_t memory_bytes() const noexcept;
  /// @shape   out (wanted rows, vocabulary or width), see step_output
  template <class Step>
  void forward(Step& s, activations out) const NIBBLE_NOEXCEPT;

 private:
  struct layer {
    norm_weights mixer_norm, mixer_post_norm, feed_forward_norm, feed_forward_post_norm;
    detail::any_part<Mixers> mixer;
    detail::any_part<FeedForwards> feed_forward;
  };
  static constexpr std::size_t most_ropes = 4;

  norm_weights norm_of(tensor_source& t, const std::string& at, std::string_view name) const;
  static layer_input input_of(activations x, const norm_weights& norm) noexcept {
    return norm.gain.empty() ? layer_input(x) : normed(x, norm);
  }
  template <class Step>
  activations forward_layer(Step& s, std::size_t i, const step_context& context, activations x, activations branch,
                            const step_rows& rows) const NIBBLE_NOEXCEPT;
  template <class Step>
  void mix(Step& s, std::size_t i, const step_context& context, const layer_input& x, const step_rows& rows,
           layer_output out) const NIBBLE_NOEXCEPT;
  template <class Step>
  void add_branch(Step& s, std::size_t i, activations y, activations h, const norm_weights& norm) const NIBBLE_NOEXCEPT;

  decoder_config config_;
  weight embedding_, output_;
  std::span<const float> output_bias_;
  norm_weights output_norm_;
  std::vector<rope> ropes_;
  std::vector<layer> layers_;
};

template <class Mixers, class FeedForwards>
decoder<Mixers, FeedForwards>::decoder(const decoder_config& c, tensor_source& t)
    : config_(c), embedding_(t.matrix("token_embd.weight", c.vocabulary, c.width)) {
  output_norm_ = norm_of(t, "", "output_norm");
  output_ = t.has("output.weight") ? t.matrix("output.weight", c.vocabulary, c.width) : embedding_;
  output_bias_ = t.vector_or_none("output.bias", c.vocabulary);
  if (const char* wrong = detail::wrong_with(c, Mixers::size, FeedForwards::size, most_ropes)) {
    t.reject("the decoder's description", wrong);
    return;
  }
  ropes_.reserve(c.ropes.size());
  for (const rope_config& r : c.ropes) {
    const auto factors = r.has_factors ? t.vector_or_none("rope_freqs.weight", r.dimensions / 2) : std::span<const float>();
    ropes_.emplace_back(r.dimensions, r.base, r.scale, r.order, factors);
  }
  layers_.reserve(c.layers);
  for (std::size_t i = 0; i < c.layers; ++i) {
    const std::string at = layer_prefix(i);
    const norm_weights mixer_norm = norm_of(t, at, c.mixer_norm);
    detail::any_part<Mixers> mixer(c.layer[i].mixer, c, i, t);
    const norm_weights mixer_post_norm = norm_of(t, at, c.mixer_post_norm);
    const norm_weights feed_forward_norm = norm_of(t, at, c.feed_forward_norm);
    detail::any_part<FeedForwards> feed_forward(c.layer[i].feed_forward, c, i, t);
    const norm_weights feed_forward_post_norm = norm_of(t, at, c.feed_forward_post_norm);
    layers_.push_back(
        {mixer_norm, mixer_post_norm, feed_forward_norm, feed_forward_post_norm, std::move(mixer), std::move(feed_forward)});
  }
}

template <class Mixers, class FeedForwards>
norm_weights decoder<Mixers, FeedForwards>::norm_of(tensor_source& t, const std::string& at, std::string_view name) const {
  if (name.empty()) return {};
  const std::string tensor = at + std::string(name);
  norm_weights norm{t.vector(tensor + ".weight", config_.width), {}, config_.eps, config_.norm};
  if (config_.norm == norm_kind::layer) norm.bias = t.vector_or_none(tensor + ".bias", config_.width);
  return norm;
}

template <class Mixers, class FeedForwards>
std::vector<kv_shape> decoder<Mixers, FeedForwards>::kv() const {
  std::vector<kv_shape> shapes;
  for (const layer& l : layers_) shapes.push_back(l.mixer.visit([](const auto& part) { return part.keeps(); }));
  return shapes;
}

template <class Mixers, class FeedForwards>
std::size_t decoder<Mixers, FeedForwards>::memory_bytes() const noexcept {
  using nibble::detail::heap_bytes, nibble::detail::heap_bytes_of;
  std::size_t bytes = config_.memory_bytes() + heap_bytes(ropes_) + heap_bytes(layers_);
  for (const rope& r : ropes_) bytes += r.memory_bytes();
  for (const layer& l : layers_) {
    bytes += l.mixer.visit([](const auto& part) { return heap_bytes_of(part); });
    bytes += l.feed_forward.visit([](const auto& part) { return heap_bytes_of(part); });
  }
  return bytes;
}

template <class Mixers, class FeedForwards>
template <class Step>
void decoder<Mixers, FeedForwards>::forward(Step& s, activations out) const NIBBLE_NOEXCEPT {
  activations x = s.scratch(config_.width);
  const activations branch = s.scratch(config_.width);
  std::array<rope_angles, most_ropes> angles;
  {
    const auto watched = s.watch(operation::embedding, 0);
    for (std::size_t i = 0; i < ropes_.size(); ++i) angles[i] = ropes_[i].angles(s, s.positions());
    embed(s, embedding_, s.ids(), x);
    scale(s, x, config_.embedding_scale);
  }
  const step_context context{ropes_, angles};
  for (std::size_t i = 0; i < layers_.size() && !s.cancelled(); ++i) {
    x = forward_layer(s, i, context, x, branch, i + 1 == layers_.size() ? s.wanted() : s.all());
  }
  if (s.wanted().count == 0 || s.cancelled()) return;
  const auto watched = s.watch(operation::output, 0);
  if (s.output() == step_output::hidden) return apply(s, output_norm_, x, out);
  linear(s, normed(x, output_norm_), {{output_, out}});
  add_bias(s, out, output_bias_);
  scale(s, out, config_.logit_scale);
  softcap(s, out, config_.output_softcap);
}

/// One layer. Of the last, only the wanted rows are more than keys, values and states. @returns its output, (rows.count, width)
template <class Mixers, class FeedForwards>
template <class Step>
activations decoder<Mixers, FeedForwards>::forward_layer(Step& s, std::size_t i, const step_context& context, activations x,
                                                         activations branch, const step_rows& rows) const NIBBLE_NOEXCEPT {
  const layer& l = layers_[i];
  const activations y = s.pick(rows, x), h = branch.range(0, rows.count);
  if (config_.parallel) {
    const norm_weights& norm = l.feed_forward_norm.gain.empty() ? l.mixer_norm : l.feed_forward_norm;
    mix(s, i, context, input_of(x, l.mixer_norm), rows, h);
    if (rows.count == 0) return y;
    l.feed_forward.visit([&](const auto& part) { part.forward(s, i, input_of(y, norm), added_to(y)); });
    add_branch(s, i, y, h, {});
    return y;
  }
  // What a part gives is added to y at once, or by way of h where it is normed or scaled before.
  const auto target = [&](const norm_weights& post_norm) {
    return post_norm.gain.empty() && config_.residual_scale == 1 ? added_to(y) : layer_output(h);
  };
  const auto add = [&](const layer_output& given, const norm_weights& post_norm) {
    if (given.how == epilogue::replace) add_branch(s, i, y, h, post_norm);
  };
  const layer_output mixed = target(l.mixer_post_norm), fed = target(l.feed_forward_post_norm);
  mix(s, i, context, input_of(x, l.mixer_norm), rows, mixed);
  if (rows.count == 0) return y;
  add(mixed, l.mixer_post_norm);
  l.feed_forward.visit([&](const auto& part) { part.forward(s, i, input_of(y, l.feed_forward_norm), fed); });
  add(fed, l.feed_forward_post_norm);
  return y;
}

template <class Mixers, class FeedForwards>
template <class Step>
void decoder<Mixers, FeedForwards>::mix(Step& s, std::size_t i, const step_context& context, const layer_input& x,
                                        const step_rows& rows, layer_output out) const NIBBLE_NOEXCEPT {
  layers_[i].mixer.visit([&](const auto& mixer) { mixer.forward(s, i, context, x, rows, out); });
}

/// y += scale * norm(h)
template <class Mixers, class FeedForwards>
template <class Step>
void decoder<Mixers, FeedForwards>::add_branch(Step& s, std::size_t i, activations y, activations h,
                                               const norm_weights& norm) const NIBBLE_NOEXCEPT {
  const auto watched = s.watch(operation::residual, i);
  nibble::add_branch(s, y, h, norm.gain.empty() ? nullptr : &norm, config_.residual_scale);
}

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
