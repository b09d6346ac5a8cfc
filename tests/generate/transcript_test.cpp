#include "nibble/generate/transcript.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "generate/replies.hpp"
#include "nibble/core/rng.hpp"

using namespace nibble_test;

namespace {
/// An evaluator that can go on from every eighth position only, as one with a recurrent state does. Its one logit is a hash of
/// all tokens; it processes four at a time.
struct fake : nibble::detail::evaluation {
  tokens fed;
  std::size_t steps_until_cancel = SIZE_MAX;
  std::vector<float> rows{0};

  const nibble::tokenizer& tokenizer() const noexcept override { return stories().tokenizer(); }
  std::size_t context() const noexcept override { return 100; }
  std::size_t position() const noexcept override { return fed.size(); }
  nibble::feed_outcome feed(std::span<const token> ids, std::size_t ahead, nibble::stop_token) override {
    CHECK(!ids.empty());
    CHECK(ahead < ids.size());
    CHECK((ahead == 0 || ids.size() <= 4));
    rows.clear();
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (i % 4 == 0 && steps_until_cancel-- == 0) return nibble::feed_outcome::cancelled;
      fed.push_back(ids[i]);
      if (ids.size() - i <= ahead + 1) rows.push_back(hash(fed));
    }
    return nibble::feed_outcome::done;
  }
  std::span<float> logits(std::size_t i) noexcept override { return {&rows.at(i), 1}; }
  std::size_t most_ahead(std::size_t pending) const noexcept override { return pending < 4 ? 4 - pending : 0; }
  void mark() noexcept override {}
  bool has_mark() const noexcept override { return false; }
  std::size_t resumable(std::size_t position) noexcept override { return position / 8 * 8; }
  void truncate(std::size_t position) noexcept override {
    CHECK(position % 8 == 0);
    CHECK(position <= fed.size());
    fed.resize(position);
  }
  nibble::result<std::unique_ptr<nibble::detail::evaluation>> try_fork() const override {
    return std::unique_ptr<nibble::detail::evaluation>(std::make_unique<fake>(*this));
  }
  std::uint64_t fingerprint() const noexcept override { return 0; }
  stored_types kv() const noexcept override { return {nibble::tensor_type::f32, nibble::tensor_type::f32}; }
  std::size_t saved_bytes(std::size_t) const noexcept override { return 0; }
  void save(std::span<std::byte>) const override {}
  nibble::result<void> try_save(nibble::byte_sink&) const override { return {}; }
  nibble::result<void> try_load(std::size_t, std::span<const std::byte>, std::span<const float>) override { return {}; }

  static float hash(const tokens& ids) {
    std::uint32_t h = 1;
    for (const token id : ids) h = h * 31 + static_cast<std::uint32_t>(id);
    return float(h % 65536);
  }
};
}  // namespace

TEST_CASE(
    "a transcript keeps its evaluator in step, whatever is appended, cut off and cancelled, and wherever that can go on") {
  auto owned = std::make_unique<fake>();
  fake& evaluator = *owned;
  nibble::detail::transcript said(std::move(owned));
  nibble::rng random(5);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random.uniform() * double(n)); };
  tokens expected;
  std::size_t cancelled = 0, rewound = 0;
  for (int i = 0; i < 20'000; ++i) {
    if (below(3) == 0) {
      const std::size_t size = below(said.size() + 3);
      const std::size_t before = std::min(size, evaluator.position());
      said.truncate(size);
      rewound += evaluator.position() < before;
      expected.resize(std::min(size, expected.size()));
    }
    tokens more(std::min(below(6), said.room()));
    for (token& id : more) id = token(below(500));
    said.append(more);
    expected.insert(expected.end(), more.begin(), more.end());
    REQUIRE(to_vector(said.tokens()) == expected);
    if (expected.empty()) continue;

    const bool cancel = below(4) == 0;
    evaluator.steps_until_cancel = cancel ? below(2) : SIZE_MAX;
    if (said.process({}) == nibble::feed_outcome::cancelled) {
      ++cancelled;
      REQUIRE(cancel);
      REQUIRE(evaluator.fed.size() < expected.size());
      REQUIRE(std::equal(evaluator.fed.begin(), evaluator.fed.end(), expected.begin()));
      if (below(2) == 0) continue;
      const std::size_t least = below(expected.size());
      said.drop_unprocessed(least);
      expected.resize(std::max(least, evaluator.fed.size()));
      REQUIRE(to_vector(said.tokens()) == expected);
      continue;
    }
    REQUIRE(evaluator.fed == expected);
    if (below(2) == 0) REQUIRE(said.take_logits()[0] == fake::hash(expected));
  }
  CHECK(cancelled > 100);
  CHECK(rewound > 100);
}

TEST_CASE("logits that were taken are made anew, those that were not are still there") {
  auto owned = std::make_unique<fake>();
  fake& evaluator = *owned;
  nibble::detail::transcript said(std::move(owned));
  said.append(tokens(12, 7));
  REQUIRE(said.process({}) == nibble::feed_outcome::done);
  CHECK(said.processed() == 12);
  REQUIRE(said.process({}) == nibble::feed_outcome::done);
  CHECK(said.processed() == 12);
  said.take_logits()[0] = -1;
  REQUIRE(said.process({}) == nibble::feed_outcome::done);
  CHECK(said.processed() == 12 + 4);  // it goes on from the eighth
  CHECK(said.take_logits()[0] == fake::hash(tokens(12, 7)));
  nibble::stop_source stop;
  stop.request_stop();
  CHECK(said.process(stop.get_token()) == nibble::feed_outcome::cancelled);
  CHECK(evaluator.fed.size() == 12);
}

TEST_CASE("with guesses, whichever of them come true, the logits are those of a transcript without") {
  auto owned = std::make_unique<fake>();
  fake& evaluator = *owned;
  nibble::detail::transcript said(std::move(owned));
  nibble::rng random(9);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random.uniform() * double(n)); };
  said.append(tokens{1, 2, 3});
  std::size_t saved = 0, missed = 0, settled = 0;
  for (int i = 0; i < 20'000; ++i) {
    if (said.room() < 2) said.truncate(below(50) + 1);
    tokens guesses(std::min(below(4), said.most_guesses()));
    for (token& id : guesses) id = token(below(2));
    const std::size_t before = evaluator.fed.size();
    const bool ready = said.is_processed(), cancel = below(8) == 0;
    evaluator.steps_until_cancel = cancel ? 0 : SIZE_MAX;
    const auto how = said.process({}, guesses);
    saved += ready;
    if (how == nibble::feed_outcome::cancelled) {
      REQUIRE(!ready);
      REQUIRE(evaluator.fed.size() <= said.size());
      continue;
    }
    REQUIRE(how == nibble::feed_outcome::done);
    if (ready) REQUIRE(evaluator.fed.size() == before);
    if (below(9) == 0) {
      REQUIRE(said.logits()[0] == fake::hash(to_vector(said.tokens())));
      said.settle(), ++settled;
      REQUIRE(evaluator.fed.size() <= said.size());
      continue;
    }
    REQUIRE(said.take_logits()[0] == fake::hash(to_vector(said.tokens())));
    REQUIRE(said.logits().empty());
    const bool ahead = evaluator.fed.size() > said.size();
    if (below(20) == 0) said.truncate(said.size() - below(2));
    below(9) == 0 ? said.append(tokens{1, 0}) : said.append(token(below(2)));
    missed += ahead && evaluator.fed.size() < said.size();
    REQUIRE(std::equal(said.tokens().begin(),
                       said.tokens().begin() + std::ptrdiff_t(std::min(said.size(), evaluator.fed.size())),
                       evaluator.fed.begin()));
  }
  CHECK(saved > 1000);
  CHECK(missed > 1000);
  CHECK(settled > 100);
}

TEST_CASE("what two transcripts share is their common beginning") {
  nibble::detail::transcript said(std::make_unique<fake>());
  CHECK(said.shared_with(tokens{1, 2}, 0) == 0);
  said.append(tokens{1, 2, 3});
  CHECK(said.shared_with({}, 0) == 0);
  CHECK(said.shared_with(tokens{1, 2}, 0) == 2);
  CHECK(said.shared_with(tokens{1, 2, 3, 4}, 0) == 3);
  CHECK(said.shared_with(tokens{1, 9, 3}, 0) == 1);
  CHECK(said.shared_with(tokens{2, 3, 4}, 1) == 2);
  CHECK(said.shared_with(tokens{1}, 3) == 0);
  CHECK(said.room() == 97);
}
