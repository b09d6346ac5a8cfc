/// Sessions whose texts are longer than their context.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "generate/replies.hpp"
#include "nibble/generate/generate_each.hpp"
#include "nibble/generate/scheduler.hpp"
#include "nibble/sample/temperature.hpp"
#include "support/smallest_model.hpp"

using namespace nibble_test;
using nibble::context_policy;

namespace {
tokens some_tokens(std::size_t count, const nibble::any_model& model) {
  tokens out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(static_cast<token>(3 + i * 7919 % (model.vocabulary() - 3)));
  return out;
}
nibble::session_options sliding(context_policy policy = context_policy::sinks(4), std::size_t chunk = 16) {
  return {.context = 96, .prefill_chunk = chunk, .forks = 1, .when_full = policy};
}
reply answer(nibble::session& s, const tokens& prompt, std::size_t count) {
  return read(s.try_generate(prompt, {.max_tokens = count, .sampler = nibble::temperature{1.1f}, .seed = 3}).value());
}
const nibble::any_model& llama() {
  static const auto model = nibble::any_model::load(smallest_model("llama", 32, 3).bytes(), {.threads = 2});
  return model;
}
const context_policy policies[] = {
    context_policy::sinks(4), context_policy::shift(10), context_policy::shift(), {true, 70, 20}};
}  // namespace

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
  for (const context_policy& policy : policies) {
    const nibble::session_options room = sliding(policy);
    const std::size_t of_one = llama().plan({.context = 96, .prefill_chunk = 16, .when_full = policy}).kv;
    for (const std::size_t bytes : {std::size_t{0}, of_one * 2}) {
      nibble::session_options shared = room;
      shared.kv_bytes = bytes;
      nibble::scheduler s(llama(), {.running = 3, .room = shared});
      std::vector<nibble::answer> answers;
      std::vector<reply> expected;
      for (const std::size_t length : {1, 40, 300, 97, 96}) {
        const nibble::generate_options options{
            .max_tokens = 200, .sampler = attentive() | nibble::temperature{1.1f}, .seed = length};
        nibble::session alone(llama(), room);
        expected.push_back(read(alone.try_generate(some_tokens(length, llama()), options).value()));
        answers.push_back(s.submit({.prompt = some_tokens(length, llama()), .options = options}));
      }
      while (s.run_once()) continue;
      for (std::size_t i = 0; i < answers.size(); ++i) {
        CHECK(answers[i].ids() == expected[i].ids);
        CHECK(answers[i].reason() == expected[i].reason);
        CHECK(answers[i].ids().size() == 200);
      }
      CHECK((s.stats().preemptions > 0) == (bytes > 0));
      CHECK(s.stats().page_bytes == 0);
    }
  }
}

TEST_CASE("replies side by side go on behind their context as those of sessions do") {
  const std::string longer(300, 'B');
  const std::vector<std::string> prompts{"A", "DEED", longer};
  for (const context_policy& policy : policies) {
    const attentive sampler{llama().tokenizer().eos().value_or(nibble::no_token)};
    const nibble::generate_options options{.max_tokens = 300, .sampler = sampler | nibble::temperature{1.1f}, .seed = 5};
    std::vector<tokens> ids(prompts.size());
    const auto ends = nibble::generate_each(
        llama(), prompts, options, [&](std::size_t i, const nibble::token_event& e) { ids[i].push_back(e.id); },
        sliding(policy));
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      nibble::generate_options of_one = options;
      of_one.seed += i;
      nibble::session alone(llama(), sliding(policy));
      const reply expected = read(alone.generate(prompts[i], of_one));
      CHECK(ids[i] == expected.ids);
      CHECK(ends[i] == expected.reason);
    }
    CHECK(std::count(ends.begin(), ends.end(), finish::max_tokens) == 3);
  }
}
