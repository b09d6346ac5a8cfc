#include "nibble/generate/event_builder.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/core/rng.hpp"
#include "nibble/gguf/reader.hpp"
#include "nibble/sample/greedy.hpp"
#include "nibble/sample/penalties.hpp"
#include "nibble/sample/softmax.hpp"
#include "nibble/sample/temperature.hpp"
#include "nibble/sample/top_k.hpp"
#include "nibble/text/tokenizer.hpp"
#include "nibble/text/utf8.hpp"
#include "support/files.hpp"
#include "support/model_parts.hpp"

// No model here: the logits are made up, and a tokenizer is read from a file.

namespace {
using nibble::event_builder;
using nibble::finish;
using nibble::no_token;
using nibble::token;
using tokens = std::vector<token>;

const nibble::tokenizer& words() {
  static const auto loaded =
      nibble::tokenizer::load(nibble::gguf_file::open(nibble_test::golden("models/stories260K-q8_0.gguf")).meta());
  return loaded;
}
token byte(char c) { return 3 + static_cast<unsigned char>(c); }
token eos() { return *words().eos(); }

/// Logits of which `best` is the greatest.
std::vector<float> favour(token best) {
  std::vector<float> logits(words().size(), 0.0f);
  logits[std::size_t(best)] = 9;
  return logits;
}
std::vector<float> noise(std::uint64_t seed) {
  nibble::rng random(seed);
  std::vector<float> logits(words().size());
  for (float& x : logits) x = float(8 * random.uniform());
  return logits;
}

/// What came out of a builder, event by event.
struct reply {
  tokens ids;
  std::vector<std::string> texts;
  std::vector<float> logprobs;
  finish reason = finish::none;

  void add(const std::optional<nibble::token_event>& event, const event_builder& builder) {
    reason = builder.reason();
    if (!event) return;
    CHECK(nibble::is_utf8(event->text));
    ids.push_back(event->id);
    texts.emplace_back(event->text);
    logprobs.push_back(event->logprob);
  }
  bool operator==(const reply&) const = default;
};
/// Greedy over logits that favour the bytes of `text` one after the other, then the end of text.
reply say(std::string_view text, nibble::generate_options options) {
  event_builder builder(words(), std::move(options));
  nibble::sampling_scratch scratch;
  reply r;
  for (std::size_t i = 0; i <= text.size() && builder.reason() == finish::none; ++i) {
    auto logits = favour(i < text.size() ? byte(text[i]) : eos());
    r.add(builder.next(logits, {}, scratch), builder);
  }
  return r;
}
using texts = std::vector<std::string>;
}  // namespace

TEST_CASE("made-up logits give events, until a token ends the text") {
  const auto r = say("hi", {});
  CHECK(r.ids == tokens{byte('h'), byte('i')});
  CHECK(r.texts == texts{"h", "i"});
  CHECK(r.reason == finish::end_of_text);
  CHECK(std::isnan(r.logprobs[0]));
}

TEST_CASE("the text of an event is whole characters") {
  CHECK(say("a\xC3\xA9!", {}).texts == texts{"a", "", "\xC3\xA9", "!"});
  CHECK(say("\xFF!", {}).texts == texts{"\xEF\xBF\xBD", "!"});
  const auto open = say("a\xC3", {});
  CHECK(open.texts == texts{"a", "", "\xEF\xBF\xBD"});
  CHECK(open.ids.back() == no_token);
  CHECK(say("a\xC3", {.max_tokens = 2}).texts == texts{"a", "\xEF\xBF\xBD"});
}

TEST_CASE("what may begin a stop string waits; the stop string itself is not shown") {
  const auto stopped = say("ab\nU:c", {.stop = {"\nU:"}});
  CHECK(stopped.texts == texts{"a", "b", "", "", ""});
  CHECK(stopped.reason == finish::stop_string);
  CHECK(stopped.ids.back() == byte(':'));
  const auto not_yet = say("ab\nU", {.stop = {"\nU:"}});
  CHECK(not_yet.texts == texts{"a", "b", "", "", "\nU"});
  CHECK(not_yet.ids.back() == no_token);
  CHECK(not_yet.reason == finish::end_of_text);
}

TEST_CASE("max_tokens ends a reply, and the last event has all that waits") {
  const auto r = say("ab\nU:", {.max_tokens = 3, .stop = {"\nU:"}});
  CHECK(r.texts == texts{"a", "b", "\n"});
  CHECK(r.reason == finish::max_tokens);
  event_builder builder(words(), {.max_tokens = 2});
  CHECK(builder.remaining() == 2);
  CHECK(builder.accept({byte('a')}));
  CHECK(builder.accepted() == 1);
  CHECK(builder.remaining() == 1);
  const auto none = say("a", {.max_tokens = 0});
  CHECK(none.ids.empty());
  CHECK(none.reason == finish::max_tokens);
}

TEST_CASE("after the end nothing comes, and the reason stays") {
  event_builder builder(words(), {.max_tokens = 1});
  CHECK(builder.accept({byte('a')}));
  CHECK(builder.reason() == finish::max_tokens);
  CHECK_FALSE(builder.accept({byte('b')}));
  CHECK_FALSE(builder.accept({eos()}));
  CHECK_FALSE(builder.end(finish::cancelled));
  CHECK(builder.reason() == finish::max_tokens);
  CHECK(builder.accepted() == 1);

  event_builder stopped(words(), {.stop = {"a"}});
  CHECK(stopped.accept({byte('a')})->text.empty());
  CHECK_FALSE(stopped.accept({byte('b')}));
  CHECK(stopped.reason() == finish::stop_string);
}

TEST_CASE("a caller ends a reply with a reason of its own, and gets the text that waits") {
  event_builder builder(words(), {.stop = {"xyz"}});
  CHECK(builder.accept({byte('x')})->text.empty());
  CHECK(builder.accept({byte('\xF0')})->text == "");
  const auto rest = builder.end(finish::context_full);
  REQUIRE(rest);
  CHECK(rest->id == no_token);
  CHECK(rest->text == "x\xEF\xBF\xBD");
  CHECK(builder.reason() == finish::context_full);
  event_builder empty(words());
  CHECK_FALSE(empty.end(finish::cancelled));
  CHECK(empty.reason() == finish::cancelled);
}

TEST_CASE("a sampler that leaves no candidate ends the text") {
  event_builder builder(words(), {.sampler = [](nibble::candidates& c) { c.truncate(0); }, .logprobs = true});
  nibble::sampling_scratch scratch;
  auto logits = favour(5);
  const auto choice = builder.choose(logits, {}, scratch);
  CHECK(choice.id == no_token);
  CHECK(std::isnan(choice.logprob));
  CHECK_FALSE(builder.accept(choice));
  CHECK(builder.reason() == finish::end_of_text);
}

TEST_CASE("a sampler that names a token which there is not ends the reply") {
  for (const token made_up : {static_cast<token>(words().size()), token{1 << 30}, token{-7}}) {
    for (const bool logprobs : {false, true}) {
      const auto make_up = [&](nibble::candidates& c) {
        for (auto& one : c.items()) one.id = made_up;
      };
      event_builder builder(words(), {.sampler = make_up, .logprobs = logprobs});
      nibble::sampling_scratch scratch;
      auto logits = favour(5);
      CHECK_FALSE(builder.next(logits, {}, scratch));
      CHECK(builder.reason() == finish::no_candidate);
      CHECK(builder.accepted() == 0);
    }
  }
}

TEST_CASE("a sampler sees the tokens so far, and the random numbers of the seed") {
  tokens seen;
  auto watch = [&seen](nibble::candidates&, nibble::sample_context& context) {
    seen.assign(context.recent.begin(), context.recent.end());
  };
  const auto draws = [&](std::uint64_t seed) {
    event_builder builder(words(), {.sampler = watch, .seed = seed});
    nibble::sampling_scratch scratch;
    tokens ids;
    for (int i = 0; i < 10; ++i) {
      std::vector<float> logits(words().size(), 0.0f);
      ids.push_back(builder.choose(logits, tokens{4, 5, 6}, scratch).id);
    }
    return ids;
  };
  CHECK(draws(1) == draws(1));
  CHECK(draws(1) != draws(2));
  CHECK(seen == tokens{4, 5, 6});
}

TEST_CASE("control tokens have text only when asked") {
  const token bos = *words().bos();
  event_builder plain(words()), showing(words(), {.show_special = true});
  CHECK(plain.accept({bos})->text.empty());
  CHECK(showing.accept({bos})->text == words().piece(bos));
}

TEST_CASE("log-probabilities are those of the logits before the sampler") {
  const auto logits = noise(1);
  auto changed = logits;
  event_builder builder(words(), {.sampler = nibble::temperature{0.1f} | nibble::greedy{}, .logprobs = true});
  nibble::sampling_scratch scratch(words().size());
  const auto event = builder.next(changed, {}, scratch);
  REQUIRE(event);
  CHECK(event->logprob == nibble::log_probability(logits, event->id));
  CHECK(event->logprob < 0);
  CHECK(builder.accept({byte('a'), -0.5f})->logprob == -0.5f);  // of a token that someone else chose
  CHECK(std::isnan(builder.accept({byte('a')})->logprob));
}

TEST_CASE("two builders in turn on one tokenizer and one scratch equal each alone") {
  const auto options = [](std::size_t which) {
    return nibble::generate_options{
        .max_tokens = 40,
        .sampler = nibble::penalties{.repetition = 1.3f} | nibble::temperature{1.1f} | nibble::top_k{which == 0 ? 50u : 300u},
        .seed = which,
        .stop = {"the", "q"},
        .logprobs = which == 1};
  };
  const auto step = [](event_builder& builder, tokens& said, reply& r, std::uint64_t seed, nibble::sampling_scratch& scratch) {
    if (builder.reason() != finish::none) return;
    auto logits = noise(seed);
    logits[std::size_t(eos())] = 0;
    r.add(builder.next(logits, said, scratch), builder);
    if (!r.ids.empty() && r.ids.back() != no_token) said.push_back(r.ids.back());
  };
  reply alone[2], beside[2];
  for (const std::size_t which : {0, 1}) {
    event_builder builder(words(), options(which));
    nibble::sampling_scratch scratch;
    tokens said;
    for (std::uint64_t i = 0; i < 40; ++i) step(builder, said, alone[which], 100 * which + i, scratch);
  }
  event_builder builders[] = {event_builder(words(), options(0)), event_builder(words(), options(1))};
  tokens said[2];
  nibble::sampling_scratch scratch;
  for (std::uint64_t i = 0; i < 40; ++i)
    for (const std::size_t which : {0, 1}) step(builders[which], said[which], beside[which], 100 * which + i, scratch);
  for (const std::size_t which : {0, 1}) {
    CHECK(beside[which].ids == alone[which].ids);
    CHECK(beside[which].texts == alone[which].texts);
    CHECK(beside[which].reason == alone[which].reason);
    CHECK(alone[which].ids.size() > 5);
  }
  CHECK(beside[1].logprobs == alone[1].logprobs);
  CHECK(alone[0].ids != alone[1].ids);
}

TEST_CASE("a draft is verified: tokens are chosen row by row, and accepted as long as the draft is right") {
  const nibble::generate_options options{.max_tokens = 30, .sampler = nibble::temperature{1.0f} | nibble::top_k{4}, .seed = 3};
  nibble::sampling_scratch scratch;
  reply straight, verified;
  tokens said;
  event_builder plain(words(), options);
  while (plain.reason() == finish::none) {
    auto logits = noise(said.size());
    straight.add(plain.next(logits, said, scratch), plain);
    if (!straight.ids.empty()) said.push_back(straight.ids.back());
  }

  event_builder builder(words(), options);
  tokens so_far;
  std::size_t right = 0, wrong = 0;
  while (builder.reason() == finish::none) {
    tokens draft(straight.ids.begin() + std::ptrdiff_t(so_far.size()), straight.ids.end());  // right, but for every third
    draft.resize(std::min<std::size_t>(draft.size(), 4));
    if (draft.size() > 2) draft[2] = byte('?');
    for (std::size_t row = 0; row <= draft.size() && builder.reason() == finish::none; ++row) {
      auto logits = noise(so_far.size());  // one step gives them all: row r follows the draft's first r tokens
      const auto choice = builder.choose(logits, so_far, scratch);
      verified.add(builder.accept(choice), builder);
      if (choice.id != no_token) so_far.push_back(choice.id);
      const bool as_drafted = row < draft.size() && choice.id == draft[row];
      ++(as_drafted ? right : wrong);
      if (!as_drafted) break;
    }
  }
  CHECK(verified.ids == straight.ids);
  CHECK(verified.texts == straight.texts);
  CHECK(verified.reason == straight.reason);
  CHECK(right > 0);
  CHECK(wrong > 0);
}

TEST_CASE("choosing alone has no effect but on the random numbers") {
  event_builder builder(words(), {.max_tokens = 2});
  nibble::sampling_scratch scratch;
  for (int i = 0; i < 5; ++i) {
    auto logits = favour(byte('z'));
    CHECK(builder.choose(logits, {}, scratch).id == byte('z'));
  }
  CHECK(builder.accepted() == 0);
  CHECK(builder.accept({byte('a')})->text == "a");  // not what was chosen
  CHECK(builder.remaining() == 1);
}

TEST_CASE("a sampler that throws leaves its builder ready to try again") {
  int calls = 0;
  auto moody = [&calls](nibble::candidates& c) {
    if (++calls % 2 == 0) throw std::runtime_error("no");
    c.keep_top(1);
  };
  event_builder builder(words(), {.sampler = moody, .stop = {"ac"}, .logprobs = true});
  nibble::sampling_scratch scratch;
  reply r;
  for (const char c : {'a', 'a', 'b', 'b'}) {
    auto logits = favour(byte(c));
    try {
      r.add(builder.next(logits, {}, scratch), builder);
    } catch (const std::runtime_error&) {
      CHECK(builder.reason() == finish::none);
      CHECK(builder.accepted() == r.ids.size());
    }
  }
  CHECK(r.texts == texts{"", "ab"});
}

TEST_CASE("a builder moves between any two events") {
  std::vector<event_builder> builders;
  for (int i = 0; i < 4; ++i) builders.emplace_back(words(), nibble::generate_options{.stop = {"abc"}});
  std::string text;
  for (const char c : std::string_view("xababx")) {
    if (const auto event = builders[0].accept({byte(c)})) text += event->text;
    builders.emplace_back(words());  // sooner or later all of them move
  }
  CHECK(text == "xababx");
}

TEST_CASE("a token that the vocabulary suppresses is never chosen, whatever its logit and the sampler") {
  nibble_test::model_parts parts(nibble_test::golden("models/stories260K-q8_0.gguf"));
  parts.meta.set("tokenizer.ggml.suppress_tokens", nibble::value(std::vector<int>{byte('b'), byte('a')}));
  const auto without_ab = nibble::tokenizer::load(parts.meta);
  nibble::sampling_scratch scratch;
  for (const bool logprobs : {false, true}) {
    event_builder builder(without_ab, {.logprobs = logprobs});
    auto logits = favour(byte('a'));
    logits[std::size_t(byte('b'))] = 8, logits[std::size_t(byte('c'))] = 7;
    CHECK(builder.choose(logits, {}, scratch).id == byte('c'));
  }
  event_builder builder(without_ab, {.sampler = nibble::temperature{1000}, .seed = 5});
  for (int i = 0; i < 2000; ++i) {
    auto logits = favour(byte('a'));
    const token id = builder.choose(logits, {}, scratch).id;
    CHECK(id != byte('a'));
    CHECK(id != byte('b'));
  }
  std::vector<float> alone(words().size(), -INFINITY);
  alone[std::size_t(byte('a'))] = 1;
  CHECK(builder.choose(alone, {}, scratch).not_a_number);
}
