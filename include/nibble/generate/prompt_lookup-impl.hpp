/// The definitions behind prompt_lookup.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "nibble/core/checked.hpp"
#include "nibble/generate/guesser.hpp"
#include "nibble/generate/prompt_lookup.hpp"
#include "nibble/model/options.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Finds where the end of a text stands in it once more. Places whose last `shortest` tokens have one hash are a list, newest
/// first.
class lookup_guesser final : public guesser {
 public:
  lookup_guesser(std::size_t shortest, std::size_t context)
      : shortest_(shortest), newest_(buckets(context), 0), older_(context + 1) {
    text_.reserve(context);
  }
  static constexpr std::size_t buckets(std::size_t context) noexcept {
    return std::bit_ceil(std::max<std::size_t>(context, 1));
  }
  static std::size_t planned_bytes(std::size_t context) noexcept {
    const std::size_t places =
        product_of_sizes(sum_of_sizes(buckets(context), sum_of_sizes(context, 1)), sizeof(std::uint32_t));
    return sum_of_sizes(sizeof(lookup_guesser), sum_of_sizes(places, product_of_sizes(context, sizeof(token))));
  }

  bool is_free() const noexcept override { return true; }
  std::size_t guess(std::span<const token> said, const hidden_states&, std::span<token_guess> out) override {
    follow(said);
    const place found = longest();
    if (found.behind == 0) return 0;
    for (std::size_t i = 0; i < out.size(); ++i) {
      const std::size_t from = found.behind + i;  // behind the end, the text goes on as it is guessed
      out[i].id = from < text_.size() ? text_[from] : out[from - text_.size()].id;
      out[i].sureness = sureness_of(found.length + i);
    }
    return out.size();
  }
  result<std::unique_ptr<guesser>> try_fork() const override {
    auto made = std::make_unique<lookup_guesser>(shortest_, older_.size() - 1);
    made->follow(text_);
    return std::unique_ptr<guesser>(std::move(made));
  }

 private:
  static constexpr std::size_t most_places = 64, longest_match = 48;
  struct place {
    std::size_t behind = 0, length = 0;
  };

  static std::uint8_t sureness_of(std::size_t length) noexcept {
    constexpr std::size_t from[] = {3, 4, 5, 7, 10, 16, 32};
    return static_cast<std::uint8_t>(std::upper_bound(std::begin(from), std::end(from), length) - std::begin(from));
  }

  std::uint32_t& list_of(std::size_t end) noexcept {
    std::uint64_t hash = 0;
    for (std::size_t i = end - shortest_; i < end; ++i)
      hash = (hash ^ static_cast<std::uint32_t>(text_[i])) * 0x9E3779B97F4A7C15u, hash ^= hash >> 29;
    return newest_[static_cast<std::size_t>(hash) & (newest_.size() - 1)];
  }

  /// Makes the index that of another text: forgets what differs, and adds what is new. A place is the end of some tokens; the
  /// end of the whole text is none yet.
  void follow(std::span<const token> said) noexcept {
    const auto differ = std::mismatch(text_.begin(), text_.end(), said.begin(), said.end());
    const auto same = static_cast<std::size_t>(differ.first - text_.begin());
    for (std::size_t end = text_.size(); end-- > std::max(same, shortest_);) list_of(end) = older_[end];
    text_.resize(same);
    for (std::size_t i = same; i < said.size(); ++i) {
      if (i >= shortest_) {
        std::uint32_t& list = list_of(i);
        older_[i] = list, list = static_cast<std::uint32_t>(i);
      }
      text_.push_back(said[i]);
    }
  }

  /// Where most of the last tokens stand once more, and of such places the newest.
  place longest() noexcept {
    place best;
    const std::size_t end = text_.size();
    if (end <= shortest_) return best;
    std::size_t at = list_of(end);
    for (std::size_t looked = 0; at != 0 && looked < most_places && best.length < longest_match; ++looked, at = older_[at]) {
      std::size_t length = 0;
      while (length < std::min(at, longest_match) && text_[at - 1 - length] == text_[end - 1 - length]) ++length;
      if (length >= shortest_ && length > best.length) best = {at, length};
    }
    return best;
  }

  std::size_t shortest_;
  std::vector<token> text_;
  std::vector<std::uint32_t> newest_, older_;  // of a hash; and of the same hash as a place. 0: none
};

struct lookup_guessing final : guessing {
  explicit lookup_guessing(const prompt_lookup& o) : options(o) {}
  std::size_t guesses() const noexcept override { return std::min(options.guesses, most_guesses); }
  bool always() const noexcept override { return options.always; }
  std::size_t planned_bytes(const any_model&, const session_options& o) const override {
    return product_of_sizes(sum_of_sizes(1, o.forks), lookup_guesser::planned_bytes(o.context));
  }
  result<std::unique_ptr<guesser>> try_make(const any_model&, const session_options& o) const override {
    NIBBLE_TRY(check_in_range("prompt_lookup::guesses", options.guesses, most_guesses));
    NIBBLE_TRY(check_in_range("prompt_lookup::shortest", options.shortest, 16));
    return std::unique_ptr<guesser>(std::make_unique<lookup_guesser>(options.shortest, o.context));
  }
  prompt_lookup options;
};

}  // namespace detail

prompt_lookup::operator speculation() const { return speculation(std::make_shared<detail::lookup_guessing>(*this)); }

}  // namespace NIBBLE_ABI
}  // namespace nibble
