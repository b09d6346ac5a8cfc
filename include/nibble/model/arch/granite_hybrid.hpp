/// granitehybrid: Granite 4 H, Mamba-2 with some layers of attention between.
#pragma once

#include <string_view>

#include "nibble/model/arch/granite.hpp"
#include "nibble/model/decoder/decoder.hpp"
#include "nibble/model/decoder/mamba2_mixer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Pre-norm decoder with SwiGLU, or experts of it beside one that all tokens use, whose embeddings, branches, scores and logits
/// are scaled. A layer without heads of keys and values has a recurrence; the others rotate interleaved pairs, or nothing where
/// the file says that its rotation was not trained.
/// @source  IBM 2025, "Granite 4.0"
struct granite_hybrid : decoder<type_list<self_attention, mamba2_mixer>, type_list<gated_feed_forward, expert_feed_forward>> {
  static constexpr std::string_view name = "granitehybrid";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = detail::read_granite(h, 0);
    c.recurrent = recurrent_config::read(h);
    c.router.renormalized = true;
    c.read_experts_if_any(h);
    for (layer_config& l : c.layer) l.mixer = l.kv_heads == 0 ? 1 : 0;
    c.need_feed_forwards(h);
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
