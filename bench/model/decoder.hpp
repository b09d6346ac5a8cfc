/// decoder: what speed and sweep measure: prompts, and tokens of one or several sequences behind some depth.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "nibble/model/any_model.hpp"
#include "nibble/model/batch_evaluator.hpp"
#include "nibble/model/evaluator.hpp"

namespace bench {

/// The id of position i. Fixed, and spread over the vocabulary, so that every engine does the same work.
constexpr nibble::token word(std::size_t i) { return static_cast<nibble::token>(300 + i * 7919 % 200); }
/// The vocabulary that those ids need.
inline constexpr std::size_t least_vocabulary = 500;
std::vector<nibble::token> words(std::size_t count);

/// Throws if not all that was fed is done.
void expect_done(nibble::feed_outcome outcome);

/// Some sequences of one model. A single one goes through nibble::evaluator, several through nibble::batch_evaluator.
class decoder {
 public:
  /// Throws if the model's vocabulary is too small.
  decoder(const nibble::any_model& model, std::size_t sequences, const nibble::session_options& options);

  /// Starts over and feeds `count` ids to one sequence; seconds.
  double prompt(std::size_t count);
  /// Decodes `count` tokens of every sequence, one by one, behind `depth` positions; milliseconds of each. Filling the depth
  /// is not timed, and left out where the positions are there from before.
  std::vector<double> decode(std::size_t depth, std::size_t count);

 private:
  std::size_t position(std::size_t sequence) const;
  bool truncate(std::size_t sequence, std::size_t position);
  void feed(std::size_t sequence, std::span<const nibble::token> ids);
  void step(nibble::token id);

  std::size_t sequences_;
  std::optional<nibble::evaluator> one_;
  std::optional<nibble::batch_evaluator> several_;
  std::vector<nibble::batch_evaluator::entry> entries_;
};

}  // namespace bench
