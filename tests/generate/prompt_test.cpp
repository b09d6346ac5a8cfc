/// When a prompt becomes tokens, and what a generation makes of a session that changes.
#include <doctest/doctest.h>

#include <utility>
#include <vector>

#include "generate/replies.hpp"

using namespace nibble_test;

TEST_CASE("a prompt becomes tokens when it begins: what the session holds then decides") {
  nibble::session one(stories()), two(stories());
  read(one.generate("One day", {.max_tokens = 1}));
  read(one.generate(" and then", {.max_tokens = 1}));
  auto first = two.generate("One day", {.max_tokens = 1}), second = two.generate(" and then", {.max_tokens = 1});
  read(std::move(first));
  read(std::move(second));
  CHECK(to_vector(two.tokens()) == to_vector(one.tokens()));

  nibble::session fresh(stories()), reset(stories());
  read(reset.generate("x", {.max_tokens = 1}));
  auto late = reset.generate("One day", {.max_tokens = 1});
  reset.reset();
  read(std::move(late));
  read(fresh.generate("One day", {.max_tokens = 1}));
  CHECK(to_vector(reset.tokens()) == to_vector(fresh.tokens()));
}

TEST_CASE("a conversation is rendered when it is asked for, and compared with the session when it begins") {
  const std::vector<nibble::chat_message> talk{{"user", "Who is Lily?"}};
  const auto form = nibble::chat_template::chatml();
  nibble::session session(stories()), fresh(stories());
  auto late = session.chat(talk, form, {.max_tokens = 4});
  read(session.generate("Something else", {.max_tokens = 4}));
  read(std::move(late));
  read(fresh.chat(talk, form, {.max_tokens = 4}));
  CHECK(to_vector(session.tokens()) == to_vector(fresh.tokens()));
}

TEST_CASE("a text behind nothing but the token that begins a text begins as in an empty session") {
  nibble::session session(stories()), fresh(stories());
  read(fresh.generate("One day", {.max_tokens = 3}));
  read(session.generate("Once upon a time", {.max_tokens = 3}));
  session.truncate(1);
  REQUIRE(to_vector(session.tokens()) == tokens{*session.tokenizer().bos()});
  read(session.generate("One day", {.max_tokens = 3}));
  CHECK(to_vector(session.tokens()) == to_vector(fresh.tokens()));
}

TEST_CASE("a text behind a control token is encoded as if it had stood behind its name") {
  nibble::session session(stories()), whole(stories());
  const token control = *session.tokenizer().bos();
  const std::string name(session.tokenizer().piece(control));
  read(whole.generate("One" + name + "day" + name, {.max_tokens = 0, .parse_special = true}));
  read(session.generate("One" + name, {.max_tokens = 0, .parse_special = true}));
  read(session.generate("day" + name, {.max_tokens = 0, .parse_special = true}));
  CHECK(to_vector(session.tokens()) == to_vector(whole.tokens()));
}

TEST_CASE("a session that is cut back ends the generation that is being read, and no other") {
  nibble::session session(stories());
  auto generation = session.generate("Once upon a time", {.max_tokens = 10});
  auto at = generation.begin();
  auto waiting = session.generate(" and", {.max_tokens = 2});
  session.truncate(session.position());  // nothing is cut off
  ++at;
  REQUIRE(at != generation.end());
  SUBCASE("by some tokens") { session.truncate(3); }
  SUBCASE("by all of them") { session.reset(); }
  const tokens left = to_vector(session.tokens());
  ++at;
  CHECK(at == generation.end());
  CHECK(generation.reason() == finish::cancelled);
  CHECK(to_vector(session.tokens()) == left);
  CHECK(read(std::move(waiting)).reason == finish::max_tokens);
}

TEST_CASE("a generation that moves at an event keeps the event, its text too") {
  nibble::session session(stories());
  auto generation = session.generate("Once upon a time", {.max_tokens = 3});
  const token id = generation.begin()->id;
  const std::string text(generation.begin()->text);
  auto moved = std::move(generation);
  CHECK(moved.begin()->id == id);
  CHECK(moved.begin()->text == text);
  std::size_t events = 0;
  for (const auto& event : moved) events += event.id != nibble::no_token;
  CHECK(events == 3);
}

TEST_CASE("a generation that was moved from has ended, begun or not, and the session counts nothing of it") {
  nibble::session session(stories());
  for (const bool begun : {false, true}) {
    CAPTURE(begun);
    auto generation = session.generate("Once upon a time", {.max_tokens = 3});
    if (begun) static_cast<void>(generation.begin());
    auto moved = std::move(generation);
    CHECK(generation.reason() == nibble::finish::cancelled);  // NOLINT: what is left is asked for on purpose
    CHECK(generation.begin() == generation.end());
    std::size_t events = 0;
    for (const auto& event : moved) events += event.id != nibble::no_token;
    CHECK(events == 3);
    CHECK(moved.reason() == nibble::finish::max_tokens);
  }
}
