/// Products of a format with a codebook that is not registered: the kernels are compiled here once more, for it alone.
#include "support/codebook_format.hpp"

#include "nibble/kernels/target_macros.hpp"
// whatever is compiled once comes first:
#include "nibble/kernels/reference.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/codebook_test.cpp"
#include "hwy/foreach_target.h"
// after foreach_target.h
#include "hwy/highway.h"
#if HWY_TARGET != HWY_SCALAR && (!defined(HWY_EMU128) || HWY_TARGET != HWY_EMU128)
#include "nibble/kernels/matmul-inl.hpp"
#define NIBBLE_TEST_HAS_KERNELS 1
#else
#undef NIBBLE_BEFORE_NAMESPACE
#undef NIBBLE_AFTER_NAMESPACE
#define NIBBLE_BEFORE_NAMESPACE HWY_BEFORE_NAMESPACE
#define NIBBLE_AFTER_NAMESPACE HWY_AFTER_NAMESPACE
#define NIBBLE_TEST_HAS_KERNELS 0
#endif

NIBBLE_BEFORE_NAMESPACE();
namespace nibble {
inline namespace NIBBLE_ABI {
namespace HWY_NAMESPACE {

inline void codebook_matmul(const matmul_args& m) {
#if NIBBLE_TEST_HAS_KERNELS
  matmul<nibble_test::small_codebook_sample>(m);
#else
  reference::matmul<nibble_test::small_codebook_sample>(m);
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace NIBBLE_ABI
}  // namespace nibble
NIBBLE_AFTER_NAMESPACE();
#undef NIBBLE_TEST_HAS_KERNELS

#if HWY_ONCE
#include <doctest/doctest.h>

#include "hwy/targets.h"
#include "kernels/samples.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
HWY_EXPORT(codebook_matmul);
}  // namespace NIBBLE_ABI
}  // namespace nibble

using namespace nibble;
using nibble_test::gaussian;
using nibble_test::make_input;
using nibble_test::relative_error;
using nibble_test::sample_weight;
using nibble_test::small_codebook_sample;

namespace {
/// Calls f(std::type_identity<Q>{}, product) with the products of every instruction set of this machine.
template <class F>
void for_each_target(F&& f) {
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    INFO("target ", std::string(hwy::TargetName(target)));
    f(std::type_identity<small_codebook_sample>(), [](const matmul_args& m) { HWY_DYNAMIC_DISPATCH(codebook_matmul)(m); });
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}
}  // namespace

TEST_CASE("every target multiplies a format with a codebook like the reference, packed or as a file holds it") {
  for_each_target([]<class Q>(std::type_identity<Q>, const auto& product) {
    for (std::size_t columns : {32, 352, 768}) {
      for (std::size_t rows : {1, 16, 35}) {
        const sample_weight<Q> w(rows, columns, 3);
        for (std::size_t tokens : {1, 2, 5, 9, 130}) {
          const auto input = make_input<Q>(gaussian(tokens * columns, 11), columns, tokens);
          std::vector<float> expected(tokens * rows), found(tokens * rows), unpacked(tokens * rows);
          reference::matmul<Q>(w.product(input, tokens, expected.data()));
          product(w.product(input, tokens, found.data()));
          REQUIRE(relative_error(expected, found) < 2e-6);
          matmul_args m = w.product(input, tokens, unpacked.data());
          m.groups = nullptr, m.stored = w.stored(), m.row_bytes = w.row_bytes;
          product(m);
          REQUIRE(unpacked == found);
        }
      }
    }
  });
}

TEST_CASE("the largest levels of a codebook and activations do not overflow the short sums") {
  for_each_target([]<class Q>(std::type_identity<Q>, const auto& product) {
    sample_weight<Q> w(16, 256, 1);
    for (int extreme = 0; extreme < 16; ++extreme) {
      const std::vector<std::uint8_t> codes(32, static_cast<std::uint8_t>(extreme));
      for (std::size_t column = 0; column < 256; column += 32) {
        const std::size_t at = column % unit_columns<Q>;
        const panel_unit<Q, std::byte> unit(w.panels, 256, column - at);
        for (std::size_t row = 0; row < 16; ++row) pack_codes<4>(codes.data(), row, unit.codes + at / 32 * code_bytes(4));
      }
      for (float sign : {1.0f, -1.0f}) {
        const auto input = make_input<Q>(std::vector<float>(256, sign), 256, 1);
        std::vector<float> expected(16), found(16);
        reference::matmul<Q>(w.product(input, 1, expected.data()));
        product(w.product(input, 1, found.data()));
        REQUIRE(relative_error(expected, found) < 2e-6);
      }
    }
  });
}
#endif
