#include "decoder.hpp"

#include <chrono>
#include <stdexcept>
#include <string>

namespace bench {
namespace {

using clock = std::chrono::steady_clock;
double since(clock::time_point start) { return std::chrono::duration<double>(clock::now() - start).count(); }

}  // namespace

void expect_done(nibble::feed_outcome outcome) {
  if (outcome != nibble::feed_outcome::done) throw std::runtime_error("the context is full");
}

std::vector<nibble::token> words(std::size_t count) {
  std::vector<nibble::token> out(count);
  for (std::size_t i = 0; i < count; ++i) out[i] = word(i);
  return out;
}

decoder::decoder(const nibble::any_model& model, std::size_t sequences, const nibble::session_options& options)
    : sequences_(sequences) {
  if (model.vocabulary() < least_vocabulary) {
    throw std::runtime_error("expected a vocabulary of " + std::to_string(least_vocabulary) + " or more, found " +
                             std::to_string(model.vocabulary()));
  }
  if (sequences == 1) {
    one_ = nibble::evaluator::try_create(model, options).value();
  } else {
    several_ = nibble::batch_evaluator::try_create(model, sequences, options).value();
    entries_.resize(sequences);
    for (std::size_t i = 0; i < sequences; ++i) entries_[i].sequence = i;
  }
}

double decoder::prompt(std::size_t count) {
  for (std::size_t i = 0; i < sequences_; ++i) truncate(i, 0);
  const auto ids = words(count);
  const auto start = clock::now();
  feed(0, ids);
  return since(start);
}

std::vector<double> decoder::decode(std::size_t depth, std::size_t count) {
  const auto filling = words(depth);
  for (std::size_t i = 0; i < sequences_; ++i) {
    if (position(i) >= depth && truncate(i, depth)) continue;
    truncate(i, 0);
    feed(i, filling);
  }
  std::vector<double> ms;
  for (std::size_t i = 0; i < count; ++i) {
    const auto start = clock::now();
    step(word(i));
    ms.push_back(since(start) * 1e3);
  }
  return ms;
}

std::size_t decoder::position(std::size_t sequence) const { return one_ ? one_->position() : several_->position(sequence); }
bool decoder::truncate(std::size_t sequence, std::size_t position) {
  return one_ ? one_->truncate(position) : several_->truncate(sequence, position);
}
void decoder::feed(std::size_t sequence, std::span<const nibble::token> ids) {
  expect_done(one_ ? one_->feed(ids) : several_->feed(sequence, ids));
}
void decoder::step(nibble::token id) {
  if (one_) return expect_done(one_->feed({&id, 1}));
  for (auto& entry : entries_) entry.id = id;
  expect_done(several_->step(entries_));
}

}  // namespace bench
