#include "answers.hpp"

#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "decoder.hpp"

namespace bench {
namespace {

using evaluator = nibble::evaluator;
using batch_evaluator = nibble::batch_evaluator;
using row = std::vector<float>;

template <class Evaluator>
Evaluator expect(nibble::result<Evaluator> made) {
  return std::move(made).value();
}

row after(evaluator& e, std::span<const nibble::token> ids) {
  expect_done(e.feed(ids));
  return {e.logits().begin(), e.logits().end()};
}

void expect_equal(std::span<const float> a, std::span<const float> b, const std::string& what) {
  if (a.size() != b.size() || std::memcmp(a.data(), b.data(), a.size_bytes()) != 0) {
    throw std::runtime_error("wrong answers: " + what);
  }
}

void check_steps(const nibble::any_model& model, nibble::session_options options) {
  constexpr std::size_t length = 24, last = 4;
  const auto ids = words(length);
  auto e = expect(evaluator::try_create(model, options));
  const row expected = after(e, ids);
  const std::string chunk = std::to_string(options.prefill_chunk);

  e.truncate(0);
  expect_done(e.feed(std::span(ids).first(length - last)));
  row found;
  for (std::size_t i = length - last; i < length; ++i) found = after(e, {&ids[i], 1});
  expect_equal(expected, found, "logits differ between steps of " + chunk + " tokens and token by token");

  options.prefill_chunk = options.prefill_chunk == 7 ? 5 : 7;
  auto other = expect(evaluator::try_create(model, options));
  expect_equal(expected, after(other, ids),
               "logits differ between steps of " + chunk + " and of " + std::to_string(options.prefill_chunk) + " tokens");
}

/// Prompts of different lengths, then tokens that go through the weights together.
void check_sequences(const nibble::any_model& model, std::size_t sequences, const nibble::session_options& options) {
  constexpr std::size_t decoded = 2;
  const auto all = words(sequences + 16);
  const auto prompt = [&](std::size_t q) { return std::span(all).subspan(q, 3 + q % 5); };
  auto together = expect(batch_evaluator::try_create(model, sequences, options));
  auto alone = expect(evaluator::try_create(model, options));
  std::vector<std::vector<row>> found(decoded);
  for (std::size_t q = 0; q < sequences; ++q) expect_done(together.feed(q, prompt(q)));
  for (std::size_t i = 0; i < decoded; ++i) {
    std::vector<batch_evaluator::entry> entries;
    for (std::size_t q = 0; q < sequences; ++q) entries.push_back({q, all[q + i]});
    expect_done(together.step(entries));
    for (std::size_t q = 0; q < sequences; ++q) found[i].emplace_back(together.logits(q).begin(), together.logits(q).end());
  }
  for (std::size_t q = 0; q < sequences; ++q) {
    alone.truncate(0);
    expect_done(alone.feed(prompt(q)));
    for (std::size_t i = 0; i < decoded; ++i) {
      expect_equal(
          after(alone, {&all[q + i], 1}), found[i][q],
          "logits of sequence " + std::to_string(q) + " of " + std::to_string(sequences) + " differ from its own alone");
    }
  }
}

}  // namespace

void check_answers(const nibble::any_model& model, std::size_t sequences, nibble::session_options options) {
  options.context = 64;
  check_steps(model, options);
  if (sequences > 1) check_sequences(model, sequences, options);
}

}  // namespace bench
