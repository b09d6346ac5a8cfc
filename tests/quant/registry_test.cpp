/// Layouts: every registered format reads the blocks of published encoders bit for bit.
#include "nibble/quant/registry.hpp"

#include <doctest/doctest.h>
#include <bit>
#include <cstring>
#include <string>
#include <type_traits>

#include "support/codebook_format.hpp"
#include "support/quant_goldens.hpp"

using nibble_test::for_each_integer_format;
using nibble_test::quant_golden;

TEST_CASE("published blocks decode to the same bits, and pack back into the same bytes") {
  for_each_integer_format([]<class Q>(std::type_identity<Q>) {
    for (const char* kind : {"plain", "imatrix"}) {
      CAPTURE(kind);
      const auto published = quant_golden(Q::name, kind + std::string(".q"));
      constexpr bool weighed = Q::code_bits < 8 && !std::is_same_v<typename Q::scales, nibble::block_exponent>;
      if (!weighed && kind[0] == 'i' && published.empty()) continue;  // published encoders do without it there
      REQUIRE_FALSE(published.empty());
      const auto blocks = nibble_test::read_all<typename Q::block>(published);
      const auto expected = nibble_test::read_all<float>(quant_golden(Q::name, kind + std::string(".deq.f32")));
      REQUIRE(blocks.size() == 6 * 1024 / Q::block_size);
      REQUIRE(expected.size() == 6 * 1024);
      std::size_t wrong_values = 0, wrong_blocks = 0;
      for (std::size_t b = 0; b < blocks.size(); ++b) {
        std::array<float, Q::block_size> value;
        Q::decode(blocks[b], value);
        for (std::size_t i = 0; i < Q::block_size; ++i)
          wrong_values +=
              std::bit_cast<std::uint32_t>(value[i]) != std::bit_cast<std::uint32_t>(expected[b * Q::block_size + i]);
        std::array<std::uint8_t, Q::block_size> code;
        Q::codes(blocks[b], code);
        typename Q::block again;
        Q::pack(code, Q::read_scales(blocks[b]), again);
        wrong_blocks += std::memcmp(&again, &blocks[b], sizeof again) != 0;
        for (const auto c : code) REQUIRE(c < (1u << Q::code_bits));
      }
      CHECK(wrong_values == 0);
      CHECK(wrong_blocks == 0);
    }
  });
}

namespace {
/// Formats that lack something, each one thing.
struct without_pack : nibble_test::codebook_sample {
  static void pack() = delete;
};
struct without_scales : nibble_test::codebook_sample {
 private:
  using scales = nibble::block_scale;
};
struct wide_codebook : nibble_test::codebook_sample {
  static constexpr std::array<std::int16_t, 16> codebook{};
};
struct short_codebook : nibble_test::codebook_sample {
  static constexpr std::array<std::int8_t, 8> codebook{};
};
struct codebook_of_five_bits : nibble_test::codebook_sample {
  static constexpr unsigned code_bits = 5;
};
struct level_below_zero_point : nibble_test::codebook_sample {
  static constexpr int zero_point = 126;
};
struct level_past_a_byte : nibble_test::codebook_sample {
  static constexpr int zero_point = 143;
};
/// Levels that need no more than a few bits.
template <int Most>
struct small_levels : nibble_test::codebook_sample {
  static constexpr int zero_point = 1;
  static constexpr std::array<std::int8_t, 16> codebook{-1, Most};
};
}  // namespace

TEST_CASE("the concept of an integer format refuses what the kernels could not read") {
  using nibble::integer_format;
  static_assert(integer_format<nibble_test::codebook_sample>);
  static_assert(!integer_format<without_pack>);
  static_assert(!integer_format<without_scales>);
  static_assert(!integer_format<wide_codebook>);
  static_assert(!integer_format<short_codebook>);
  static_assert(!integer_format<codebook_of_five_bits>);
  static_assert(!integer_format<level_below_zero_point>);
  static_assert(!integer_format<level_past_a_byte>);
}

TEST_CASE("what is multiplied is as wide as the largest level needs, whatever its codes are in memory") {
  static_assert(nibble::value_bits<nibble_test::codebook_sample> == 8);
  static_assert(nibble::value_bits<small_levels<14>> == 4);
  static_assert(nibble::value_bits<small_levels<15>> == 5);
  static_assert(nibble::value_bits<small_levels<31>> == 6);
  static_assert(nibble::value_bits<small_levels<63>> == 8);
  for_each_integer_format([]<class Q>(std::type_identity<Q>) {
    if constexpr (!nibble::codebook_format<Q>) CHECK(nibble::value_bits<Q> == Q::code_bits);
    for (unsigned code = 0; code < 1u << Q::code_bits; ++code) {
      const int value = nibble::level_of<Q>(static_cast<std::uint8_t>(code)) + Q::zero_point;
      CHECK(value >= 0);
      CHECK(value < 1 << nibble::value_bits<Q>);
    }
  });
}

TEST_CASE("visit_format finds each format by its type, and calls nothing for a type without one") {
  std::size_t visited = 0;
  for (const auto& info : nibble::detail::tensor_types) {
    std::string name;
    const bool found = nibble::visit_format(info.type, [&]<class Q>(std::type_identity<Q>) { name = Q::name; });
    CHECK(found == !name.empty());
    if (found) CHECK(name == info.name);
    visited += found;
  }
  CHECK(visited == nibble::quant_formats::size);
  CHECK_FALSE(nibble::visit_format(static_cast<nibble::tensor_type>(4), [](auto) { FAIL("type 4 was given up"); }));
}

TEST_CASE("the float formats hold numbers as they are") {
  const nibble::encode_hint none;
  const std::array<float, 1> third{1.0f / 3};
  std::array<float, 1> out;
  nibble::f32::block single;
  nibble::f32::encode(third, none, single);
  nibble::f32::decode(single, out);
  CHECK(out[0] == third[0]);
  nibble::f16::block narrow;
  nibble::f16::encode(third, none, narrow);
  nibble::f16::decode(narrow, out);
  CHECK(out[0] == 0.333251953125f);
  nibble::bf16::block brief;
  nibble::bf16::encode(third, none, brief);
  nibble::bf16::decode(brief, out);
  CHECK(out[0] == 0.333984375f);
}
