/// decoder: the forward pass of every model whose layers are norm, mixer, residual, norm, feed-forward, residual.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "nibble/core/portable_math.hpp"
#include "nibble/core/type_list.hpp"
#include "nibble/layers/embedding.hpp"
#include "nibble/layers/rope.hpp"
#include "nibble/model/decoder/any_part.hpp"
#include "nibble/model/decoder/config.hpp"
#include "nibble/model/decoder/draft_context.hpp"
#include "nibble/model/decoder/expert_feed_forward.hpp"
#include "nibble/model/decoder/feed_forwards.hpp"
#include "nibble/model/decoder/rotations.hpp"
#include "nibble/model/decoder/self_attention.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// What a decoder does before its first layer and at the end of each: nothing.
struct nothing_around {
  struct prepared {};
  nothing_around(const decoder_config&, tensor_source&) noexcept {}
  /// @shape   x (tokens, width): the embeddings
  template <class Step>
  prepared begin(Step&, activations) const noexcept {
    return {};
  }
  /// @shape   y (rows.count, width): a layer's output, which may be changed
  template <class Step>
  void end_layer(Step&, std::size_t, const prepared&, const step_rows&, activations) const noexcept {}
};

/// Mixers and FeedForwards are the parts that an architecture names: no other is in its binary. A mixer has
///
///     M(decoder_config, layer, tensor_source&)
///     keeps()                                            what the layer keeps between tokens
///     forward(step, layer, context, input, rows, output) output: of `rows` only; what is kept: of all tokens
///
/// and a feed-forward F(decoder_config, layer, tensor_source&) and forward(step, layer, input, output). no_part is either.
/// Around is what else happens, see nothing_around.
template <class Mixers = type_list<self_attention>, class FeedForwards = type_list<gated_feed_forward>,
          class Around = nothing_around>
class decoder {
 public:
  using config = decoder_config;
  using mixers = Mixers;
  using feed_forwards = FeedForwards;
  static constexpr bool gives_hidden = true;
  decoder(const config& c, tensor_source& t);

  std::vector<kv_shape> kv() const;
  /// Bytes that it has allocated; weights lie elsewhere.
  std::size_t memory_bytes() const noexcept;
  /// @shape   out (wanted rows, vocabulary or width), see step_output
  template <class Step>
  void forward(Step& s, activations out) const NIBBLE_NOEXCEPT;

 protected:
  /// What a block behind the layers shares with them.
  draft_context shared() const noexcept { return {embedding_, output_, rotations_.ropes()}; }

 private:
  struct layer {
    norm_weights mixer_norm, mixer_post_norm, mixer_sum_norm;
    norm_weights feed_forward_norm, feed_forward_post_norm, feed_forward_sum_norm;
    detail::any_part<Mixers> mixer;
    detail::any_part<FeedForwards> feed_forward;
  };

  norm_weights norm_of(tensor_source& t, const std::string& at, std::string_view name, float eps = 0) const;
  static layer_input input_of(activations x, const norm_weights& norm) noexcept {
    return norm.gain.empty() ? layer_input(x) : normed(x, norm);
  }
  template <class Step>
  void take_in(Step& s, activations x, activations room) const NIBBLE_NOEXCEPT;
  template <class Step>
  activations query_scales_of(Step& s) const NIBBLE_NOEXCEPT;
  template <class Step>
  activations forward_layer(Step& s, std::size_t i, const step_context& context, activations x, activations branch,
                            const step_rows& rows) const NIBBLE_NOEXCEPT;
  template <class Step>
  void mix(Step& s, std::size_t i, const step_context& context, const layer_input& x, const step_rows& rows,
           layer_output out) const NIBBLE_NOEXCEPT;
  template <class Step>
  void add_branch(Step& s, std::size_t i, activations y, activations h, const norm_weights& norm) const NIBBLE_NOEXCEPT;

  decoder_config config_;
  weight embedding_, position_embedding_, token_types_, output_;
  std::span<const float> output_bias_;
  norm_weights embedding_norm_, output_norm_;
  rotations rotations_;
  std::vector<layer> layers_;
  [[no_unique_address]] Around around_;
};

template <class Mixers, class FeedForwards, class Around>
decoder<Mixers, FeedForwards, Around>::decoder(const decoder_config& c, tensor_source& t)
    : config_(c), embedding_(t.matrix("token_embd.weight", c.vocabulary, c.width)), around_(c, t) {
  if (c.learned_positions) position_embedding_ = t.matrix("position_embd.weight", c.context, c.width);
  if (c.token_types > 0) token_types_ = t.matrix("token_types.weight", c.token_types, c.width);
  embedding_norm_ = norm_of(t, "", c.embedding_norm);
  output_norm_ = norm_of(t, "", c.output_norm);
  if (!c.pooling.only_hidden) {
    output_ = t.has("output.weight") ? t.matrix("output.weight", c.vocabulary, c.width) : embedding_;
    output_bias_ = t.vector_or_none("output.bias", c.vocabulary);
  }
  if (const char* wrong = detail::wrong_with(c, Mixers::size, FeedForwards::size, rotations::most)) {
    t.reject("the decoder's description", wrong);
    return;
  }
  rotations_ = rotations(c, t);
  layers_.reserve(c.layers);
  for (std::size_t i = 0; i < c.layers; ++i) {
    const std::string at = layer_prefix(i);
    const layer_config& l = c.layer[i];
    const bool mixes = detail::any_part<Mixers>::is_there(l.mixer),
               feeds = detail::any_part<FeedForwards>::is_there(l.feed_forward);
    if (c.parallel && !(mixes && feeds)) t.reject(at, "two branches side by side");
    const auto norm = [&](bool there, std::string_view name, float eps) {
      return there ? norm_of(t, at, name, eps) : norm_weights{};
    };
    const norm_weights mixer_norm = norm(mixes && l.mixer_normed, c.mixer_norm, 0);
    detail::any_part<Mixers> mixer(l.mixer, c, i, t);
    const norm_weights mixer_post_norm = norm(mixes, c.mixer_post_norm, c.post_eps);
    const norm_weights mixer_sum_norm = norm(mixes, c.mixer_sum_norm, 0);
    const norm_weights feed_forward_norm = norm(feeds, c.feed_forward_norm, 0);
    detail::any_part<FeedForwards> feed_forward(l.feed_forward, c, i, t);
    const norm_weights feed_forward_post_norm = norm(feeds, c.feed_forward_post_norm, c.post_eps);
    const norm_weights feed_forward_sum_norm = norm(feeds, c.feed_forward_sum_norm, 0);
    layers_.push_back({mixer_norm, mixer_post_norm, mixer_sum_norm, feed_forward_norm, feed_forward_post_norm,
                       feed_forward_sum_norm, std::move(mixer), std::move(feed_forward)});
  }
  for (std::size_t i = 0; i < c.drafts; ++i) t.ignore(layer_prefix(c.layers + i));
}

template <class Mixers, class FeedForwards, class Around>
norm_weights decoder<Mixers, FeedForwards, Around>::norm_of(tensor_source& t, const std::string& at, std::string_view name,
                                                            float eps) const {
  if (name.empty()) return {};
  const std::string tensor = at + std::string(name);
  const std::string gain = name.ends_with('.') ? tensor.substr(0, tensor.size() - 1) : tensor + ".weight";
  norm_weights norm{{}, {}, eps > 0 ? eps : config_.eps, config_.norm};
  norm.gain = name == config::unit_norm ? t.ones(config_.width) : t.vector(gain, config_.width);
  if (config_.norm == norm_kind::layer) norm.bias = t.vector_or_none(tensor + ".bias", config_.width);
  return norm;
}

template <class Mixers, class FeedForwards, class Around>
std::vector<kv_shape> decoder<Mixers, FeedForwards, Around>::kv() const {
  std::vector<kv_shape> shapes;
  for (const layer& l : layers_) shapes.push_back(l.mixer.visit([](const auto& part) { return part.keeps(); }));
  return shapes;
}

template <class Mixers, class FeedForwards, class Around>
std::size_t decoder<Mixers, FeedForwards, Around>::memory_bytes() const noexcept {
  using nibble::detail::heap_bytes, nibble::detail::heap_bytes_of;
  std::size_t bytes = config_.memory_bytes() + rotations_.memory_bytes() + heap_bytes(layers_) + heap_bytes_of(around_);
  for (const layer& l : layers_) {
    bytes += l.mixer.visit([](const auto& part) { return heap_bytes_of(part); });
    bytes += l.feed_forward.visit([](const auto& part) { return heap_bytes_of(part); });
  }
  return bytes;
}

template <class Mixers, class FeedForwards, class Around>
template <class Step>
void decoder<Mixers, FeedForwards, Around>::forward(Step& s, activations out) const NIBBLE_NOEXCEPT {
  activations x = s.scratch(config_.width);
  const activations branch = s.scratch(config_.width);
  std::array<rope_angles, rotations::most> angles;
  {
    const auto watched = s.watch(operation::embedding, 0);
    angles = rotations_.angles(s);
    take_in(s, x, branch);
  }
  const step_context context{rotations_.ropes(), angles, query_scales_of(s)};
  const auto prepared = around_.begin(s, x);
  for (std::size_t i = 0; i < layers_.size() && !s.cancelled(); ++i) {
    const step_rows rows = i + 1 == layers_.size() ? s.wanted() : s.all();
    x = forward_layer(s, i, context, x, branch, rows);
    if (rows.count > 0) around_.end_layer(s, i, prepared, rows, x);
  }
  if (s.wanted().count == 0 || s.cancelled()) return;
  const auto watched = s.watch(operation::output, 0);
  if (s.output() == step_output::hidden) {
    return output_norm_.gain.empty() ? copy(s, x, out) : apply(s, output_norm_, x, out);
  }
  linear(s, input_of(x, output_norm_), {{output_, out}});
  add_bias(s, out, output_bias_);
  scale(s, out, config_.logit_scale);
  softcap(s, out, config_.output_softcap);
}

/// Embeddings, with those of positions and token types and a norm where a model has them.
template <class Mixers, class FeedForwards, class Around>
template <class Step>
void decoder<Mixers, FeedForwards, Around>::take_in(Step& s, activations x, activations room) const NIBBLE_NOEXCEPT {
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

template <class Mixers, class FeedForwards, class Around>
template <class Step>
activations decoder<Mixers, FeedForwards, Around>::query_scales_of(Step& s) const NIBBLE_NOEXCEPT {
  if (config_.query_temperature == 0) return {};
  const activations out = s.scratch(1);
  s.for_each_range(s.tokens(), 1024, [&](std::size_t begin, std::size_t end) {
    for (std::size_t t = begin; t < end; ++t) {
      const double turns = double(s.positions()[t] / config_.temperature_positions);
      *out.row(t) =
          static_cast<float>(std::fma(double(config_.query_temperature), nibble::detail::portable_log(1 + turns), 1.0));
    }
  });
  return out;
}

/// One layer. Of the last, only the wanted rows are more than keys, values and states. @returns its output, (rows.count, width)
template <class Mixers, class FeedForwards, class Around>
template <class Step>
activations decoder<Mixers, FeedForwards, Around>::forward_layer(Step& s, std::size_t i, const step_context& context,
                                                                 activations x, activations branch,
                                                                 const step_rows& rows) const NIBBLE_NOEXCEPT {
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
  const auto add = [&](const layer_output& given, const norm_weights& post_norm, const norm_weights& sum_norm) {
    if (given.how == epilogue::replace) add_branch(s, i, y, h, post_norm);
    if (!sum_norm.gain.empty()) apply(s, sum_norm, y, y);
  };
  const layer_output mixed = target(l.mixer_post_norm), fed = target(l.feed_forward_post_norm);
  if (l.mixer.is_there()) mix(s, i, context, input_of(x, l.mixer_norm), rows, mixed);
  if (rows.count == 0) return y;
  if (l.mixer.is_there()) add(mixed, l.mixer_post_norm, l.mixer_sum_norm);
  if (!l.feed_forward.is_there()) return y;
  l.feed_forward.visit([&](const auto& part) { part.forward(s, i, input_of(y, l.feed_forward_norm), fed); });
  add(fed, l.feed_forward_post_norm, l.feed_forward_sum_norm);
  return y;
}

template <class Mixers, class FeedForwards, class Around>
template <class Step>
void decoder<Mixers, FeedForwards, Around>::mix(Step& s, std::size_t i, const step_context& context, const layer_input& x,
                                                const step_rows& rows, layer_output out) const NIBBLE_NOEXCEPT {
  layers_[i].mixer.visit([&](const auto& mixer) { mixer.forward(s, i, context, x, rows, out); });
}

/// y += scale * norm(h)
template <class Mixers, class FeedForwards, class Around>
template <class Step>
void decoder<Mixers, FeedForwards, Around>::add_branch(Step& s, std::size_t i, activations y, activations h,
                                                       const norm_weights& norm) const NIBBLE_NOEXCEPT {
  const auto watched = s.watch(operation::residual, i);
  nibble::add_branch(s, y, h, norm.gain.empty() ? nullptr : &norm, config_.residual_scale);
}

/// One whose feed-forwards have no gates.
using plain_decoder = decoder<type_list<self_attention>, type_list<plain_feed_forward>>;
/// One with experts in every layer, and one with experts in some: see decoder_config::read_experts_behind_dense.
using expert_decoder = decoder<type_list<self_attention>, type_list<expert_feed_forward>>;
using mixed_expert_decoder = decoder<type_list<self_attention>, type_list<gated_feed_forward, expert_feed_forward>>;

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
