/// decoder: the forward pass of every model whose layers are norm, mixer, residual, norm, feed-forward, residual.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "nibble/core/heap_bytes.hpp"
#include "nibble/core/type_list.hpp"
#include "nibble/model/decoder/any_part.hpp"
#include "nibble/model/decoder/around_layers.hpp"
#include "nibble/model/decoder/config.hpp"
#include "nibble/model/decoder/expert_feed_forward.hpp"
#include "nibble/model/decoder/feed_forwards.hpp"
#include "nibble/model/decoder/rotations.hpp"
#include "nibble/model/decoder/self_attention.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// A decoder of any parts: all that does not depend on which they are.
class any_decoder {
 public:
  /// As the concept architecture asks for it.
  using config = decoder_config;
  static constexpr bool gives_hidden = true, takes_directions = true;

  /// `mixers` and `feed_forwards` say how the kinds are made that layer_config numbers.
  any_decoder(const decoder_config& c, tensor_source& t, std::span<const detail::part_maker<any_mixer>> mixers,
              std::span<const detail::part_maker<any_feed_forward>> feed_forwards);
  any_decoder(const any_decoder&) = delete;
  any_decoder& operator=(const any_decoder&) = delete;
  ~any_decoder();

  /// What each layer keeps between tokens.
  std::vector<kv_shape> kv() const;
  /// Bytes that it has allocated; weights lie elsewhere.
  std::size_t memory_bytes() const noexcept;

 protected:
  /// @param   around  what else happens, or null
  void forward(step& s, const around_layers* around, activations out) const NIBBLE_NOEXCEPT;

  friend class draft_head;  // a block behind the layers shares the embedding, the rotations and what makes logits
 private:
  struct layer {
    norm_weights mixer_norm, mixer_post_norm, mixer_sum_norm;
    norm_weights feed_forward_norm, feed_forward_post_norm, feed_forward_sum_norm;
    std::unique_ptr<any_mixer> mixer;  // or none
    std::unique_ptr<any_feed_forward> feed_forward;
  };

  layer make_layer(std::size_t i, tensor_source& t, detail::part_maker<any_mixer> mixer,
                   detail::part_maker<any_feed_forward> feed_forward) const;
  void take_in(step& s, activations x, activations room) const NIBBLE_NOEXCEPT;
  activations query_scales_of(step& s) const NIBBLE_NOEXCEPT;
  void give_hidden(step& s, activations x, activations out) const NIBBLE_NOEXCEPT;
  void give_logits(step& s, const layer_input& x, const weight& output, activations out) const NIBBLE_NOEXCEPT;
  activations forward_layer(step& s, std::size_t i, const step_context& context, activations x, activations branch,
                            const step_rows& rows) const NIBBLE_NOEXCEPT;
  activations forward_parallel(step& s, std::size_t i, const step_context& context, activations x, activations branch,
                               const step_rows& rows) const NIBBLE_NOEXCEPT;
  void add_branch(step& s, std::size_t i, activations y, activations h, const norm_weights& norm) const NIBBLE_NOEXCEPT;

  decoder_config config_;
  weight embedding_, position_embedding_, token_types_, output_;
  std::span<const float> output_bias_;
  norm_weights embedding_norm_, output_norm_;
  rotations rotations_;
  std::vector<layer> layers_;
  std::size_t last_keeping_ = 0;  // no layer behind it keeps anything between tokens
};

/// Mixers and FeedForwards are the parts that an architecture names, see any_part.hpp: no other is in its binary. Around is
/// what else happens: a class of around_layers.
template <class Mixers = type_list<self_attention>, class FeedForwards = type_list<gated_feed_forward>,
          class Around = nothing_around>
class decoder : public any_decoder {
 public:
  /// The parts that it is made of.
  using mixers = Mixers;
  using feed_forwards = FeedForwards;

  /// Takes its tensors, layer by layer.
  decoder(const decoder_config& c, tensor_source& t)
      : any_decoder(c, t, detail::makers_of<any_mixer, Mixers>, detail::makers_of<any_feed_forward, FeedForwards>),
        around_(c, t) {}

  std::size_t memory_bytes() const noexcept {
    return any_decoder::memory_bytes() + nibble::detail::heap_bytes_of(around_);  // fits: it is in memory
  }
  /// @shape   out (wanted rows, vocabulary or width), see step_output
  void forward(step& s, activations out) const NIBBLE_NOEXCEPT {
    if constexpr (std::is_base_of_v<around_layers, Around>) return any_decoder::forward(s, &around_, out);
    any_decoder::forward(s, nullptr, out);
  }

 private:
  [[no_unique_address]] Around around_;
};

/// One whose feed-forwards have no gates.
using plain_decoder = decoder<type_list<self_attention>, type_list<plain_feed_forward>>;
/// One with experts in every layer, and one with experts in some: see decoder_config::read_experts_behind_dense.
using expert_decoder = decoder<type_list<self_attention>, type_list<expert_feed_forward>>;
using mixed_expert_decoder = decoder<type_list<self_attention>, type_list<gated_feed_forward, expert_feed_forward>>;

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
