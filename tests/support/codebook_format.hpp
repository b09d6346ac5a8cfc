/// Formats with a codebook that are not registered, for tests: what a program brings along itself.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "nibble/quant/iq4_nl.hpp"

namespace nibble_test {

/// IQ4_NL under a name and a number of its own.
struct codebook_sample : nibble::iq4_nl {
  static constexpr std::string_view name = "codebook sample";
  static constexpr auto type = static_cast<nibble::tensor_type>(1020);
};
static_assert(nibble::integer_format<codebook_sample>);

/// The same with levels that need five bits only, some of them twice.
struct small_codebook_sample : codebook_sample {
  static constexpr int zero_point = 12;
  static constexpr std::array<std::int8_t, 16> codebook{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
};
static_assert(nibble::value_bits<codebook_sample> == 8 && nibble::value_bits<small_codebook_sample> == 5);

}  // namespace nibble_test
