/// hunyuan-moe: Hunyuan A13B.
#pragma once

#include <string_view>

#include "nibble/model/arch/hunyuan.hpp"
#include "nibble/model/decoder/decoder.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// hunyuan-dense with experts in every layer, and one that all tokens share.
/// @source  Tencent 2025, "Hunyuan-A13B"
struct hunyuan_moe : decoder<type_list<self_attention>, type_list<expert_feed_forward>> {
  static constexpr std::string_view name = "hunyuan-moe";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = hunyuan_dense::read(h);
    c.router.renormalised = true;
    c.read_experts(h);
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
