/// Sessions whose texts are longer than their context.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "generate/outgrown.hpp"

using namespace nibble_test;
using nibble::context_policy;

namespace {
nibble::session_options sliding(context_policy policy = context_policy::sinks(4), std::size_t chunk = 16) {
  return {.context = 96, .prefill_chunk = chunk, .forks = 1, .when_full = policy};
}
const context_policy policies[] = {context_policy::sinks(4), context_policy::shift(10), context_policy::shift(),
                                   context_policy::shift(70, 20)};
}  // namespace

TEST_CASE("a session that slides has no prefix cache, and refuses to be asked for one") {
  nibble::session_options room = sliding();
  room.prefix_cache = true;
  const auto made = nibble::session::try_create(llama(), room);
  REQUIRE(!made);
  CHECK(made.failure().code() == nibble::errc::invalid_argument);
  room.prefix_cache = false;
  CHECK(nibble::session::try_create(llama(), room));
}

TEST_CASE("a session that slides goes on behind its context, and holds what it has not forgotten") {
  for (const context_policy& policy : policies) {
    nibble::session s(llama(), sliding(policy));
    tokens all = some_tokens(60, llama());
    const reply r = answer(s, all, 400);
    CHECK(r.reason == finish::max_tokens);
    REQUIRE(r.ids.size() == 400);
    all.insert(all.end(), r.ids.begin(), r.ids.end());
    CHECK(s.forgotten() > 0);
    REQUIRE(s.tokens().size() + s.forgotten() == all.size());
    CHECK(s.tokens().size() <= s.context() + 1);
    tokens left(all.begin(), all.begin() + std::ptrdiff_t(policy.kept));
    left.insert(left.end(), all.begin() + std::ptrdiff_t(policy.kept + s.forgotten()), all.end());
    CHECK(tokens(s.tokens().begin(), s.tokens().end()) == left);
  }
  nibble::session stops(llama(), {.context = 96});
  CHECK(answer(stops, some_tokens(60, llama()), 400).reason == finish::context_full);
}

TEST_CASE("a prompt may be longer than the context of a session that slides, in any chunks") {
  for (const context_policy& policy : policies) {
    const tokens prompt = some_tokens(333, llama());
    nibble::session one(llama(), sliding(policy, 1)), many(llama(), sliding(policy, 50));
    const reply expected = answer(one, prompt, 50);
    CHECK(answer(many, prompt, 50).ids == expected.ids);
    CHECK(one.forgotten() == many.forgotten());
    CHECK(one.stats().prompt_tokens == 333);
  }
}

TEST_CASE("a prompt that is given up where its beginning is forgotten already goes on from there") {
  const tokens prompt = some_tokens(333, llama());
  nibble::session whole(llama(), sliding()), parts(llama(), sliding());
  const reply expected = answer(whole, prompt, 30);
  answer(parts, tokens(prompt.begin(), prompt.begin() + 250), 0);
  CHECK(parts.forgotten() == 250 - 96);
  CHECK(answer(parts, tokens(prompt.begin() + 250, prompt.end()), 30).ids == expected.ids);
}

TEST_CASE("forks and saved states of a session that slides go on as it does") {
  for (const context_policy& policy : policies) {
    nibble::session s(llama(), sliding(policy));
    answer(s, some_tokens(200, llama()), 77);
    const auto saved = s.save();
    auto fork = s.fork();
    CHECK(fork.forgotten() == s.forgotten());
    const reply expected = answer(s, some_tokens(3, llama()), 150);
    CHECK(answer(fork, some_tokens(3, llama()), 150).ids == expected.ids);
    nibble::session later(llama(), sliding(policy, 7));
    answer(later, some_tokens(11, llama()), 5);
    later.load(saved);
    CHECK(later.save() == saved);
    CHECK(answer(later, some_tokens(3, llama()), 150).ids == expected.ids);
    for (const context_policy& other : policies) {
      if (other.kept == policy.kept && other.step == policy.step) continue;
      nibble::session foreign(llama(), sliding(other));
      const auto done = foreign.try_load(saved);
      REQUIRE(!done);
      CHECK(std::string(done.failure().what()) ==
            "saved session: its text is longer than its context, and of another session_options::when_full");
    }
    nibble::session stops(llama(), {.context = 96});
    CHECK(!stops.try_load(saved));
  }
}

TEST_CASE("what fits into the context is saved by a session that slides for one that stops, and the other way round") {
  nibble::session slides(llama(), sliding()), stops(llama(), {.context = 96});
  const reply first = answer(slides, some_tokens(40, llama()), 20);
  stops.load(slides.save());
  CHECK(tokens(stops.tokens().begin(), stops.tokens().end()) == tokens(slides.tokens().begin(), slides.tokens().end()));
  nibble::session again(llama(), sliding(context_policy::shift(9)));
  again.load(stops.save());
  CHECK(answer(again, some_tokens(3, llama()), 20).ids == answer(stops, some_tokens(3, llama()), 20).ids);
}

TEST_CASE("a session that is cut back behind what it forgot reads what is left as a text of its own") {
  for (const context_policy& policy : policies) {
    nibble::session s(llama(), sliding(policy));
    answer(s, some_tokens(200, llama()), 40);
    const std::size_t size = s.tokens().size() - 30;
    s.truncate(size);
    const tokens left(s.tokens().begin(), s.tokens().end());
    REQUIRE(left.size() == size);
    const std::size_t forgotten = s.forgotten();
    const reply r = answer(s, some_tokens(2, llama()), 9);
    CHECK(s.tokens().size() + s.forgotten() >= size + 11);
    if (s.forgotten() == 0 && forgotten > 0) {
      nibble::session fresh(llama(), sliding(policy));
      tokens text = left;
      for (const token id : some_tokens(2, llama())) text.push_back(id);
      CHECK(answer(fresh, text, 9).ids == r.ids);
    }
    s.truncate(policy.kept);
    CHECK(s.forgotten() == 0);
    nibble::session fresh(llama(), sliding(policy));
    tokens text(s.tokens().begin(), s.tokens().end());
    for (const token id : some_tokens(50, llama())) text.push_back(id);
    CHECK(answer(s, some_tokens(50, llama()), 9).ids == answer(fresh, text, 9).ids);
    s.reset();
    CHECK(s.tokens().empty());
  }
}

TEST_CASE("a conversation is compared with what a session has not forgotten only up to the gap") {
  nibble::session s(llama(), sliding());
  tokens same(300, 7);  // the same tokens in front of a gap and behind it
  answer(s, same, 0);
  CHECK(s.forgotten() > 0);
  CHECK(s.stats().prompt_tokens == 300);
}

TEST_CASE("a scheduler's answers go on behind their context as those of sessions do, also where they had to make room") {
  for (const context_policy& policy : policies) check_schedulers(sliding(policy), {1, 40, 300, 97, 96}, 200);
}

TEST_CASE("replies side by side go on behind their context as those of sessions do") {
  for (const context_policy& policy : policies) check_side_by_side(sliding(policy));
}
