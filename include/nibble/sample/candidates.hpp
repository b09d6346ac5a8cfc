/// candidates: the tokens that may come next, with their logits: what a sampler works on.
///
/// They begin as the model's logits, where the index is the id, and stay so as long as steps only change numbers; the first
/// step that takes some away makes a list of them. A usual chain thus reads a vocabulary of 262,144 once, and all later
/// steps see the forty that are left.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "nibble/core/token.hpp"
#include "nibble/error.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// A token that may come next.
struct candidate {
  token id;
  float logit;
};

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
  explicit candidates(std::size_t vocabulary);

  /// Starts again with all ids. Steps change these logits in place: they must stay until the choice is made.
  /// @errors  none beside bad_alloc; precondition: at most 2^23 logits
  void assign(std::span<float> logits);
  /// Starts again with a copy of some candidates, their ids different from each other.
  void assign(std::span<const candidate> some);

  std::size_t size() const noexcept { return complete_ ? dense_.size() : items_.size(); }
  bool empty() const noexcept { return size() == 0; }
  /// True as long as nothing was taken away or listed: then index and id are the same.
  bool complete() const noexcept { return complete_; }
  /// @errors  none; precondition: index < size()
  candidate operator[](std::size_t index) const NIBBLE_NOEXCEPT {
    NIBBLE_ASSERT(index < size());
    return complete_ ? candidate{token(index), dense_[index]} : items_[index];
  }

  /// All candidates as a list that may be changed. @cost O(size) the first time
  std::span<candidate> items();
  candidate* begin() { return items().data(); }
  candidate* end() { return items().data() + items_.size(); }

  /// The logit of an id, or null if it is not there. @cost O(1) while complete(), else O(size)
  float* find(token id) noexcept;

  /// The first by ranks_before().
  /// @errors  none; precondition: !empty()
  candidate best() const;

  /// logit = f(logit) for all.
  template <class F>
  void transform(F f) {
    for (float& logit : dense_) logit = f(logit);  // empty once there is a list
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

  /// Keeps the ids whose bits are set, lowest first: as many words as a vocabulary takes.
  ///
  /// Where most are kept, the others stay with a logit of -infinity, which no step of this library chooses.
  /// @errors  none; precondition: there is a bit for each logit, as long as complete(). Those that have none are taken away
  /// @cost  one pass over the words, and over what is not kept or over what is kept, whichever is less
  void keep(std::span<const std::uint64_t> allowed);

  /// Keeps logits of `least` or more, in their order; the best candidate stays in any case.
  void keep_from(float least);

  /// Keeps the k best, best first: fewer if fewer are above -infinity. Nothing happens if k is 0 or no less than size().
  /// @cost  one pass and a selection, no sort of what is taken away
  void keep_top(std::size_t k);

  /// Keeps the fewest of the best whose probabilities sum to `share` or more; best first. `best` is the greatest logit.
  /// @errors  none; precondition: 0 < share < 1
  /// @cost    two passes, and a sort of little more than what is kept
  void keep_likely(double share, float best);

  /// Puts the n best in front, best first; the order of the others is left open.
  void sort_descending(std::size_t n = std::numeric_limits<std::size_t>::max());

  /// Keeps the first n of the list as it stands.
  void truncate(std::size_t n);

  /// The sum of all unnormalised probabilities beside `best`, the logit of the best candidate.
  std::uint64_t probability_sum(float best) const noexcept;

 private:
  void reserve(std::size_t count);

  void become_list(std::size_t count) noexcept {
    items_ = {buffer_.data(), count};
    dense_ = {};
    complete_ = false;
  }

  /// The n best of the first `count` in the buffer go to its front, the worst of them last.
  void select_top(std::size_t n, std::size_t count) noexcept;

  template <class F>
  void for_each_from(const float& least, F f) const noexcept;

  std::vector<candidate> buffer_;  // its front is the list
  std::span<float> dense_;
  std::span<candidate> items_;
  bool complete_ = false;
};

/// The probability of each candidate, in the order of the list; all 0 if no logit is above -infinity.
/// @shape   out (c.size())
/// @errors  precondition: the shape
void softmax(const candidates& c, std::span<double> out);

}  // namespace NIBBLE_ABI
}  // namespace nibble
