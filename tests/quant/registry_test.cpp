/// Layouts: every registered format reads the blocks of published encoders bit for bit.
#include "nibble/quant/registry.hpp"

#include <doctest/doctest.h>
#include <cmath>
#include <cstring>
#include <fstream>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "nibble/quant/panel.hpp"
#include "support/codebook_format.hpp"
#include "support/quant_goldens.hpp"
#include "support/sha256.hpp"

using nibble_test::for_each_integer_format;
using nibble_test::for_each_rounding_format;
using nibble_test::published_floats;
using nibble_test::quant_golden;

namespace {
/// The sum that tests/golden/quant/decoded.sha256 has for these floats, or that of the floats themselves where they are there.
std::string published_sum(std::string_view format, const std::string& kind) {
  if (const auto floats = quant_golden(format, kind + ".deq.f32"); !floats.empty()) {
    return nibble_test::sha256(nibble_test::read_all<std::byte>(floats));
  }
  std::ifstream sums(nibble_test::golden("quant/decoded.sha256"));
  for (std::string name, of, sum; sums >> name >> of >> sum;) {
    if (name == format && of == kind) return sum;
  }
  return "";
}
}  // namespace

TEST_CASE("published blocks decode to the same bits") {
  for_each_rounding_format([]<class Q>(std::type_identity<Q>) {
    std::size_t goldens = 0;
    for (const std::string kind : {"plain", "imatrix"}) {
      CAPTURE(kind);
      const auto value = published_floats<Q>(kind);
      if (value.empty()) continue;  // published encoders want importance there, or have no use for it
      REQUIRE(value.size() == 6 * 1024);
      CHECK(nibble_test::sha256(std::as_bytes(std::span(value))) == published_sum(Q::name, kind));
      ++goldens;
    }
    CHECK_MESSAGE(goldens > 0, "no golden");
  });
}

TEST_CASE("published blocks, taken apart, pack back into the same bytes") {
  for_each_integer_format([]<class Q>(std::type_identity<Q>) {
    for (const char* kind : {"plain.q", "imatrix.q"}) {
      const auto file = quant_golden(Q::name, kind);
      if (file.empty()) continue;
      std::size_t wrong = 0;
      for (const auto& block : nibble_test::read_all<typename Q::block>(file)) {
        std::array<std::uint8_t, Q::block_size> code;
        Q::codes(block, code);
        typename Q::block again;
        Q::pack(code, Q::read_scales(block), again);
        wrong += std::memcmp(&again, &block, sizeof again) != 0;
        for (const auto c : code) REQUIRE(c < (1u << Q::code_bits));
      }
      CHECK(wrong == 0);
    }
  });
}

TEST_CASE("whatever bytes a block has, it decodes, and a row in a panel to the same values") {
  std::mt19937 random(3);
  for_each_rounding_format([&]<class Q>(std::type_identity<Q>) {
    constexpr std::size_t columns = 512, row_bytes = nibble::stored_bytes<Q>(columns);
    std::vector<std::byte> rows(nibble::panel_rows * row_bytes), group(nibble::group_bytes<Q>(columns) + nibble::cache_line);
    for (int round = 0; round < 20; ++round) {
      for (auto& b : rows) b = static_cast<std::byte>(round == 0 ? 255 : random());
      nibble::pack_group<Q>(rows.data(), nibble::panel_rows, row_bytes, columns, group.data());
      for (std::size_t r = 0; r < nibble::panel_rows; ++r) {
        std::vector<float> expected(columns), found(columns);
        nibble::decode_row<Q>(rows.data() + r * row_bytes, columns, expected.data());
        nibble::unpack_row<Q>(group.data(), r, columns, found.data());
        for (std::size_t i = 0; i < columns; ++i) {
          REQUIRE((found[i] == expected[i] || (std::isnan(found[i]) && std::isnan(expected[i]))));
        }
      }
    }
  });
}

TEST_CASE("what is widened has the values that it has decoded, and in memory its size in a file") {
  for_each_rounding_format([&]<class Q>(std::type_identity<Q>) {
    const std::size_t file = nibble::panel_rows * nibble::stored_bytes<Q>(4096);
    CHECK(nibble::group_bytes<Q>(4096) <= file + file / 25);
    if constexpr (nibble::widened_format<Q>) {
      CHECK(nibble::group_bytes<Q>(4096) == file);
      for (const auto& kind : {"plain.q", "imatrix.q"}) {
        const auto path = quant_golden(Q::name, kind);
        if (path.empty()) continue;
        for (const auto& block : nibble_test::read_all<typename Q::block>(path)) {
          std::array<nibble::widened_block, Q::block_size / 32> wide;
          std::array<float, Q::block_size> value;
          Q::widen(block, wide);
          Q::decode(block, value);
          for (std::size_t i = 0; i < Q::block_size; ++i) {
            REQUIRE(std::abs(int(wide[i / 32].code[i % 32]) - nibble::wide_of<Q>::zero_point) <= Q::largest_level);
            REQUIRE(value[i] ==
                    wide[i / 32].scale[i % 32 / 16] * float(int(wide[i / 32].code[i % 32]) - nibble::wide_of<Q>::zero_point));
          }
        }
      }
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
  static_assert(nibble::value_bits<small_levels<63>> == 7);
  static_assert(nibble::value_bits<small_levels<127>> == 8);
  static_assert(nibble::value_bits<nibble::widened> == 7 && nibble::value_bits<nibble::widened_small> == 5);
  for_each_integer_format([]<class Q>(std::type_identity<Q>) {
    if constexpr (!nibble::codebook_format<Q>) CHECK(nibble::value_bits<Q> == std::max(4u, Q::code_bits));
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
