/// nemotron_h, nemotron_h_moe: Nemotron-H and Nemotron 3, whose blocks are a recurrence, attention or a feed-forward, each with
/// one norm.
#pragma once

#include <string_view>

#include "nibble/model/decoder/decoder.hpp"
#include "nibble/model/decoder/mamba2_mixer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// x + part(norm(x)) in each block: a feed-forward with a squared ReLU where it has a width, else attention without rotation
/// where it has heads of keys and values, else Mamba-2.
/// @source  NVIDIA 2025, "Nemotron-H"
struct nemotron_h : decoder<type_list<self_attention, mamba2_mixer, no_part>, type_list<no_part, plain_feed_forward>> {
  static constexpr std::string_view name = "nemotron_h";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    const bool named_otherwise = !h.has("attention.layer_norm_rms_epsilon") && h.has("attention.layer_norm_epsilon");
    config c = config::read(h, rope_pairs::halves, named_otherwise ? norm_kind::layer : norm_kind::rms, 0);
    c.norm = norm_kind::rms;
    c.recurrent = recurrent_config::read(h);
    c.feed_forward_norm = c.mixer_norm;
    c.gate = activation::relu_squared;
    c.ropes.clear();
    for (layer_config& l : c.layer) {
      l.rope = layer_config::no_rope;
      l.mixer = l.hidden > 0 ? 2 : l.kv_heads > 0 ? 0 : 1;
      l.feed_forward = l.hidden > 0 ? 1 : 0;
    }
    return c;
  }
};

/// Its feed-forwards are experts without gates, chosen by sigmoids with a selection bias, beside one that all tokens use.
/// @source  NVIDIA 2025, "Nemotron 3 Nano"
struct nemotron_h_moe : decoder<type_list<self_attention, mamba2_mixer, no_part>, type_list<no_part, expert_feed_forward>> {
  static constexpr std::string_view name = "nemotron_h_moe";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = nemotron_h::read(h);
    c.router.by = router_spec::gating::sigmoid;
    c.expert_gates = false;
    c.read_experts(h);
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
