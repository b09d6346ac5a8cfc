/// Tensor types that forks of the format's tools write, and the format itself has not: for sentences that name them.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

struct foreign_type {
  std::uint32_t id;
  std::string_view name;
};
/// Those of ik_llama.cpp from 97 on, and those that were given up.
/// @source  ik_llama.cpp, ggml.h; llama.cpp, ggml.h
inline constexpr auto foreign_types = std::to_array<foreign_type>({
    {4, "Q4_2, which was given up"},
    {5, "Q4_3, which was given up"},
    {31, "Q4_0_4_4, which was given up for Q4_0"},
    {32, "Q4_0_4_8, which was given up for Q4_0"},
    {33, "Q4_0_8_8, which was given up for Q4_0"},
    {36, "IQ4_NL_4_4, which was given up for IQ4_NL, or I2_S of BitNet"},
    {37, "IQ4_NL_4_8, which was given up for IQ4_NL"},
    {38, "IQ4_NL_8_8, which was given up for IQ4_NL"},
    {97, "Q8_0_X4 of ik_llama.cpp"},
    {98, "Q8_1_X4 of ik_llama.cpp"},
    {99, "Q8_2_X4 of ik_llama.cpp"},
    {133, "Q6_0 of ik_llama.cpp"},
    {134, "IQ1_BN of ik_llama.cpp"},
    {135, "IQ2_BN of ik_llama.cpp"},
    {136, "Q8_K64 of ik_llama.cpp"},
    {137, "IQ2_K of ik_llama.cpp"},
    {138, "IQ3_K of ik_llama.cpp"},
    {139, "IQ4_K of ik_llama.cpp"},
    {140, "IQ5_K of ik_llama.cpp"},
    {141, "IQ6_K of ik_llama.cpp"},
    {144, "IQ4_KS of ik_llama.cpp"},
    {145, "IQ2_KS of ik_llama.cpp"},
    {146, "IQ4_KSS of ik_llama.cpp"},
    {147, "Q8_K16 of ik_llama.cpp"},
    {148, "Q8_K32 of ik_llama.cpp"},
    {149, "Q8_KR8 of ik_llama.cpp"},
    {150, "Q8_K128 of ik_llama.cpp"},
    {151, "Q8_KV of ik_llama.cpp"},
    {152, "IQ5_KS of ik_llama.cpp"},
    {153, "IQ2_KT of ik_llama.cpp"},
    {154, "IQ3_KT of ik_llama.cpp"},
    {155, "IQ4_KT of ik_llama.cpp"},
    {156, "IQ3_KS of ik_llama.cpp"},
    {157, "IQ2_KL of ik_llama.cpp"},
    {158, "IQ1_KT of ik_llama.cpp"},
    {202, "Q4_0_R8 of ik_llama.cpp"},
    {206, "Q5_0_R4 of ik_llama.cpp"},
    {208, "Q8_0_R8 of ik_llama.cpp"},
    {210, "Q2_K_R4 of ik_llama.cpp"},
    {211, "Q3_K_R4 of ik_llama.cpp"},
    {212, "Q4_K_R4 of ik_llama.cpp"},
    {213, "Q5_K_R4 of ik_llama.cpp"},
    {214, "Q6_K_R4 of ik_llama.cpp"},
    {216, "IQ2_XXS_R4 of ik_llama.cpp"},
    {217, "IQ2_XS_R4 of ik_llama.cpp"},
    {218, "IQ3_XXS_R4 of ik_llama.cpp"},
    {219, "IQ1_S_R4 of ik_llama.cpp"},
    {220, "IQ4_NL_R4 of ik_llama.cpp"},
    {221, "IQ3_S_R4 of ik_llama.cpp"},
    {222, "IQ2_S_R4 of ik_llama.cpp"},
    {223, "IQ4_XS_R8 of ik_llama.cpp"},
    {229, "IQ1_M_R4 of ik_llama.cpp"},
    {230, "BF16_R16 of ik_llama.cpp"},
    {233, "Q6_0_R4 of ik_llama.cpp"},
    {335, "IQ2_BN_R4 of ik_llama.cpp"},
    {337, "IQ2_K_R4 of ik_llama.cpp"},
    {338, "IQ3_K_R4 of ik_llama.cpp"},
    {339, "IQ4_K_R4 of ik_llama.cpp"},
    {340, "IQ5_K_R4 of ik_llama.cpp"},
    {344, "IQ4_KS_R4 of ik_llama.cpp"},
    {352, "IQ5_KS_R4 of ik_llama.cpp"},
    {353, "MXFP4_R8 of ik_llama.cpp"},
    {397, "Q8_K_R16 of ik_llama.cpp"},
    {398, "Q8_KV_R8 of ik_llama.cpp"},
    {399, "Q8_K_R8 of ik_llama.cpp"},
});

/// What is known of a type that is not the format's: "IQ4_K of ik_llama.cpp"; empty where nothing is.
constexpr std::string_view foreign_type_name(std::uint32_t id) noexcept {
  for (const auto& type : foreign_types)
    if (type.id == id) return type.name;
  return id >= 97 && id < 400 ? "perhaps one of ik_llama.cpp" : "";
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
