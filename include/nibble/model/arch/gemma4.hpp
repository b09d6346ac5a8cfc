/// gemma4: Gemma 4, E2B and E4B for devices, 31B, and 26B with experts.
#pragma once

#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/model/decoder/decoder.hpp"
#include "nibble/model/decoder/dense_beside_experts.hpp"
#include "nibble/model/decoder/per_layer_input.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Norms before and behind each branch, of queries, keys and values; scores are not scaled. Layers that see a window have heads
/// of another width and a rotary base of their own. In some models the last layers read keys and values of others, layers have
/// an input of their own, or experts stand beside the dense feed-forward.
/// @source  Gemma Team 2026
struct gemma4 : decoder<type_list<self_attention>, type_list<gated_feed_forward, dense_beside_experts>, per_layer_input> {
  static constexpr std::string_view name = "gemma4";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = config::read(h);
    c.embedding_scale = std::sqrt(float(c.width));
    c.attention_scale = 1;
    c.gate = activation::gelu_tanh;
    c.norm_branches();
    c.head_norms = head_norm::shared;
    c.value_norm = c.keys_are_values = true;
    c.output_softcap = h.positive_or_zero("final_logit_softcapping", 30);
    c.input_dim = h.count_or("embedding_length_per_layer_input", 0, 0, h.limits().width);
    read_window_layers(h, c);
    c.read_shared_keys(h, 0);
    c.router.renormalized = true;
    c.read_experts_if_any(h);
    return c;
  }

 private:
  /// Layers that see a window: which they are, how wide their heads are, and how they rotate.
  static void read_window_layers(hyperparameters& h, config& c) {
    constexpr std::string_view pattern = "attention.sliding_window_pattern";
    const std::size_t window = h.count("attention.sliding_window", 1, h.limits().context);
    const auto marked = h.flags_or_none(pattern, c.layers, c.drafts);
    if (!marked) {
      h.count(pattern, 0, h.limits().layers);  // that it is missing or no number is said first
      h.reject(pattern, "expected a flag for each layer", "a number");
    }
    c.set_windows(window, marked.value_or(std::vector<bool>()));
    const std::size_t dim = c.layer[0].key_dim;
    const std::size_t keys = c.read_head_dim(h, "attention.key_length_swa", dim);
    const std::size_t values = c.read_head_dim(h, "attention.value_length_swa", keys);
    c.turn_windows_by(c.read_window_rope(h, keys));
    c.ropes[0].has_factors = true;
    for (layer_config& l : c.layer)
      if (l.sees_window()) l.key_dim = keys, l.value_dim = values;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
