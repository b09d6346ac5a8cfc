/// draft_head: a block behind the layers of a decoder that foretells the token after the next one, for speculation.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "nibble/layers/embedding.hpp"
#include "nibble/model/decoder/config.hpp"
#include "nibble/model/decoder/draft_context.hpp"
#include "nibble/model/decoder/self_attention.hpp"
#include "nibble/model/decoder/step_context.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Two rows, side by side and each normed, become one: the embedding of token t + 1, and what the decoder's logits of token t
/// are made of. A layer of attention with keys and values of its own follows, and the decoder's output matrix: logits of token
/// t + 2. Tensors are those of a layer, and "nextn.".
/// @source  Gloeckle et al. 2024; DeepSeek-AI 2024, "DeepSeek-V3 Technical Report", section 2.2
template <class FeedForward>
class draft_head {
 public:
  /// @param   block  of its tensors; the config describes it as the layer behind the last, see layers_with_draft()
  draft_head(const decoder_config& c, std::size_t block, tensor_source& t);

  std::vector<kv_shape> kv() const { return {attention_.keeps()}; }
  /// @shape   s.ids() are tokens t + 1, s.hidden() (tokens, width) of tokens t; out (wanted rows, vocabulary)
  template <class Step>
  void forward(Step& s, const draft_context& d, activations out) const NIBBLE_NOEXCEPT;

 private:
  static norm_weights norm_of(const decoder_config& c, tensor_source& t, const std::string& name) {
    return {t.vector(name + ".weight", c.width), {}, c.eps, norm_kind::rms};
  }

  weight join_, output_, embedding_;  // the last two are empty where they are the decoder's
  norm_weights embedding_norm_, hidden_norm_, mixer_norm_, feed_forward_norm_, output_norm_;
  std::size_t rope_;
  self_attention attention_;
  FeedForward feed_forward_;
};

/// A description whose last layer is the draft block: like the last one that attends.
inline decoder_config layers_with_draft(const decoder_config& c, std::size_t attends) {
  decoder_config out = c;
  for (std::size_t i = c.layer.size(); i-- > 0 && out.layer.size() == c.layers;) {
    if (c.layer[i].mixer == attends) out.layer.push_back(c.layer[i]);
  }
  return out;
}

template <class FeedForward>
draft_head<FeedForward>::draft_head(const decoder_config& c, std::size_t block, tensor_source& t)
    : rope_(c.layer[block].rope), attention_(c, block, t), feed_forward_(c, block, t) {
  const std::string at = layer_prefix(block);
  mixer_norm_ = norm_of(c, t, at + std::string(c.mixer_norm));
  feed_forward_norm_ = norm_of(c, t, at + std::string(c.feed_forward_norm));
  join_ = t.matrix(at + "nextn.eh_proj.weight", c.width, 2 * c.width);
  embedding_norm_ = norm_of(c, t, at + "nextn.enorm"), hidden_norm_ = norm_of(c, t, at + "nextn.hnorm");
  const std::string own_norm = at + "nextn.shared_head_norm";
  output_norm_ = norm_of(c, t, t.has(own_norm + ".weight") ? own_norm : std::string(c.output_norm));
  output_ = t.matrix_or_none(at + "nextn.shared_head_head.weight", c.vocabulary, c.width);
  embedding_ = t.matrix_or_none(at + "nextn.embed_tokens.weight", c.vocabulary, c.width);
}

template <class FeedForward>
template <class Step>
void draft_head<FeedForward>::forward(Step& s, const draft_context& d, activations out) const NIBBLE_NOEXCEPT {
  const std::size_t width = join_.rows();
  const activations both = s.scratch(2 * width), x = s.scratch(width);
  const activations token = both.columns(0, width);
  {
    const auto watched = s.watch(operation::embedding, 0);
    embed(s, embedding_.empty() ? d.embedding : embedding_, s.ids(), token);
    apply(s, embedding_norm_, token, token);
    apply(s, hidden_norm_, s.hidden(), both.columns(width, width));
    linear(s, both, {{join_, x}});
  }
  std::array<rope_angles, 4> angles;
  if (rope_ != layer_config::no_rope) {
    angles[rope_] = d.ropes[rope_].room(s, s.tokens());
    d.ropes[rope_].turn(s, s.positions(), angles[rope_]);
  }
  const step_context context{d.ropes, angles, {}};
  const activations y = s.pick(s.wanted(), x);
  attention_.forward(s, 0, context, normed(x, mixer_norm_), s.wanted(), added_to(y));
  if (s.wanted().count == 0 || s.cancelled()) return;
  feed_forward_.forward(s, 0, normed(y, feed_forward_norm_), added_to(y));
  const auto watched = s.watch(operation::output, 0);
  linear(s, normed(y, output_norm_), {{output_.empty() ? d.output : output_, out}});
}

/// A decoder with a draft head where its file has one: the first of the blocks behind the layers. Others are known and not
/// read.
/// @param   Attends  the index of self_attention among the decoder's mixers
template <class Decoder, class FeedForward, std::size_t Attends = 0>
class drafting : public Decoder {
 public:
  drafting(const decoder_config& c, tensor_source& t) : Decoder(c, t) {
    if (c.drafts == 0 || t.failure()) return;
    const decoder_config all = layers_with_draft(c, Attends);
    if (all.layer.size() > c.layers) {
      head_.emplace(all, c.layers, t);
    } else {
      t.reject(layer_prefix(c.layers) + "nextn", "layers of attention, which the block would be like");
    }
  }
  std::vector<kv_shape> draft_kv() const { return head_ ? head_->kv() : std::vector<kv_shape>(); }

  template <class Step>
  void forward(Step& s, activations out) const NIBBLE_NOEXCEPT {
    if (s.output() == step_output::draft && head_) return head_->forward(s, Decoder::shared(), out);
    Decoder::forward(s, out);
  }

 private:
  std::optional<draft_head<FeedForward>> head_;
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
