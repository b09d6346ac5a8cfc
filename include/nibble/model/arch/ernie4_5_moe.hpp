/// ernie4_5-moe: ERNIE 4.5 with experts.
#pragma once

#include <string_view>

#include "nibble/model/decoder/decoder.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Pre-norm decoder with interleaved rotary pairs. Behind dense layers, each of some has experts and one that all tokens share.
/// @source  ERNIE Team 2025, "ERNIE 4.5 Technical Report"
struct ernie4_5_moe : decoder<type_list<self_attention>, type_list<gated_feed_forward, expert_feed_forward>> {
  static constexpr std::string_view name = "ernie4_5-moe";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = config::read(h, rope_pairs::interleaved);
    c.router.renormalised = true;
    c.read_experts(h);
    c.read_expert_layers(h);
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
