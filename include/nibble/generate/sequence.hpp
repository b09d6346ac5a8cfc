/// sequence: the tokens of a session and the cache that holds them, kept in agreement, whatever the model's type.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <stop_token>
#include <utility>
#include <vector>

#include "nibble/core/token.hpp"
#include "nibble/error.hpp"
#include "nibble/generate/stats.hpp"
#include "nibble/model/evaluator.hpp"
#include "nibble/model/options.hpp"
#include "nibble/sample/candidates.hpp"
#include "nibble/text/tokenizer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// tokens() is what was said; the cache holds a beginning of it. Whatever the cache lacks is fed by the next process(), so a
/// token may be appended, taken away or left unprocessed at any point without the two falling apart.
class sequence {
 public:
  sequence(const tokenizer& words, std::size_t context) : choices(words.size()), words_(&words), context_(context) {
    tokens_.reserve(context);
    for (std::size_t id = 0; id < words.size(); ++id) {
      longest_piece_ = std::max(longest_piece_, words.piece(static_cast<token>(id)).size());
    }
  }
  virtual ~sequence() = default;
  sequence(const sequence&) = delete;
  sequence& operator=(const sequence&) = delete;

  const tokenizer& words() const noexcept { return *words_; }
  std::span<const token> tokens() const noexcept { return tokens_; }
  std::size_t context() const noexcept { return context_; }
  std::size_t room() const noexcept { return context_ - tokens_.size(); }
  /// Bytes of the longest token.
  std::size_t longest_piece() const noexcept { return longest_piece_; }
  /// Tokens that the cache lacks.
  std::size_t unprocessed() const noexcept { return tokens_.size() - cached(); }

  /// @errors  none; precondition: tokens.size() <= room(), all in [0, vocabulary)
  void append(std::span<const token> tokens) noexcept { tokens_.insert(tokens_.end(), tokens.begin(), tokens.end()); }
  void append(token id) noexcept { tokens_.push_back(id); }

  /// Cuts back to the first `position` tokens. Where a sliding window has forgotten what comes before, process() will begin
  /// from the first token again.
  void truncate(std::size_t position) noexcept {
    tokens_.resize(std::min(position, tokens_.size()));
    if (cached() > tokens_.size()) cut_cache(tokens_.size());
  }
  /// Takes away what process() did not come to, down to the first `keep` tokens.
  void forget_unprocessed(std::size_t keep) noexcept { truncate(std::max(keep, cached())); }

  /// Brings the cache up to tokens(): then the logits after the last one can be taken.
  /// @errors  none; precondition: tokens() is not empty
  feed_outcome process(const std::stop_token& cancel) noexcept {
    if (cancel.stop_requested()) return feed_outcome::cancelled;
    if (!logits_are_fresh_ && unprocessed() == 0) cut_cache(tokens_.size() - 1);
    if (unprocessed() == 0) return feed_outcome::done;
    logits_are_fresh_ = false;
    const std::size_t before = cached();
    const feed_outcome outcome = feed(std::span<const token>(tokens_).subspan(before), cancel);
    processed_ += cached() - before;
    logits_are_fresh_ = outcome == feed_outcome::done;
    return outcome;
  }
  /// Tokens that have ever been processed.
  std::size_t processed() const noexcept { return processed_; }
  /// The logits after the last token, for the taker to change. @errors none; precondition: process() is done
  std::span<float> take_logits() noexcept {
    logits_are_fresh_ = false;
    return logits();
  }

  candidates choices;           // memory for samplers
  std::size_t generations = 0;  // how many have begun: the latest is the one that may go on
  generation_stats stats;       // of the latest

 private:
  virtual std::size_t cached() const noexcept = 0;
  virtual feed_outcome feed(std::span<const token> tokens, std::stop_token cancel) noexcept = 0;
  virtual bool truncate_cache(std::size_t position) noexcept = 0;
  virtual std::span<float> logits() noexcept = 0;

  void cut_cache(std::size_t position) noexcept {
    logits_are_fresh_ = false;
    if (!truncate_cache(position)) truncate_cache(0);
  }

  const tokenizer* words_;
  std::size_t context_, longest_piece_ = 0, processed_ = 0;
  std::vector<token> tokens_;
  bool logits_are_fresh_ = false;
};

/// The sequence of a model: its evaluator.
template <class Model>
class model_sequence final : public sequence {
 public:
  explicit model_sequence(evaluator<Model> e) : sequence(e.model().tokenizer(), e.context()), evaluator_(std::move(e)) {}
  const Model& model() const noexcept { return evaluator_.model(); }

 private:
  std::size_t cached() const noexcept override { return evaluator_.position(); }
  feed_outcome feed(std::span<const token> tokens, std::stop_token cancel) noexcept override {
    return evaluator_.feed(tokens, std::move(cancel));
  }
  bool truncate_cache(std::size_t position) noexcept override { return evaluator_.truncate(position); }
  std::span<float> logits() noexcept override { return evaluator_.logits(); }

  evaluator<Model> evaluator_;
};

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
