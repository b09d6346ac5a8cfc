#include "nibble/generate/generation.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <ranges>
#include <stdexcept>
#include <string>
#include <vector>

#include "generate/replies.hpp"
#include "nibble/model/evaluator.hpp"
#include "nibble/sample/greedy.hpp"
#include "nibble/sample/temperature.hpp"
#include "nibble/sample/top_k.hpp"
#include "nibble/sample/top_p.hpp"
#include "support/files.hpp"

static_assert(std::ranges::input_range<nibble::generation>);
static_assert(std::same_as<std::ranges::range_reference_t<nibble::generation>, const nibble::token_event&>);

using namespace nibble_test;

TEST_CASE("a generation is lazy: before begin() nothing is processed") {
  nibble::session session(stories());
  auto generation = session.generate("Once upon a time");
  CHECK(session.position() == 0);
  CHECK(generation.reason() == finish::none);
  static_cast<void>(generation.begin());
  CHECK(session.position() > 0);
  CHECK(generation.begin()->id == session.tokens().back());  // begin() again is where the range stands
}

TEST_CASE("text comes in whole characters") {
  nibble::session session(stories());
  SUBCASE("a character of four tokens comes with the last of them") {
    const auto r = read(session.generate("x", {.max_tokens = 6, .sampler = script{bytes("a\xF0\x9F\x98\x80!")}}));
    CHECK(r.texts == std::vector<std::string>{"a", "", "", "", "\xF0\x9F\x98\x80", "!"});
  }
  SUBCASE("one that stays open at the end becomes U+FFFD, with the last token if that is known") {
    const auto r = read(session.generate("x", {.max_tokens = 2, .sampler = script{bytes("\xF0\x9F")}}));
    CHECK(r.texts == std::vector<std::string>{"", "\xEF\xBF\xBD"});
    CHECK(r.ids.size() == 2);
  }
  SUBCASE("or with an event of its own") {
    tokens ids = bytes("\xF0\x9F");
    ids.push_back(*session.tokenizer().eos());
    const auto r = read(session.generate("x", {.sampler = script{ids}}));
    CHECK(r.texts == std::vector<std::string>{"", "", "\xEF\xBF\xBD"});
    CHECK(r.ids.size() == 2);
    CHECK(r.reason == finish::end_of_text);
  }
  SUBCASE("bytes that are no UTF-8 become U+FFFD at once") {
    const auto r = read(session.generate("x", {.max_tokens = 2, .sampler = script{bytes("\xFF!")}}));
    CHECK(r.texts == std::vector<std::string>{"\xEF\xBF\xBD", "!"});
  }
}

TEST_CASE("stop strings end a generation, and no beginning of them is shown") {
  nibble::session session(stories());
  const auto say = [&](std::string_view text, std::vector<std::string> stop) {
    tokens ids = bytes(text);
    ids.push_back(*session.tokenizer().eos());
    return read(session.generate("x", {.sampler = script{ids}, .stop = std::move(stop)}));
  };
  SUBCASE("whole") {
    const auto r = say("ab\nUser: hi", {"\nUser:"});
    CHECK(r.text() == "ab");
    CHECK(r.reason == finish::stop_string);
    CHECK(r.ids == bytes("ab\nUser:"));
    CHECK(to_vector(session.tokens().last(8)) == bytes("ab\nUser:"));
  }
  SUBCASE("what only looked like one is shown when that is certain") {
    const auto r = say("ab\nUse", {"\nUser:"});
    CHECK(r.texts == std::vector<std::string>{"a", "b", "", "", "", "", "\nUse"});
    CHECK(r.reason == finish::end_of_text);
  }
  SUBCASE("at the last token everything is shown") {
    const auto r = read(session.generate("x", {.max_tokens = 3, .sampler = script{bytes("ab\n")}, .stop = {"\nUser:"}}));
    CHECK(r.texts == std::vector<std::string>{"a", "b", "\n"});
    CHECK(r.reason == finish::max_tokens);
  }
}

TEST_CASE("a token that ends the text has no event and does not join the session") {
  nibble::session session(stories());
  tokens ids = bytes("ab");
  ids.push_back(*session.tokenizer().eos());
  const auto r = read(session.generate("x", {.sampler = script{ids}}));
  CHECK(r.reason == finish::end_of_text);
  CHECK(r.ids == bytes("ab"));
  CHECK(session.stats().generated_tokens == 2);
  CHECK(session.stats().generation_steps == 2);
  CHECK(session.tokens().back() == bytes("b")[0]);
  // and the session goes on from where it stands, as a fresh one would
  const auto more = read(session.generate("", {.max_tokens = 5}));
  nibble::session fresh(stories());
  const tokens all = to_vector(session.tokens());
  CHECK(read(fresh.generate(std::span(all).first(all.size() - 5), {.max_tokens = 5})).ids == more.ids);
}

TEST_CASE("control tokens are shown when asked, and count in a prompt when asked") {
  nibble::session session(stories());
  const token bos = *session.tokenizer().bos();
  CHECK(read(session.generate("x", {.max_tokens = 1, .sampler = script{{bos}}})).text().empty());
  CHECK(read(session.generate("x", {.max_tokens = 1, .sampler = script{{bos}}, .show_special = true})).text() ==
        session.tokenizer().piece(bos));
  session.reset();
  const std::string name(session.tokenizer().piece(bos));
  read(session.generate(name, {.max_tokens = 0}));
  CHECK(session.position() > 2);
  session.reset();
  read(session.generate(name, {.max_tokens = 0, .parse_special = true}));
  CHECK(to_vector(session.tokens()) == tokens{bos, bos});
}

TEST_CASE("leaving a range at any event leaves the session behind that event's token") {
  for (const auto* model : {&stories(), &windowed()}) {
    nibble::session straight(*model, {.context = 200, .prefill_chunk = 16});
    const auto expected = read(straight.generate("Once upon a time", {.max_tokens = 40, .logprobs = true}));
    nibble::session session(*model, {.context = 200, .prefill_chunk = 16});
    reply r;
    std::string prompt = "Once upon a time";
    while (r.ids.size() < 40) {
      std::size_t events = 0;
      for (const auto& event : session.generate(prompt, {.logprobs = true})) {
        r.ids.push_back(event.id);
        r.logprobs.push_back(event.logprob);
        CHECK(session.tokens().back() == event.id);
        if (++events == 1 + r.ids.size() % 3 || r.ids.size() == 40) break;
      }
      prompt.clear();
    }
    CHECK(r.ids == expected.ids);
    CHECK(r.logprobs == expected.logprobs);  // bit for bit: the cache holds exactly the history
    CHECK(to_vector(session.tokens()) == to_vector(straight.tokens()));
  }
}

TEST_CASE("max_tokens 0 only processes the prompt") {
  nibble::session session(stories());
  const auto r = read(session.generate("Once upon a time", {.max_tokens = 0}));
  CHECK(r.reason == finish::max_tokens);
  CHECK(r.texts.empty());
  CHECK(session.stats().prompt_tokens == session.position());
  CHECK(session.stats().generated_tokens == 0);
  CHECK(read(session.generate("", {.max_tokens = 0})).reason == finish::max_tokens);
  CHECK(session.stats().prompt_tokens == 0);
}

TEST_CASE("a callback may end a generation, or only watch it") {
  nibble::session session(stories());
  std::string text;
  CHECK(session.generate("Once upon a time", {.max_tokens = 5}, [&](const nibble::token_event& e) { text += e.text; }) ==
        finish::max_tokens);
  CHECK(session.stats().generated_tokens == 5);
  int left = 3;
  CHECK(session.generate("", {}, [&](const nibble::token_event&) { return --left > 0; }) == finish::cancelled);
  CHECK(session.stats().generated_tokens == 3);
  nibble::session other(stories());
  CHECK(read(other.generate("Once upon a time", {.max_tokens = 5})).text() == text);
}

TEST_CASE("log-probabilities are the model's own, whatever the sampler does") {
  nibble::session session(stories());
  const auto plain = read(session.generate("Once upon a time", {.max_tokens = 6}));
  for (const float x : plain.logprobs) CHECK(std::isnan(x));
  session.reset();
  const auto r = read(session.generate(
      "Once upon a time", {.max_tokens = 6, .sampler = nibble::temperature{0.1f} | nibble::greedy{}, .logprobs = true}));
  CHECK(r.ids == plain.ids);
  auto e = nibble::evaluator::try_create(stories()).value();
  const tokens all = to_vector(session.tokens());
  REQUIRE(e.feed(std::span(all).first(all.size() - r.ids.size())) == nibble::feed_outcome::done);
  for (std::size_t i = 0; i < r.ids.size(); ++i) {
    double total = 0;
    for (const float x : e.logits()) total += std::exp(double(x));
    CHECK(double(r.logprobs[i]) == doctest::Approx(double(e.logits()[std::size_t(r.ids[i])]) - std::log(total)).epsilon(1e-5));
    REQUIRE(e.feed({&r.ids[i], 1}) == nibble::feed_outcome::done);
  }
}

TEST_CASE("a seed gives one text, another seed another") {
  const auto say = [](std::uint64_t seed) {
    nibble::session session(stories());
    return read(session.generate("Once", {.max_tokens = 30,
                                          .sampler = nibble::temperature{1.2f} | nibble::top_k{50} | nibble::top_p{0.95f},
                                          .seed = seed}))
        .ids;
  };
  CHECK(say(1) == say(1));
  CHECK(say(1) != say(2));
}

TEST_CASE("a sampler that makes logits no numbers gives tokens all the same, one that leaves nothing ends the text") {
  nibble::session session(stories());
  const auto poison = [](float with) {
    return [with](nibble::candidates& c) {
      for (auto& x : c) x.logit = with;
    };
  };
  for (const float with : {NAN, INFINITY, -INFINITY}) {
    session.reset();
    const auto r = read(session.generate(
        "Once", {.max_tokens = 3, .sampler = poison(with) | nibble::temperature{0.8f} | nibble::top_k{40}, .logprobs = true}));
    CHECK(r.ids.size() == 3);
  }
  session.reset();
  const auto none = read(session.generate("Once", {.sampler = [](nibble::candidates& c) { c.truncate(0); }}));
  CHECK(none.ids.empty());
  CHECK(none.reason == finish::end_of_text);
}

TEST_CASE("what a user's sampler throws passes through, and the session goes on behind the last event") {
  nibble::session session(stories());
  nibble::session straight(stories());
  const auto expected = read(straight.generate("Once upon a time", {.max_tokens = 10}));
  int calls = 0;
  auto moody = [&calls](nibble::candidates& c) {
    if (++calls == 4) throw std::runtime_error("no");
    c.keep_top(1);
  };
  tokens ids;
  const auto watch = [&](const nibble::token_event& e) { ids.push_back(e.id); };
  CHECK_THROWS_AS(session.generate("Once upon a time", {.sampler = moody}, watch), std::runtime_error);
  CHECK(ids.size() == 3);
  CHECK(session.generate("", {.max_tokens = 7}, watch) == finish::max_tokens);
  CHECK(ids == expected.ids);
}

TEST_CASE("where a sampler throws before the first event, begin() tries again, and the reply is that of the whole prompt") {
  const std::vector<nibble::chat_message> talk{{"user", "Once upon a time"}};
  const auto form = nibble::chat_template::chatml();
  const auto ask = [&](nibble::session& session, int kind, nibble::any_sampler sampler) {
    nibble::generate_options options{.max_tokens = 6, .sampler = std::move(sampler), .logprobs = true};
    if (kind == 2) return session.chat(talk, form, std::move(options));
    return session.generate(kind == 0 ? "" : "Once upon a time", std::move(options));
  };
  for (const auto* model : {&stories(), &windowed()}) {
    for (const int kind : {0, 1, 2}) {
      for (const bool goes_on : {false, true}) {
        CAPTURE(kind);
        CAPTURE(goes_on);
        nibble::session session(*model, {.context = 100, .prefill_chunk = 4}), straight(*model, {.context = 100});
        if (goes_on)
          read(session.generate("One day", {.max_tokens = 3})), read(straight.generate("One day", {.max_tokens = 3}));
        const auto expected = read(ask(straight, kind, nibble::greedy{}));
        int calls = 0;
        auto moody = [&calls](nibble::candidates& c) {
          if (++calls < 3) throw std::runtime_error("no");
          c.keep_top(1);
        };
        auto reply = ask(session, kind, moody);
        CHECK_THROWS_AS(reply.begin(), std::runtime_error);
        CHECK_THROWS_AS(reply.begin(), std::runtime_error);
        CHECK(reply.reason() == finish::none);
        tokens ids;
        std::vector<float> logprobs;
        for (const auto& event : reply) ids.push_back(event.id), logprobs.push_back(event.logprob);
        CHECK(ids == expected.ids);
        CHECK(logprobs == expected.logprobs);
        CHECK(reply.reason() == expected.reason);
        CHECK(to_vector(session.tokens()) == to_vector(straight.tokens()));
      }
    }
  }
}
