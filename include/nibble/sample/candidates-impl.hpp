/// The definitions behind candidates.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <xsimd/xsimd.hpp>

#include "nibble/sample/candidates.hpp"
#include "nibble/sample/softmax-impl.hpp"
#include "nibble/sample/softmax.hpp"
#include "nibble/tensor/map.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// One pass: the block with the greatest logit is remembered, and only that one searched.
inline candidate dense_best(std::span<const float> logits) noexcept {
  constexpr std::size_t block = 1024;
  float most = -std::numeric_limits<float>::infinity();
  std::size_t where = 0;
  for (std::size_t at = 0; at < logits.size(); at += block) {
    const float here = greatest(logits.subspan(at, std::min(block, logits.size() - at)));
    if (!(here > most)) continue;
    most = here;
    where = at;
  }
  while (where < logits.size() && logits[where] != most) ++where;
  if (where == logits.size()) where = 0;  // all NaN
  return {token(where), logits[where]};
}

/// Whether one of a batch of logits is `least` or more.
template <class Arch>
bool any_from(float least, const float* logits) noexcept {
  using batch = xsimd::batch<float, Arch>;
  return any(batch::load_unaligned(logits) >= batch(least));
}

}  // namespace detail

/// Calls f for the candidates with logits of `least` or more, in order. f may raise `least`, and may write to the buffer as
/// many as it was given.
template <class F>
void candidates::for_each_from(const float& least, F f) const noexcept {
  if (!complete_) {
    for (const candidate x : items_)
      if (x.logit >= least) f(x);
    return;
  }
  std::size_t i = 0;
  constexpr std::size_t width = detail::batch_width<float, xsimd::default_arch>();
  if constexpr (width > 1) {
    for (; dense_.size() - i >= width; i += width) {
      if (!detail::any_from<xsimd::default_arch>(least, dense_.data() + i)) continue;
      for (std::size_t j = i; j < i + width; ++j)
        if (dense_[j] >= least) f(candidate{token(j), dense_[j]});
    }
  }
  for (; i < dense_.size(); ++i)
    if (dense_[i] >= least) f(candidate{token(i), dense_[i]});
}

candidates::candidates(std::size_t vocabulary) { reserve(vocabulary); }

void candidates::assign(std::span<float> logits) {
  NIBBLE_ASSERT(logits.size() <= std::size_t{1} << 23);
  reserve(logits.size());
  dense_ = logits;
  items_ = {};
  complete_ = true;
}

void candidates::assign(std::span<const candidate> some) {
  reserve(some.size());
  std::copy(some.begin(), some.end(), buffer_.data());
  become_list(some.size());
}

std::span<candidate> candidates::items() {
  if (complete_) remove_if([](const candidate&) { return false; });
  return items_;
}

float* candidates::find(token id) noexcept {
  if (complete_) return id >= 0 && std::size_t(id) < dense_.size() ? &dense_[std::size_t(id)] : nullptr;
  const auto found = std::find_if(items_.begin(), items_.end(), [id](const candidate& x) { return x.id == id; });
  return found == items_.end() ? nullptr : &found->logit;
}

candidate candidates::best() const {
  NIBBLE_ASSERT(!empty());
  if (complete_) return detail::dense_best(dense_);
  return *std::min_element(items_.begin(), items_.end(), ranks_before);
}

void candidates::keep(std::span<const std::uint64_t> allowed) {
  NIBBLE_ASSERT(!complete_ || 64 * allowed.size() >= dense_.size());
  const auto is_kept = [&](std::size_t id) { return id / 64 < allowed.size() && (allowed[id / 64] >> id % 64 & 1) != 0; };
  std::size_t count = 0;
  for (const std::uint64_t word : allowed) count += static_cast<std::size_t>(std::popcount(word));
  constexpr float nothing = -std::numeric_limits<float>::infinity();
  if (complete_ && 4 * count > dense_.size()) {
    bool any = false;
    for (std::size_t id = 0; id < dense_.size() && !any; ++id) any = is_kept(id) && dense_[id] > nothing;
    if (any) {
      for (std::size_t w = 0; 64 * w < dense_.size(); ++w) {
        for (std::uint64_t gone = w < allowed.size() ? ~allowed[w] : ~std::uint64_t{0}; gone != 0; gone &= gone - 1) {
          const std::size_t id = 64 * w + static_cast<std::size_t>(std::countr_zero(gone));
          if (id < dense_.size()) dense_[id] = nothing;
        }
      }
      return;
    }
  }
  if (!complete_) return remove_if([&](const candidate& x) { return !is_kept(static_cast<std::size_t>(x.id)); });
  std::size_t kept = 0;
  for (std::size_t w = 0; w < allowed.size(); ++w) {
    for (std::uint64_t bits = allowed[w]; bits != 0; bits &= bits - 1) {
      const std::size_t id = 64 * w + static_cast<std::size_t>(std::countr_zero(bits));
      if (id < dense_.size()) buffer_[kept++] = {token(id), dense_[id]};
    }
  }
  become_list(kept);
}

void candidates::keep_from(float least) {
  if (empty()) return;
  std::size_t kept = 0;
  for_each_from(least, [&](const candidate& x) { buffer_[kept++] = x; });
  if (kept == 0) buffer_[kept++] = best();
  become_list(kept);
}

void candidates::keep_top(std::size_t k) {
  if (k == 0 || k >= size()) return;
  std::size_t kept = 0;
  if (k > 1) {
    // collects what beats the worst of the k best so far, and picks the k best again whenever there is too much of it
    const std::size_t limit = k + std::max<std::size_t>(k, 256);
    float least = std::numeric_limits<float>::lowest();
    for_each_from(least, [&](const candidate& x) {
      buffer_[kept++] = x;
      if (kept != limit) return;
      select_top(k, kept);
      kept = k;
      least = buffer_[k - 1].logit;
    });
  }
  if (kept == 0) buffer_[kept++] = best();
  if (kept > k) select_top(k, kept);
  become_list(std::min(k, kept));
  sort_descending();
}

void candidates::keep_likely(double share, float best) {
  NIBBLE_ASSERT(share > 0 && share < 1);
  constexpr std::size_t buckets = 256;  // an eighth wide each: the last ones hold what is never drawn
  const auto bucket_of = [best](float logit) {
    const double distance = logit == best ? 0 : 8 * (double(best) - double(logit));  // both may be infinite
    return distance < buckets - 1 ? std::size_t(distance) : buckets - 1;
  };
  std::array<std::uint64_t, buckets> sums{};
  for (std::size_t i = 0; i < size(); ++i) {
    const float logit = (*this)[i].logit;
    sums[bucket_of(logit)] += unnormalized_probability(logit, best);
  }
  const std::uint64_t total = std::accumulate(sums.begin(), sums.end(), std::uint64_t{0});
  const auto wanted = std::uint64_t(std::ceil(share * double(total)));
  std::size_t border = 0;
  for (std::uint64_t sum = sums[0]; sum < wanted && border < buckets - 1; sum += sums[border]) ++border;
  remove_if([&](const candidate& x) { return bucket_of(x.logit) > border; });
  sort_descending();
  std::size_t kept = 0;
  for (std::uint64_t sum = 0; kept < items_.size() && sum < wanted; ++kept)
    sum += unnormalized_probability(items_[kept].logit, best);
  truncate(kept);
}

void candidates::sort_descending(std::size_t n) {
  static_cast<void>(items());
  n = std::min(n, items_.size());
  if (n > 0 && n < items_.size()) select_top(n, items_.size());
  std::sort(buffer_.data(), buffer_.data() + n, ranks_before);
}

void candidates::truncate(std::size_t n) {
  const std::size_t left = std::min(n, items().size());
  items_ = items_.first(left);
}

std::uint64_t candidates::probability_sum(float best) const noexcept {
  std::uint64_t sum = 0;
  if (complete_) {
    for (const float logit : dense_) sum += unnormalized_probability(logit, best);
  } else {
    for (const candidate& x : items_) sum += unnormalized_probability(x.logit, best);
  }
  return sum;
}

void candidates::reserve(std::size_t count) {
  if (count > buffer_.size()) buffer_.resize(count);
}

void candidates::select_top(std::size_t n, std::size_t count) noexcept {
  std::nth_element(buffer_.data(), buffer_.data() + (n - 1), buffer_.data() + count, ranks_before);
}

void softmax(const candidates& c, std::span<double> out) {
  NIBBLE_ASSERT(out.size() == c.size());
  if (c.empty()) return;
  const float best = c.best().logit;
  const bool possible = best > -std::numeric_limits<float>::infinity();
  const double total = possible ? double(c.probability_sum(best)) : 1.0;
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = possible ? double(unnormalized_probability(c[i].logit, best)) / total : 0.0;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
