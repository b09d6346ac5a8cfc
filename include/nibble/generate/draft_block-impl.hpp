/// The definitions behind draft_block.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "nibble/core/checked.hpp"
#include "nibble/generate/best_guess.hpp"
#include "nibble/generate/draft_block.hpp"
#include "nibble/generate/guesser.hpp"
#include "nibble/model/any_model.hpp"
#include "nibble/model/evaluator.hpp"
#include "nibble/model/options.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// An evaluator of drafts that follows a session. Its position p is a pair: the session's token begin_ + p, and the hidden
/// state behind all tokens before that one.
class block_guesser final : public guesser {
 public:
  explicit block_guesser(evaluator e) : evaluator_(std::move(e)), state_(evaluator_.model().width()) {
    held_.reserve(evaluator_.context());
  }
  /// What an evaluator of drafts is made with, for a session with these options.
  static session_options room(const session_options& o) {
    session_options out;
    out.context = o.context;
    out.prefill_chunk = most_guesses + 1;  // rows of a step
    out.output = step_output::draft;
    out.marks = false, out.state_interval = 0, out.prefix_cache = false;
    out.forks = o.forks;
    out.keep_hidden = true;
    return out;
  }
  static std::size_t planned_bytes(const any_model& model, const session_options& o) {
    const session_options r = room(o);
    memory_plan plan = model.plan(r);
    plan.sampling = 0;
    const std::size_t numbers =
        sum_of_sizes(product_of_sizes(r.context, sizeof(token)), product_of_sizes(model.width(), sizeof(float)));
    const std::size_t each = sum_of_sizes(sizeof(block_guesser), numbers);
    return sum_of_sizes(plan.of_session(), product_of_sizes(sum_of_sizes(1, o.forks), each));
  }

  bool is_free() const noexcept override { return false; }
  std::size_t guess(std::span<const token> said, const hidden_states& hidden, std::span<token_guess> out) override {
    // The last pair is the last token, and the state behind those before it.
    if (hidden.behind >= said.size() || said.size() - hidden.behind > hidden.rows.tokens) return 0;
    if (!follow(said, hidden, out.size())) return 0;
    std::size_t count = 0;
    while (true) {
      const token_guess next = best_guess(evaluator_.logits());
      out[count++] = next;
      if (next.sureness == 0 || count == out.size()) break;
      const activations own = evaluator_.hidden();
      std::copy_n(own.row(0), state_.size(), state_.begin());
      if (evaluator_.draft({&next.id, 1}, state_) != feed_outcome::done) break;
    }
    return count;
  }
  result<std::unique_ptr<guesser>> try_fork() const override {
    auto fork = evaluator_.try_fork();
    if (!fork) return std::move(fork).failure();
    auto made = std::make_unique<block_guesser>(*std::move(fork));
    made->held_ = held_, made->begin_ = begin_;
    return std::unique_ptr<guesser>(std::move(made));
  }

 private:
  /// Reads the pairs that are new, so that there are logits behind the last one.
  bool follow(std::span<const token> said, const hidden_states& hidden, std::size_t guesses) {
    const auto fresh = said.subspan(hidden.behind);
    const bool goes_on = begin_ + held_.size() == hidden.behind && begin_ <= hidden.behind &&
                         std::equal(held_.begin(), held_.end(), said.begin() + static_cast<std::ptrdiff_t>(begin_)) &&
                         held_.size() + fresh.size() + guesses <= evaluator_.context() &&
                         evaluator_.resumable(held_.size()) == held_.size();
    if (!goes_on) begin_ = hidden.behind, held_.clear();
    if (fresh.size() + guesses > evaluator_.context()) return false;
    evaluator_.truncate(held_.size());
    const std::span<const float> states(hidden.rows.data, fresh.size() * state_.size());
    if (evaluator_.draft(fresh, states) != feed_outcome::done) return false;
    held_.insert(held_.end(), fresh.begin(), fresh.end());
    return true;
  }

  evaluator evaluator_;
  std::vector<float> state_;  // of a guess, while the next one is made from it
  std::vector<token> held_;   // of the pairs that are the session's
  std::size_t begin_ = 0;
};

struct block_guessing final : guessing {
  explicit block_guessing(const draft_block& o) : options(o) {}
  std::size_t guesses() const noexcept override { return std::clamp<std::size_t>(options.guesses, 1, most_guesses); }
  bool always() const noexcept override { return options.always; }
  bool wants_hidden() const noexcept override { return true; }
  std::size_t planned_bytes(const any_model& model, const session_options& o) const override {
    return block_guesser::planned_bytes(model, o);
  }
  result<std::unique_ptr<guesser>> try_make(const any_model& model, const session_options& o) const override {
    NIBBLE_TRY(check_in_range("draft_block::guesses", options.guesses, most_guesses));
    auto made = evaluator::try_create(model, block_guesser::room(o));
    if (!made) return std::move(made).failure();
    return std::unique_ptr<guesser>(std::make_unique<block_guesser>(*std::move(made)));
  }
  draft_block options;
};

}  // namespace detail

draft_block::operator speculation() const { return speculation(std::make_shared<detail::block_guessing>(*this)); }

}  // namespace NIBBLE_ABI
}  // namespace nibble
