/// Products of formats that are not registered, one with a codebook and two that are widened: the kernels are compiled here
/// once more, for them alone.
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

#if !NIBBLE_TEST_HAS_KERNELS
using reference::matmul;
#endif
inline void codebook_matmul(const matmul_args& m) { matmul<nibble_test::small_codebook_sample>(m); }
inline void widened_matmul(const matmul_args& m) { matmul<nibble_test::widened_sample>(m); }
inline void small_widened_matmul(const matmul_args& m) { matmul<nibble_test::small_widened_sample>(m); }

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
HWY_EXPORT(widened_matmul);
HWY_EXPORT(small_widened_matmul);
}  // namespace NIBBLE_ABI
}  // namespace nibble

using namespace nibble;
using namespace nibble_test;

namespace {
/// Calls f(std::type_identity<Q>{}, target, product) with the products of every instruction set of this machine.
template <class F>
void for_each_target(F&& f) {
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    const std::string name(hwy::TargetName(target));
    INFO("target ", name);
    f(std::type_identity<small_codebook_sample>(), name, [](const matmul_args& m) {
      HWY_DYNAMIC_DISPATCH(codebook_matmul)(m);
    });
    f(std::type_identity<widened_sample>(), name, [](const matmul_args& m) { HWY_DYNAMIC_DISPATCH(widened_matmul)(m); });
    f(std::type_identity<small_widened_sample>(), name, [](const matmul_args& m) {
      HWY_DYNAMIC_DISPATCH(small_widened_matmul)(m);
    });
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}
}  // namespace

TEST_CASE("every target multiplies a format that is not registered like the reference, packed or as a file holds it") {
  for_each_target([]<class Q>(std::type_identity<Q>, const std::string& target, const auto& product) {
    for (std::size_t columns : {32, 352, 768}) {
      for (std::size_t rows : {1, 16, 35}) {
        const sample_weight<Q> w(rows, columns, 3);
        for (std::size_t tokens : {1, 2, 5, 9, 130}) {
          const auto input = make_input<Q>(gaussian(tokens * columns, 11), columns, tokens);
          std::vector<float> expected(tokens * rows), found(tokens * rows), unpacked(tokens * rows);
          reference::matmul<Q>(w.product(input, tokens, expected.data()));
          product(w.product(input, tokens, found.data()));
          REQUIRE(agree(target, expected, found));
          matmul_args m = w.product(input, tokens, unpacked.data());
          m.groups = nullptr, m.stored = w.stored(), m.row_bytes = w.row_bytes;
          product(m);
          REQUIRE(unpacked == found);
        }
      }
    }
  });
}

TEST_CASE("the largest levels of a codebook, or of what is widened, and activations do not overflow the short sums") {
  for_each_target([]<class Q>(std::type_identity<Q>, const std::string& target, const auto& product) {
    sample_weight<Q> w(16, 256, 1);
    for (int extreme = 0; extreme < 16; ++extreme) {
      if constexpr (integer_format<Q>) {
        set_codes(w, static_cast<std::uint8_t>(extreme));
      } else {
        std::memset(w.panels, extreme * ((1 << wide_of<Q>::level_bits) - 1) / 15, w.bytes);
      }
      for (float sign : {1.0f, -1.0f}) {
        for (std::size_t tokens : {1, 4, 20}) {
          const auto input = largest_input<Q>(sign, 256, tokens);
          std::vector<float> expected(16 * tokens), found(16 * tokens);
          reference::matmul<Q>(w.product(input, tokens, expected.data()));
          product(w.product(input, tokens, found.data()));
          REQUIRE(agree(target, expected, found));
        }
      }
    }
  });
}
#endif
