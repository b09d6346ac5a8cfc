/// The definitions behind beam_search.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "nibble/generate/beam_search.hpp"
#include "nibble/generate/check_generates.hpp"
#include "nibble/generate/reply_ends.hpp"
#include "nibble/model/batch_evaluator.hpp"
#include "nibble/sample/candidates.hpp"
#include "nibble/sample/find_best.hpp"
#include "nibble/sample/softmax.hpp"
#include "nibble/text/tokenizer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

class beam_searcher {
 public:
  beam_searcher(const any_model& model, const beam_options& options, batch_evaluator evaluator, std::size_t prompt)
      : model_(model), options_(options), evaluator_(std::move(evaluator)), prompt_(prompt), groups_(options.groups) {
    taken_.resize(model.vocabulary());
  }

  /// @errors  what the model's executor throws
  std::vector<beam> run(std::span<const token> prompt) {
    feed_outcome how = evaluator_.feed(0, prompt, options_.cancel);
    for (group& g : groups_) g.live.push_back({{}, 0, 0, 0});
    for (std::size_t length = 0; how == feed_outcome::done; ++length) {
      if (length == options_.max_tokens) return results(finish::max_tokens);
      if (prompt_ + length == evaluator_.context()) return results(finish::context_full);
      choose();
      if (std::all_of(groups_.begin(), groups_.end(), [](const group& g) { return g.live.empty(); })) break;
      const bool goes_on = length + 1 < options_.max_tokens && prompt_ + length + 1 < evaluator_.context();
      if (goes_on) how = step();
    }
    return results(finish_of(how));
  }

 private:
  struct running {
    std::vector<token> tokens;
    double logprob;
    std::size_t sequence, row;  // of the last step
  };
  struct group {
    std::vector<running> live;
    std::vector<beam> ended;  // best first
  };
  /// A beam and what it may go on with.
  struct candidate_beam {
    double rank, logprob;
    std::size_t parent;
    token id;
  };

  bool is_end(token id) const {
    const auto& stops = options_.stop_tokens;
    return model_.tokenizer().is_end(id) || std::find(stops.begin(), stops.end(), id) != stops.end();
  }
  std::size_t size_of_group() const noexcept { return options_.beams / options_.groups; }
  double score_of(double logprob, std::size_t length) const {
    return logprob / std::pow(double(std::max<std::size_t>(length, 1)), options_.length_penalty);
  }

  /// The next tokens of all beams.
  void choose() {
    std::fill(taken_.begin(), taken_.end(), 0u);
    for (group& g : groups_) {
      find_candidates(g);
      const auto better = [](const candidate_beam& a, const candidate_beam& b) {
        if (a.rank != b.rank) return a.rank > b.rank;
        return a.parent != b.parent ? a.parent < b.parent : a.id < b.id;
      };
      std::sort(all_.begin(), all_.end(), better);
      std::vector<running> next;
      for (const candidate_beam& c : all_) {
        if (next.size() == size_of_group()) break;
        const running& from = g.live[c.parent];
        if (is_end(c.id)) {
          end(g, from.tokens, c.logprob, from.tokens.size() + 1, finish_by(c.id));
          continue;
        }
        next.push_back({from.tokens, c.logprob, from.sequence, 0});
        next.back().tokens.push_back(c.id);
      }
      for (const running& r : next) ++taken_[static_cast<std::size_t>(r.tokens.back())];
      g.live = std::move(next);
      if (is_over(g)) g.live.clear();
    }
    give_sequences();
  }

  /// The best tokens behind each beam of a group: as many as may be followed, and all that may end it before.
  /// A beam behind which no logit is a number ends.
  void find_candidates(group& g) {
    all_.clear();
    const std::size_t ends = model_.tokenizer().vocabulary().ends().size() + options_.stop_tokens.size();
    for (std::size_t i = 0; i < g.live.size(); ++i) {
      const std::span<float> logits = evaluator_.logits(g.live[i].row);
      for (const token id : model_.tokenizer().vocabulary().suppressed())
        logits[static_cast<std::size_t>(id)] = -std::numeric_limits<float>::infinity();
      const auto loss = [&](std::size_t id) { return options_.diversity * double(taken_[id]); };
      const auto best =
          std::max_element(logits.begin(), logits.end(), [](float a, float b) { return a < b || (a != a && b == b); });
      const auto at = static_cast<token>(best - logits.begin());
      const double sum = double(*best) - double(log_probability(logits, at));  // the logarithm of that of all e^logit
      const auto ranked = [&](std::size_t id) { return static_cast<float>(double(logits[id]) - loss(id)); };
      find_best(logits.size(), size_of_group() + ends, ranked, best_);
      const std::size_t before = all_.size();
      for (const candidate& c : best_) {
        const auto id = static_cast<std::size_t>(c.id);
        const double logprob = g.live[i].logprob + double(logits[id]) - sum;
        if (!(logprob > -std::numeric_limits<double>::infinity())) continue;  // NaN, too
        all_.push_back({logprob - loss(id), logprob, i, c.id});
      }
      const running& r = g.live[i];
      if (all_.size() == before) end(g, r.tokens, r.logprob, r.tokens.size(), finish::not_a_number);
    }
  }

  finish finish_by(token id) const { return model_.tokenizer().is_end(id) ? finish::end_of_text : finish::stop_token; }

  /// An answer is complete; the best are kept.
  void end(group& g, const std::vector<token>& tokens, double logprob, std::size_t length, finish reason) const {
    beam b{tokens, {}, logprob, score_of(logprob, length), reason};
    const auto at = std::upper_bound(g.ended.begin(), g.ended.end(), b,
                                     [](const beam& a, const beam& other) { return a.score > other.score; });
    g.ended.insert(at, std::move(b));
    if (g.ended.size() > size_of_group()) g.ended.pop_back();
  }

  /// Whether no beam of a group can become better than the answers that it has. Log probabilities only fall.
  bool is_over(const group& g) const {
    if (g.ended.size() < size_of_group()) return false;
    if (options_.early_stop) return true;
    return std::all_of(g.live.begin(), g.live.end(), [&](const running& r) {
      const std::size_t longest = std::min(options_.max_tokens, evaluator_.context() - prompt_);
      const std::size_t length = options_.length_penalty > 0 ? longest : r.tokens.size();
      return score_of(r.logprob, length) <= g.ended.back().score;
    });
  }

  /// Each beam gets a sequence: that of its parent, or a fork of it where a beam before has that.
  void give_sequences() {
    std::vector<bool> used(options_.beams);
    std::vector<running*> others;
    for (group& g : groups_) {
      for (running& r : g.live) {
        if (used[r.sequence]) others.push_back(&r);
        used[r.sequence] = true;
      }
    }
    std::size_t free = 0;
    for (running* r : others) {
      while (used[free]) ++free;
      evaluator_.fork(r->sequence, free);
      r->sequence = free, used[free] = true;
    }
    for (std::size_t i = 0; i < used.size(); ++i)
      if (!used[i]) evaluator_.truncate(i, 0);
  }

  feed_outcome step() {
    std::vector<batch_evaluator::entry> entries;
    for (group& g : groups_) {
      for (running& r : g.live) {
        r.row = entries.size();
        entries.push_back({r.sequence, r.tokens.back()});
      }
    }
    return evaluator_.step(entries, options_.cancel);
  }

  /// All answers, best first; those that still run end for a reason.
  std::vector<beam> results(finish reason) {
    std::vector<beam> out;
    for (group& g : groups_) {
      for (const running& r : g.live) end(g, r.tokens, r.logprob, r.tokens.size(), reason);
      for (beam& b : g.ended) {
        b.text = model_.tokenizer().decode(b.tokens);
        out.push_back(std::move(b));
      }
    }
    std::stable_sort(out.begin(), out.end(), [](const beam& a, const beam& b) { return a.score > b.score; });
    return out;
  }

  const any_model& model_;
  const beam_options& options_;
  batch_evaluator evaluator_;
  std::size_t prompt_;
  std::vector<group> groups_;
  std::vector<std::uint32_t> taken_;  // in this step, by groups before
  std::vector<candidate> best_;       // behind one beam
  std::vector<candidate_beam> all_;   // behind those of a group
};

}  // namespace detail

result<std::vector<beam>> try_beam_search(const any_model& model, std::span<const token> prompt, const beam_options& options,
                                          const session_options& room) {
  NIBBLE_TRY(detail::check_no_guesses(room));
  session_options o = detail::room_of_batch(room);
  o.when_full = {};
  NIBBLE_TRY(detail::check_generates(model, o));
  NIBBLE_TRY(detail::check_tokens(prompt, model.vocabulary()));
  if (prompt.empty()) return error(errc::invalid_argument, "beam_search: expected a prompt, found no token");
  if (options.beams == 0 || options.beams > most_sequences) {
    return error(errc::invalid_argument, "beam_options::beams: expected 1 to " + std::to_string(most_sequences) + ", found " +
                                             std::to_string(options.beams));
  }
  if (!std::isfinite(options.length_penalty) || !std::isfinite(options.diversity))
    return error(errc::invalid_argument, "beam_options: expected a finite length_penalty and diversity");
  if (options.groups == 0 || options.beams % options.groups != 0) {
    return error(errc::invalid_argument, "beam_options: expected groups that divide the beams, found " +
                                             std::to_string(options.groups) + " for " + std::to_string(options.beams));
  }
  auto evaluator = batch_evaluator::try_create(model, options.beams, o);
  if (!evaluator) return std::move(evaluator).failure();
  return detail::beam_searcher(model, options, *std::move(evaluator), prompt.size()).run(prompt);
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
