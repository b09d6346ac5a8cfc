/// granitemoe: Granite 3 and 4 with experts, without states.
#pragma once

#include <string_view>

#include "nibble/model/arch/granite.hpp"
#include "nibble/model/decoder/decoder.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// granite with experts in every layer, and in some models one that all tokens share.
/// @source  Granite Team 2024, "Granite 3.0 Language Models"
struct granitemoe : decoder<type_list<self_attention>, type_list<expert_feed_forward>> {
  static constexpr std::string_view name = "granitemoe";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = granite::read(h);
    c.router.renormalised = true;
    c.read_experts(h);
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
