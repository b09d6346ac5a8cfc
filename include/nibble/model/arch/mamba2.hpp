/// mamba2: Mamba-2, a recurrence in every layer and nothing else.
#pragma once

#include <string_view>

#include "nibble/model/decoder/decoder.hpp"
#include "nibble/model/decoder/mamba2_mixer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// x + mixer(norm(x)) in each layer: no attention, no feed-forward, no cache that grows.
/// @source  Dao and Gu 2024, "Transformers are SSMs"
struct mamba2 : decoder<type_list<mamba2_mixer>, type_list<no_part>> {
  static constexpr std::string_view name = "mamba2";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = config::read_without_attention(h);
    c.recurrent = recurrent_config::read(h);
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
