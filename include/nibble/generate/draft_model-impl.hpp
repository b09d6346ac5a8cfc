/// The definitions behind draft_model.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "nibble/core/checked.hpp"
#include "nibble/generate/best_guess.hpp"
#include "nibble/generate/check_generates.hpp"
#include "nibble/generate/draft_model.hpp"
#include "nibble/generate/guesser.hpp"
#include "nibble/gguf/metadata.hpp"
#include "nibble/model/evaluator.hpp"
#include "nibble/model/options.hpp"
#include "nibble/text/tokenizer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// An evaluator that follows a session, from some tokens before the end on: its first position is the session's begin_.
class draft_guesser final : public guesser {
 public:
  draft_guesser(evaluator e, std::size_t vocabulary) : evaluator_(std::move(e)), vocabulary_(vocabulary) {
    held_.reserve(evaluator_.context());
  }
  /// What an evaluator of drafts is made with, for a session with these options.
  static session_options room(const any_model& model, const session_options& o) {
    session_options out;
    out.context = std::min(o.context, std::max<std::size_t>(model.context(), 1));
    out.prefill_chunk = read_before;
    out.marks = true;  // a guess can be taken back, whatever the model keeps
    out.state_interval = 0, out.prefix_cache = false;
    out.forks = o.forks;
    return out;
  }
  static std::size_t planned_bytes(const any_model& model, const session_options& o) {
    const session_options r = room(model, o);
    memory_plan plan = model.plan(r);
    plan.sampling = 0;
    const std::size_t each = sum_of_sizes(sizeof(draft_guesser), product_of_sizes(r.context, sizeof(token)));
    return sum_of_sizes(plan.of_session(), product_of_sizes(sum_of_sizes(1, o.forks), each));
  }

  bool is_free() const noexcept override { return false; }
  std::size_t guess(std::span<const token> said, const hidden_states&, std::span<token_guess> out) override {
    if (!follow(said, out.size())) return 0;
    evaluator_.mark();
    std::size_t count = 0;
    while (count < out.size()) {
      const token_guess next = best_guess(evaluator_.logits());
      if (static_cast<std::size_t>(next.id) >= vocabulary_) break;
      out[count++] = next;
      if (next.sureness == 0 || count == out.size() || evaluator_.position() == evaluator_.context()) break;
      held_.push_back(next.id);
      if (evaluator_.feed({&held_.back(), 1}) != feed_outcome::done) break;
    }
    return count;
  }
  result<std::unique_ptr<guesser>> try_fork() const override {
    auto fork = evaluator_.try_fork();
    if (!fork) return std::move(fork).failure();
    auto made = std::make_unique<draft_guesser>(*std::move(fork), vocabulary_);
    made->held_ = held_, made->begin_ = begin_;
    return std::unique_ptr<guesser>(std::move(made));
  }

 private:
  static constexpr std::size_t read_before = 64;

  /// Reads what was said since it was asked last, so that there are logits behind the last token.
  bool follow(std::span<const token> said, std::size_t guesses) {
    held_.resize(std::min(held_.size(), evaluator_.position()));  // what a call before has thrown away
    std::size_t same = 0;
    if (begin_ < said.size()) {
      const auto rest = said.subspan(begin_);
      const auto differ = std::mismatch(held_.begin(), held_.end(), rest.begin(), rest.end());
      same = static_cast<std::size_t>(differ.first - held_.begin());
      same = evaluator_.resumable(std::min(same, rest.size() - 1));
    }
    const std::size_t context = evaluator_.context(), behind = said.size() - std::min(said.size(), begin_ + same);
    if (begin_ >= said.size() || behind > read_before || said.size() - begin_ + guesses > context) {
      begin_ = said.size() - std::min({read_before, said.size(), context / 2 + 1});
      same = 0;
    }
    evaluator_.truncate(same);
    const auto fresh = said.subspan(begin_ + same);
    held_.assign(said.begin() + static_cast<std::ptrdiff_t>(begin_), said.end());
    return evaluator_.feed(fresh) == feed_outcome::done;
  }

  evaluator evaluator_;
  std::size_t vocabulary_;   // of the larger model
  std::vector<token> held_;  // what the evaluator has processed
  std::size_t begin_ = 0;
};

struct draft_guessing final : guessing {
  explicit draft_guessing(const draft_model& o) : options(o) {}
  std::size_t guesses() const noexcept override { return std::clamp<std::size_t>(options.guesses, 1, most_guesses); }
  bool always() const noexcept override { return options.always; }
  std::size_t planned_bytes(const any_model&, const session_options& o) const override {
    return draft_guesser::planned_bytes(options.model, o);
  }
  result<std::unique_ptr<guesser>> try_make(const any_model& model, const session_options& o) const override {
    NIBBLE_TRY(check_in_range("draft_model::guesses", options.guesses, most_guesses));
    const session_options room = draft_guesser::room(options.model, o);
    NIBBLE_TRY(check_generates(options.model, room));
    NIBBLE_TRY(check_same_vocabulary(model.tokenizer(), options.model.tokenizer()));
    auto made = evaluator::try_create(options.model, room);
    if (!made) return std::move(made).failure();
    return std::unique_ptr<guesser>(std::make_unique<draft_guesser>(*std::move(made), model.vocabulary()));
  }

  /// Tokens that both have must be the same; one may have more behind them.
  static result<void> check_same_vocabulary(const tokenizer& of_model, const tokenizer& of_draft) {
    const vocab &a = of_model.vocabulary(), &b = of_draft.vocabulary();
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
      const auto id = static_cast<token>(i);
      if (a.piece(id) == b.piece(id)) continue;
      return error(errc::invalid_argument, "draft_model: expected the vocabulary of the model: its token " + std::to_string(i) +
                                               " is " + quoted(a.piece(id)) + ", the draft model's " + quoted(b.piece(id)));
    }
    return {};
  }
  draft_model options;
};

}  // namespace detail

draft_model::operator speculation() const { return speculation(std::make_shared<detail::draft_guessing>(*this)); }

}  // namespace NIBBLE_ABI
}  // namespace nibble
