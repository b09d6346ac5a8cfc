/// draft_head: a block behind the layers of a decoder that foretells the token after the next one, for speculation.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "nibble/model/decoder/any_part.hpp"
#include "nibble/model/decoder/config.hpp"
#include "nibble/model/decoder/self_attention.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

class any_decoder;

/// Two rows, side by side and each normed, become one: the embedding of token t + 1, and what the decoder's logits of token t
/// are made of. A layer of attention with keys and values of its own follows, and the decoder's output matrix: logits of token
/// t + 2. Tensors are those of a layer, and "nextn.".
/// @source  Gloeckle et al. 2024; DeepSeek-AI 2024, "DeepSeek-V3 Technical Report", section 2.2
class draft_head {
 public:
  /// @param   block  of its tensors; the config describes it as the layer behind the last, see layers_with_draft()
  draft_head(const decoder_config& c, std::size_t block, tensor_source& t, detail::part_maker<any_feed_forward> feed_forward);

  std::vector<kv_shape> kv() const { return {attention_.keeps()}; }
  /// Bytes that it has allocated.
  std::size_t memory_bytes() const noexcept { return feed_forward_->memory_bytes(); }
  /// @shape   s.ids() are tokens t + 1, s.hidden() (tokens, width) of tokens t; out (wanted rows, vocabulary)
  /// @param   d  whose embedding, rotations and output it shares
  void forward(step& s, const any_decoder& d, activations out) const NIBBLE_NOEXCEPT;

 private:
  weight join_, output_, embedding_;  // the last two are empty where they are the decoder's
  norm_weights embedding_norm_, hidden_norm_, mixer_norm_, feed_forward_norm_, output_norm_;
  std::size_t rope_;
  self_attention attention_;
  std::unique_ptr<any_feed_forward> feed_forward_;
};

namespace detail {
/// That of a file, or none: the first of the blocks behind the layers, like the last layer whose mixer has the index `attends`.
std::optional<draft_head> read_draft_head(const decoder_config& c, tensor_source& t, std::size_t attends,
                                          part_maker<any_feed_forward> feed_forward);
}  // namespace detail

/// A decoder with a draft head where its file has one. Other blocks behind the layers are known and not read.
/// @param   Attends  the index of self_attention among the decoder's mixers
template <class Decoder, class FeedForward, std::size_t Attends = 0>
class drafting : public Decoder {
 public:
  drafting(const decoder_config& c, tensor_source& t)
      : Decoder(c, t), head_(detail::read_draft_head(c, t, Attends, &detail::make_part<any_feed_forward, FeedForward>)) {}

  std::vector<kv_shape> draft_kv() const { return head_ ? head_->kv() : std::vector<kv_shape>(); }
  std::size_t memory_bytes() const noexcept {
    return Decoder::memory_bytes() + (head_ ? head_->memory_bytes() : 0);  // fits: it is in memory
  }

  void forward(step& s, activations out) const NIBBLE_NOEXCEPT {
    if (s.output() == step_output::draft && head_) return head_->forward(s, *this, out);
    Decoder::forward(s, out);
  }

 private:
  std::optional<draft_head> head_;
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
