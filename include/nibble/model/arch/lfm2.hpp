/// lfm2, lfm2moe: LFM2 and LFM2.5, short convolutions with some layers of attention between.
#pragma once

#include <cstddef>
#include <string_view>

#include "nibble/model/decoder/decoder.hpp"
#include "nibble/model/decoder/short_convolution.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Pre-norm decoder with SwiGLU. A layer without heads of keys and values has a convolution; the others norm queries and keys
/// head by head, rotate half-split pairs, and may see a window.
/// @source  Liquid AI 2025, "LFM2 Technical Report"
struct lfm2 : decoder<type_list<self_attention, short_convolution>> {
  static constexpr std::string_view name = "lfm2";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = config::read(h, rope_pairs::halves, norm_kind::rms, 0);
    c.output_norm = "token_embd_norm";
    c.head_norms = head_norm::shared;
    c.recurrent = recurrent_config::read_short(h, c.width);
    c.set_windows(h.count_or("attention.sliding_window", 0, 0, h.limits().context), c.layers + 1);
    for (layer_config& l : c.layer) l.mixer = l.kv_heads == 0 ? 1 : 0;
    c.need_feed_forwards(h);
    return c;
  }
};

/// Behind some dense layers the feed-forwards are experts, chosen by sigmoids with a selection bias.
/// @source  Liquid AI 2025, "LFM2 Technical Report"
struct lfm2moe : decoder<type_list<self_attention, short_convolution>, type_list<gated_feed_forward, expert_feed_forward>> {
  static constexpr std::string_view name = "lfm2moe";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = lfm2::read(h);
    c.router.by = router_spec::gating::sigmoid, c.router.renormalized = true;
    c.read_experts_behind_dense(h);
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
