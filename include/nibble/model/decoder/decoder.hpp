/// decoder: the forward pass of every model whose layers are norm, mixer, residual, norm, feed-forward, residual.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "nibble/core/type_list.hpp"
#include "nibble/layers/embedding.hpp"
#include "nibble/layers/rope.hpp"
#include "nibble/model/decoder/config.hpp"
#include "nibble/model/decoder/feed_forwards.hpp"
#include "nibble/model/decoder/self_attention.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

namespace detail {
/// One of some kinds of part, chosen by an index when it is made. std::visit would end the host over an empty variant where
/// exceptions are off; this one is never empty.
template <class List>
class any_part;
template <class... Parts>
class any_part<type_list<Parts...>> {
 public:
  any_part(std::size_t kind, const decoder_config& c, std::size_t layer, tensor_source& t)
      : part_(make<0>(kind, c, layer, t)) {}

  template <class F>
  decltype(auto) visit(F&& f) const {
    return visit_from<0>(std::forward<F>(f));
  }

 private:
  using variant = std::variant<Parts...>;

  template <std::size_t Index>
  static variant make(std::size_t kind, const decoder_config& c, std::size_t layer, tensor_source& t) {
    if constexpr (Index + 1 < sizeof...(Parts)) {
      if (kind != Index) return make<Index + 1>(kind, c, layer, t);
    }
    return variant(std::in_place_index<Index>, c, layer, t);
  }
  template <std::size_t Index, class F>
  decltype(auto) visit_from(F&& f) const {
    if constexpr (Index + 1 < sizeof...(Parts)) {
      if (part_.index() != Index) return visit_from<Index + 1>(std::forward<F>(f));
    }
    return std::forward<F>(f)(*std::get_if<Index>(&part_));
  }

  variant part_;
};
}  // namespace detail

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
  decoder(const decoder_config& c, tensor_source& t);

  std::vector<kv_shape> kv() const;
  /// @shape   out (wanted rows, vocabulary or width), see step_output
  template <class Step>
  void forward(Step& s, activations out) const noexcept;

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
                            const step_rows& rows) const noexcept;

  decoder_config config_;
  weight embedding_, output_;
  norm_weights output_norm_;
  std::vector<rope> ropes_;
  std::vector<layer> layers_;
};

template <class Mixers, class FeedForwards>
decoder<Mixers, FeedForwards>::decoder(const decoder_config& c, tensor_source& t)
    : config_(c), embedding_(t.matrix("token_embd.weight", c.vocabulary, c.width)) {
  output_norm_ = norm_of(t, "", "output_norm");
  output_ = t.has("output.weight") ? t.matrix("output.weight", c.vocabulary, c.width) : embedding_;
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
    layers_.push_back({mixer_norm, mixer_post_norm, feed_forward_norm, feed_forward_post_norm, std::move(mixer),
                       std::move(feed_forward)});
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
template <class Step>
void decoder<Mixers, FeedForwards>::forward(Step& s, activations out) const noexcept {
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
  scale(s, out, config_.logit_scale);
  softcap(s, out, config_.output_softcap);
}

/// One layer. Of the last, only the wanted rows are more than keys, values and states. @returns its output, (rows.count, width)
template <class Mixers, class FeedForwards>
template <class Step>
activations decoder<Mixers, FeedForwards>::forward_layer(Step& s, std::size_t i, const step_context& context, activations x,
                                                         activations branch, const step_rows& rows) const noexcept {
  const layer& l = layers_[i];
  const activations y = s.pick(rows, x), h = branch.range(0, rows.count);
  // What a part adds to y, at once, or by way of h where it is normed or scaled before.
  const bool scaled = config_.residual_scale != 1;
  const bool mixer_apart = scaled || config_.parallel || !l.mixer_post_norm.gain.empty();
  const bool feed_forward_apart = scaled || !l.feed_forward_post_norm.gain.empty();
  const auto add_to_y = [&](const norm_weights& norm) {
    add_branch(s, y, h, norm.gain.empty() ? nullptr : &norm, config_.residual_scale);
  };

  l.mixer.visit([&](const auto& mixer) {
    mixer.forward(s, i, context, input_of(x, l.mixer_norm), rows, mixer_apart ? layer_output(h) : added_to(y));
  });
  if (rows.count == 0) return y;
  if (mixer_apart && !config_.parallel) add_to_y(l.mixer_post_norm);
  l.feed_forward.visit([&](const auto& part) {
    const norm_weights& norm = config_.parallel && l.feed_forward_norm.gain.empty() ? l.mixer_norm : l.feed_forward_norm;
    part.forward(s, i, input_of(y, norm), feed_forward_apart && !config_.parallel ? layer_output(h) : added_to(y));
  });
  if (config_.parallel) {
    add_to_y(l.mixer_post_norm);
  } else if (feed_forward_apart) {
    add_to_y(l.feed_forward_post_norm);
  }
  return y;
}

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
