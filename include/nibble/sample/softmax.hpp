/// The softmax that decides draws, in integers: the same on every platform, compiler and vector width.
///
/// std::exp differs between C libraries, and sums of floats depend on their order and on whether the compiler fuses
/// multiplications with additions. From equal logits a seed must give one token everywhere, so unnormalised probabilities are
/// whole multiples of 2^-40: their sums are exact in any order.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "nibble/config.hpp"
#include "nibble/core/token.hpp"
#include "nibble/error.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// The unnormalised probability of the best candidate, to which all others are relative. 2^23 of them can be summed.
inline constexpr std::uint64_t certain = std::uint64_t{1} << 40;

/// 2^40 * e^x for x <= 0, rounded down; 0 below -27.7 and for NaN. Does not fall where x grows.
/// @units   relative error below 2^-29, plus one unit: finer than the float logits that it is applied to
constexpr std::uint64_t unnormalized_probability(double x) noexcept {
  if (!(x > -28)) return 0;
  if (x >= 0) return certain;
  // 2^-(octaves + fraction) = 2^-(octaves + 1) * 2^rest; products of an integer and a power of two are exact in double
  const auto exponent = static_cast<std::uint64_t>(-x * 0x1.71547652b82fep+32);  // |x| / ln 2, 32 bits of fraction
  const unsigned octaves = unsigned(exponent >> 32);
  const std::uint64_t rest = (std::uint64_t{1} << 32) - (exponent & 0xffffffffu);
  std::uint64_t sum = 0;  // (2^rest - 1) / rest in units of 2^-31, by Horner's rule
  for (const std::uint64_t term : {0xade9u, 0x4c98bu, 0x2bdf8du, 0x13b1a32u, 0x71ac4fcu, 0x1ebfbdd3u, 0x58b90bfcu})
    sum = term + ((sum * rest) >> 32);
  const std::uint64_t mantissa = (std::uint64_t{1} << 31) + ((sum * rest) >> 32);
  return (mantissa << 9) >> (octaves + 1);
}

/// The unnormalised probability of a logit beside the best one: 1 for the best itself, infinite or not; 0 for NaN.
constexpr std::uint64_t unnormalized_probability(float logit, float best) noexcept {
  return logit == best ? certain : unnormalized_probability(double(logit) - double(best));
}

/// The least logit whose unnormalised probability is `wanted` or more.
/// @errors  none; precondition: best finite, 0 < wanted <= certain
constexpr float least_logit(std::uint64_t wanted, float best) NIBBLE_NOEXCEPT {
  NIBBLE_ASSERT(best - best == 0 && wanted > 0 && wanted <= certain);
  // floats as integers in the same order: halve the interval until its ends touch
  const auto rank_of = [](float x) {
    const auto bits = std::bit_cast<std::int32_t>(x);
    return bits >= 0 ? std::int64_t(bits) : -std::int64_t(bits & 0x7fffffff);
  };
  const auto float_of = [](std::int64_t rank) {
    return std::bit_cast<float>(rank >= 0 ? std::uint32_t(rank) : 0x80000000u | std::uint32_t(-rank));
  };
  std::int64_t low = rank_of(-std::numeric_limits<float>::infinity()), high = rank_of(best);
  while (high - low > 1) {
    const std::int64_t middle = low + (high - low) / 2;
    (unnormalized_probability(float_of(middle), best) >= wanted ? high : low) = middle;
  }
  return float_of(high);
}

/// A candidate's part of the sum of surprises: its unnormalised probability times how far its logit stands below the best one,
/// rounded down, so that sums are exact in any order. 0 where the probability is.
/// @errors  none; at most certain / e, and 2^23 of them can be summed
constexpr std::uint64_t unnormalized_surprise(float logit, float best) noexcept {
  const std::uint64_t share = unnormalized_probability(logit, best);
  return share == 0 || logit == best ? 0 : static_cast<std::uint64_t>((double(best) - double(logit)) * double(share));
}

namespace detail {
/// The same as least_logit of any best logit above -infinity, and of any share above 0: the best logit, if no other one has it.
constexpr float least_logit_of(std::uint64_t wanted, float best) noexcept {
  return best <= std::numeric_limits<float>::max() && wanted < certain ? least_logit(wanted, best) : best;
}

/// Where a draw of weights falls: an index below size; `weight(i)` is called from 0 on.
/// @param total  the sum of all weights, which is not 0
/// @param u      in [0, 1)
template <class Weight>
std::size_t drawn_index(std::size_t size, std::uint64_t total, double u, Weight weight) {
  std::uint64_t left = static_cast<std::uint64_t>(u * double(total));
  if (left >= total) left = total - 1;
  std::size_t i = 0;
  for (; i + 1 < size; ++i) {
    const std::uint64_t share = weight(i);
    if (left < share) break;
    left -= share;
  }
  return i;
}
}  // namespace detail

/// The greatest of all logits, NaN passed over; -infinity if there is none.
float greatest(std::span<const float> logits) noexcept;

/// The natural logarithm of the probability that the model gives a token: what events report. Decides nothing, so it may
/// differ in its last digits between processors.
/// @errors  NaN if the id is out of range or no logit is finite
/// @cost    one pass for the greatest, one for the sum
float log_probability(std::span<const float> logits, token id) noexcept;

}  // namespace NIBBLE_ABI
}  // namespace nibble
