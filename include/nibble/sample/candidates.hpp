/// candidates: the tokens that may come next, with their logits: what a sampler works on.
///
/// They begin as the model's logits, where the index is the id, and stay so as long as steps only change numbers; the first
/// step that takes some away makes a list of them. A usual chain thus reads a vocabulary of 262,144 once, and all later
/// steps see the forty that are left.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <utility>
#include <vector>
#include <xsimd/xsimd.hpp>

#include "nibble/core/token.hpp"
#include "nibble/error.hpp"
#include "nibble/sample/softmax.hpp"
#include "nibble/tensor/map.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

struct candidate {
  token id;
  float logit;
};

/// What is chosen where nothing is left to choose from.
inline constexpr token no_token = -1;

/// The order of candidates: greater logits first, lower ids first among equals, NaN behind everything.
constexpr bool ranks_before(const candidate& a, const candidate& b) noexcept {
  if (a.logit > b.logit) return true;
  if (a.logit < b.logit) return false;
  const bool a_is_nan = a.logit != a.logit, b_is_nan = b.logit != b.logit;
  return a_is_nan == b_is_nan ? a.id < b.id : b_is_nan;
}

/// A set of candidates that shrinks from step to step. Its memory is allocated once and used for every token.
///
/// No step of this library takes the last candidate away; a user's own may: then no_token is chosen.
/// @example  nibble::candidates c(logits.size());
///           c.assign(logits);
///           c.remove_if([](const nibble::candidate& x) { return x.id == 13; });
///           for (auto& x : c) if (x.id == 7) x.logit += 2.0f;
///           c.keep_top(40);
class candidates {
 public:
  candidates() noexcept = default;
  /// Makes room for a vocabulary, so that assign() need not.
  explicit candidates(std::size_t vocabulary) { reserve(vocabulary); }

  /// Starts again with all ids. Steps change these logits in place: they must stay until the choice is made.
  /// @errors  none beside bad_alloc; precondition: at most 2^23 logits
  void assign(std::span<float> logits) {
    reserve(logits.size());
    dense_ = logits;
    items_ = {};
    complete_ = true;
  }
  /// Starts again with a copy of some candidates, their ids different from each other.
  void assign(std::span<const candidate> some) {
    reserve(some.size());
    std::copy(some.begin(), some.end(), buffer_.data());
    items_ = {buffer_.data(), some.size()};
    complete_ = false;
  }

  std::size_t size() const noexcept { return complete_ ? dense_.size() : items_.size(); }
  bool empty() const noexcept { return size() == 0; }
  /// True as long as nothing was taken away or listed: then index and id are the same.
  bool complete() const noexcept { return complete_; }
  candidate operator[](std::size_t index) const noexcept {
    return complete_ ? candidate{token(index), dense_[index]} : items_[index];
  }

  /// All candidates as a list that may be changed. @cost O(size) the first time
  std::span<candidate> items() {
    if (complete_) remove_if([](const candidate&) { return false; });
    return items_;
  }
  candidate* begin() { return items().data(); }
  candidate* end() { return items().data() + items_.size(); }

  /// The logit of an id, or null if it is not there. @cost O(1) while complete(), else O(size)
  float* find(token id) noexcept {
    if (complete_) return id >= 0 && std::size_t(id) < dense_.size() ? &dense_[std::size_t(id)] : nullptr;
    const auto found = std::find_if(items_.begin(), items_.end(), [id](const candidate& x) { return x.id == id; });
    return found == items_.end() ? nullptr : &found->logit;
  }

  /// The first by ranks_before(). @errors none; precondition: !empty()
  candidate best() const {
    NIBBLE_ASSERT(!empty());
    if (complete_) return dense_best<>(dense_);
    return *std::min_element(items_.begin(), items_.end(), ranks_before);
  }

  /// logit = f(logit) for all; f as in map().
  template <class F>
  void transform(F f) {
    if (complete_) return map(tensor_view<float, 1>(dense_), std::move(f));
    for (candidate& x : items_) x.logit = f(x.logit);
  }

  /// Takes away what the predicate says; the others keep their order.
  template <class Predicate>
  void remove_if(Predicate gone) {
    std::size_t kept = 0;
    if (complete_) {
      for (std::size_t i = 0; i < dense_.size(); ++i) {
        const candidate x{token(i), dense_[i]};
        if (!gone(x)) buffer_[kept++] = x;
      }
    } else {
      for (const candidate& x : items_)
        if (!gone(x)) buffer_[kept++] = x;
    }
    become_list(kept);
  }

  /// Keeps logits of `least` or more, in their order; the best candidate stays in any case.
  void keep_from(float least) {
    if (empty()) return;
    std::size_t kept = 0;
    for_each_from(least, [&](const candidate& x) { buffer_[kept++] = x; });
    if (kept == 0) buffer_[kept++] = best();
    become_list(kept);
  }

  /// Keeps the k best, best first: fewer if fewer are above -infinity. Nothing happens if k is 0 or no less than size().
  /// @cost  one pass and a selection, no sort of what is taken away
  void keep_top(std::size_t k) {
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

  /// Keeps the fewest of the best whose unnormalised probabilities beside `best`, the greatest logit, sum to that share of all;
  /// best first.
  /// @errors  none; precondition: 0 < share < 1
  /// @cost    two passes, and a sort of little more than what is kept
  void keep_likely(double share, float best) {
    constexpr std::size_t buckets = 256;  // an eighth wide each: the last ones hold what has no unnormalised probability
    const auto bucket_of = [best](float logit) {
      const double distance = 8 * (double(best) - double(logit));
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

  /// Puts the n best in front, best first; the order of the others is left open.
  void sort_descending(std::size_t n = std::numeric_limits<std::size_t>::max()) {
    static_cast<void>(items());
    n = std::min(n, items_.size());
    if (n > 0 && n < items_.size()) select_top(n, items_.size());
    std::sort(buffer_.data(), buffer_.data() + n, ranks_before);
  }

  /// Keeps the first n of the list as it stands.
  void truncate(std::size_t n) {
    const std::size_t left = std::min(n, items().size());
    items_ = items_.first(left);
  }

  /// The sum of all unnormalised probabilities beside `best`, the logit of the best candidate.
  std::uint64_t probability_sum(float best) const noexcept {
    std::uint64_t sum = 0;
    if (complete_) {
      for (const float logit : dense_) sum += unnormalized_probability(logit, best);
    } else {
      for (const candidate& x : items_) sum += unnormalized_probability(x.logit, best);
    }
    return sum;
  }

 private:
  void reserve(std::size_t count) {
    if (count > buffer_.size()) buffer_.resize(count);
  }

  void become_list(std::size_t count) noexcept {
    items_ = {buffer_.data(), count};
    dense_ = {};
    complete_ = false;
  }

  /// The n best of the first `count` in the buffer go to its front, the worst of them last.
  void select_top(std::size_t n, std::size_t count) noexcept {
    std::nth_element(buffer_.data(), buffer_.data() + (n - 1), buffer_.data() + count, ranks_before);
  }

  /// Calls f for the candidates with logits of `least` or more, in order. f may raise `least`, and may write to the buffer as
  /// many as it was given.
  template <class Arch = xsimd::default_arch, class F>
  void for_each_from(const float& least, F f) const noexcept {
    if (!complete_) {
      for (const candidate x : items_)
        if (x.logit >= least) f(x);
      return;
    }
    std::size_t i = 0;
    if constexpr (detail::batch_width<float, Arch>() > 1) {
      using batch = xsimd::batch<float, Arch>;
      for (; dense_.size() - i >= batch::size; i += batch::size) {
        if (!xsimd::any(batch::load_unaligned(dense_.data() + i) >= batch(least))) continue;
        for (std::size_t j = i; j < i + batch::size; ++j)
          if (dense_[j] >= least) f(candidate{token(j), dense_[j]});
      }
    }
    for (; i < dense_.size(); ++i)
      if (dense_[i] >= least) f(candidate{token(i), dense_[i]});
  }

  /// One pass: the block with the greatest logit is remembered, and only that one searched.
  template <class Arch = xsimd::default_arch>
  static candidate dense_best(std::span<const float> logits) noexcept {
    constexpr std::size_t block = 1024;
    float most = -std::numeric_limits<float>::infinity();
    std::size_t where = 0;
    for (std::size_t at = 0; at < logits.size(); at += block) {
      const float here = greatest<Arch>(logits.subspan(at, std::min(block, logits.size() - at)));
      if (!(here > most)) continue;
      most = here;
      where = at;
    }
    while (where < logits.size() && logits[where] != most) ++where;
    if (where == logits.size()) where = 0;  // all NaN
    return {token(where), logits[where]};
  }

  std::vector<candidate> buffer_;  // its front is the list
  std::span<float> dense_;
  std::span<candidate> items_;
  bool complete_ = false;
};

/// The probability of each candidate, in the order of the list; all 0 if no logit is above -infinity.
/// @shape  out (c.size())
inline void softmax(const candidates& c, std::span<double> out) {
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
