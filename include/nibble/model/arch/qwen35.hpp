/// qwen35, qwen35moe, qwen3next: gated delta nets with some layers of gated attention between.
#pragma once

#include <cstddef>
#include <string_view>

#include "nibble/model/decoder/decoder.hpp"
#include "nibble/model/decoder/delta_net.hpp"
#include "nibble/model/decoder/draft_head.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

namespace detail {
/// What Qwen's hybrids have in common: of each few blocks the last attends, or those that a list does not mark; attention
/// rotates the first numbers of a head in half-split pairs, norms queries and keys, and has gates beside its queries.
inline decoder_config read_qwen_hybrid(hyperparameters& h, std::size_t least = 1) {
  decoder_config c = decoder_config::read(h, rope_pairs::halves, norm_kind::rms, least);
  c.recurrent = recurrent_config::read_square(h);
  c.feed_forward_norm = "post_attention_norm";
  c.head_norms = head_norm::shared;
  c.gates_in_queries = true;
  const std::size_t interval = h.count_or("full_attention_interval", 4, 1, h.limits().layers);
  const auto recurrent = h.flags_or_none("attention.recurrent_layers", c.layers, c.drafts);
  for (std::size_t i = 0; i < c.layers; ++i) c.layer[i].mixer = recurrent ? (*recurrent)[i] : (i + 1) % interval != 0;
  return c;
}
/// Experts of which a token's shares add up to 1, and one that all tokens use, as much as a gate says.
inline void read_qwen_experts(hyperparameters& h, decoder_config& c) {
  c.router.renormalized = true;
  c.read_experts(h);
  c.shared_share = true;
}
}  // namespace detail

/// Pre-norm decoder with SwiGLU, and a block that drafts where the file has one. Value head h of a delta net has the key of
/// head h mod key heads.
/// @source  Qwen Team 2026; Yang et al. 2024, "Gated Delta Networks"
struct qwen35 : drafting<decoder<type_list<self_attention, delta_net>>, gated_feed_forward> {
  static constexpr std::string_view name = "qwen35";
  using drafting::drafting;

  static config read(hyperparameters& h) {
    config c = detail::read_qwen_hybrid(h);
    c.recurrent.interleaved = true;
    return c;
  }
};

/// qwen35 with experts.
/// @source  Qwen Team 2026
struct qwen35moe
    : drafting<decoder<type_list<self_attention, delta_net>, type_list<expert_feed_forward>>, expert_feed_forward> {
  static constexpr std::string_view name = "qwen35moe";
  using drafting::drafting;

  static config read(hyperparameters& h) {
    config c = detail::read_qwen_hybrid(h, config::only_experts);
    c.recurrent.interleaved = true;
    detail::read_qwen_experts(h, c);
    return c;
  }
};

/// Qwen3-Next, the first of them: value heads follow each other that share a key head. Its draft blocks are not read.
/// @source  Qwen Team 2025, "Qwen3-Next"
struct qwen3next : decoder<type_list<self_attention, delta_net>, type_list<expert_feed_forward>> {
  static constexpr std::string_view name = "qwen3next";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = detail::read_qwen_hybrid(h, config::only_experts);
    detail::read_qwen_experts(h, c);
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
