/// Forks of sessions: another conversation from the same place.
#include <doctest/doctest.h>

#include <string>
#include <thread>
#include <vector>

#include "generate/replies.hpp"
#include "nibble/generate/generate_each.hpp"
#include "nibble/sample/temperature.hpp"

using namespace nibble_test;

namespace {
const std::string prompt = "Once upon a time there was a little girl called Lily. She";

nibble::session after_prompt(const nibble::any_model& model, nibble::session_options options = {}) {
  options.context = 300;
  nibble::session s(model, options);
  REQUIRE(read(s.generate(prompt, {.max_tokens = 0})).reason == finish::max_tokens);
  return s;
}
tokens drawn(nibble::session& s, std::uint64_t seed, std::size_t count = 30) {
  return read(s.generate("", {.max_tokens = count, .sampler = nibble::temperature{1.2f}, .seed = seed})).ids;
}
}  // namespace

TEST_CASE("several answers to a prompt are read once: each fork answers as a session of its own would") {
  for (const auto* model : {&stories(), &windowed()}) {
    auto first = after_prompt(*model, {.forks = 2});
    auto second = first.fork(), third = second.fork();
    CHECK(second.tokens().size() == first.tokens().size());
    nibble::session* const all[] = {&first, &second, &third};
    for (std::uint64_t seed = 0; seed < 3; ++seed) {
      auto own = after_prompt(*model);
      CHECK(drawn(*all[seed], seed) == drawn(own, seed));
      CHECK(all[seed]->stats().prompt_tokens == 0);
    }
    CHECK(drawn(first, 7) != drawn(second, 7));  // their texts differ by now
  }
}

TEST_CASE("forks that are read token by token, in turn, say what each would say alone") {
  for (const auto* model : {&stories(), &windowed()}) {
    auto first = after_prompt(*model, {.forks = 2});
    auto second = first.fork(), third = first.fork();
    std::vector<nibble::generation> replies;
    for (auto* s : {&first, &second, &third}) {
      replies.push_back(s->generate("", {.max_tokens = 40, .sampler = nibble::temperature{1.2f}, .seed = replies.size()}));
    }
    std::vector<tokens> found(replies.size());
    std::vector<nibble::generation::iterator> at;
    for (auto& reply : replies) at.push_back(reply.begin());
    for (std::size_t event = 0; event < 40; ++event) {
      for (std::size_t i = 0; i < replies.size(); ++i) {
        if (at[i] == replies[i].end()) continue;
        if (at[i]->id != nibble::no_token) found[i].push_back(at[i]->id);
        ++at[i];
      }
    }
    for (std::size_t i = 0; i < replies.size(); ++i) {
      auto own = after_prompt(*model);
      CHECK(found[i] == drawn(own, i, 40));
    }
  }
}

TEST_CASE("a fork in the middle of a reply leaves the reply alone, and goes on from its last event") {
  auto first = after_prompt(stories(), {.forks = 1});
  auto own = after_prompt(stories());
  const auto expected = read(own.generate("", {.max_tokens = 20})).ids;
  auto reply = first.generate("", {.max_tokens = 20});
  auto at = reply.begin();
  tokens found{at->id};
  for (int i = 1; i < 10; ++i) ++at, found.push_back(at->id);
  auto second = first.fork();
  const auto rest = read(second.generate("", {.max_tokens = 10})).ids;
  for (++at; at != reply.end(); ++at) found.push_back(at->id);
  CHECK(found == expected);
  CHECK(rest == tokens(expected.begin() + 10, expected.end()));
}

TEST_CASE("forks answer on threads of their own, and outlive what they were made from") {
  std::vector<nibble::session> all;
  {
    auto first = after_prompt(stories(), {.forks = 4});
    for (int i = 0; i < 4; ++i) all.push_back(first.fork());
  }
  std::vector<tokens> found(all.size());
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < all.size(); ++i) threads.emplace_back([&, i] { found[i] = drawn(all[i], i); });
  for (std::thread& t : threads) t.join();
  for (std::size_t i = 0; i < all.size(); ++i) {
    auto own = after_prompt(stories());
    CHECK(found[i] == drawn(own, i));
  }
}

TEST_CASE("a reply that finds no memory ends, and its session goes on when there is some") {
  const nibble::session_options one{.context = 300, .prefill_chunk = 16};
  const std::size_t bytes = stories().plan(one).kv;
  auto first = after_prompt(stories(), {.prefill_chunk = 16, .forks = 1, .kv_bytes = bytes});
  auto second = first.fork();
  CHECK(drawn(first, 1, 150).size() == 150);
  const auto reply = read(second.generate("", {.max_tokens = 150}));
  CHECK(reply.reason == finish::memory_full);
  CHECK(nibble::name_of(reply.reason) == "memory_full");
  CHECK(reply.ids.size() > 20);
  CHECK(second.position() == first.position() - 150 + reply.ids.size());
  first.reset();
  auto own = after_prompt(stories());
  const auto whole = read(own.generate("", {.max_tokens = reply.ids.size() + 20})).ids;
  const auto rest = read(second.generate("", {.max_tokens = 20})).ids;
  CHECK(rest == tokens(whole.end() - 20, whole.end()));
}

TEST_CASE("replies side by side that memory is too little for end one by one, the last first") {
  const nibble::session_options one{.context = 300, .prefill_chunk = 16};
  const std::size_t bytes = stories().plan(one).kv;
  const std::vector<std::string> prompts(3, prompt);
  std::vector<tokens> ids(3);
  const auto room = nibble::session_options{.context = 300, .prefill_chunk = 16, .kv_bytes = bytes};
  const auto reasons = nibble::generate_each(
      stories(), prompts, {.max_tokens = 200},
      [&](std::size_t i, const nibble::token_event& event) { ids[i].push_back(event.id); }, room);
  CHECK(reasons == std::vector{finish::max_tokens, finish::memory_full, finish::memory_full});
  auto own = after_prompt(stories());
  CHECK(ids[0] == read(own.generate("", {.max_tokens = 200})).ids);
  CHECK(ids[2].size() < ids[1].size());
  CHECK(std::equal(ids[1].begin(), ids[1].end(), ids[0].begin()));
}
