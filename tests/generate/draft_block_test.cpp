#include "nibble/generate/draft_block.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "generate/drafting.hpp"
#include "generate/replies.hpp"
#include "nibble/model/evaluator.hpp"

using namespace nibble_test;
using nibble::draft_block;

TEST_CASE("a block guesses what its logits say, from the tokens and hidden states behind the prompt") {
  const auto model = drafting();
  const tokens prompt{1, 5, 9, 2, 30, 7};
  constexpr std::size_t count = 30;
  nibble::session_options room{.context = 60, .output_rows = 60, .output = nibble::step_output::hidden};
  // the answer: two of three tokens are what the block drafts
  tokens text = prompt;
  std::vector<bool> right(count, false);
  text.push_back(5);
  for (std::size_t i = 1; i < count; ++i) {
    std::vector<float> hidden, logits;
    const auto into = [](std::vector<float>& to) {
      return [&to](std::size_t, std::span<float> row) { to.insert(to.end(), row.begin(), row.end()); };
    };
    room.output = nibble::step_output::hidden;
    REQUIRE(nibble::evaluator::create(model, room).feed_each(text, into(hidden)) == nibble::feed_outcome::done);
    room.output = nibble::step_output::draft;
    const auto how =
        nibble::evaluator::create(model, room)
            .draft_each(std::span(text).subspan(prompt.size()),
                        std::span(hidden).subspan((prompt.size() - 1) * model.width(), i * model.width()), into(logits));
    REQUIRE(how == nibble::feed_outcome::done);
    const auto last = logits.end() - std::ptrdiff_t(model.vocabulary());
    const auto drafted = token(std::max_element(last, logits.end()) - last);
    right[i] = i % 3 != 2 && !model.tokenizer().is_end(drafted);
    token next = drafted;
    while (!right[i] && (next == drafted || model.tokenizer().is_end(next))) next = (next + 1) % 40;
    text.push_back(next);
  }
  std::size_t guessed = 0, accepted = 0;
  for (std::size_t at = 1; at < count; ++at) {
    if (at + 1 == count) break;  // behind the last token nothing is of use
    ++guessed;
    if (right[at]) ++accepted, ++at;
  }
  const tokens answer(text.begin() + std::ptrdiff_t(prompt.size()), text.end());
  auto session = nibble::session(model, {.context = 60, .speculation = draft_block{.guesses = 1, .always = true}});
  CHECK(read(session.generate(prompt, {.max_tokens = count, .sampler = script{answer}})).ids == answer);
  CHECK(session.stats().accepted_guesses == accepted);
  CHECK(session.stats().guessed_tokens == guessed);
  CHECK(accepted > 9);
  for (const std::size_t wrong : {0u, 32u}) {
    const auto refused = nibble::session::try_create(model, {.context = 60, .speculation = draft_block{.guesses = wrong}});
    REQUIRE(!refused);
    CHECK(std::string(refused.failure().what()) ==
          "session_options::speculation: draft_block::guesses: expected 1 to 31, found " + std::to_string(wrong));
  }
  const auto without = nibble::session::try_create(stories(), {.speculation = draft_block{}});
  REQUIRE(!without);
  CHECK(std::string(without.failure().what()).find("this file of llama has no block that drafts") != std::string::npos);
}
