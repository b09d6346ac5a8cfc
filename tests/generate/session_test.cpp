#include "nibble/generate/session.hpp"

#include <doctest/doctest.h>

#include <climits>
#include <cmath>
#include <cstdint>
#include <ranges>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <vector>

#include "nibble/sample/greedy.hpp"
#include "nibble/sample/temperature.hpp"
#include "nibble/sample/top_k.hpp"
#include "nibble/sample/top_p.hpp"
#include "nibble/text/utf8.hpp"
#include "support/files.hpp"
#include "support/model_parts.hpp"

static_assert(std::ranges::input_range<nibble::generation>);
static_assert(std::same_as<std::ranges::range_reference_t<nibble::generation>, const nibble::token_event&>);

namespace {

using nibble::finish;
using nibble::token;
using tokens = std::vector<token>;

const nibble::any_model& stories() {
  static const auto model = nibble::any_model::load(nibble_test::golden("models/stories260K-q8_0.gguf"), {.threads = 2});
  return model;
}
/// Six of its seven layers have a sliding window of four positions.
const nibble::any_model& windowed() {
  static const auto model = nibble::any_model::load(nibble_test::golden("models/gemma3.gguf"), {.threads = 2});
  return model;
}

/// A sampler that leaves one token at a time, as written.
struct script {
  tokens ids;
  std::size_t at = 0;
  void operator()(nibble::candidates& c) {
    const token id = ids.at(at++);
    c.remove_if([id](const nibble::candidate& x) { return x.id != id; });
  }
};
/// The vocabulary's tokens of single bytes.
tokens bytes(std::string_view text) {
  tokens out;
  for (const char c : text) out.push_back(3 + static_cast<unsigned char>(c));
  return out;
}

struct reply {
  tokens ids;
  std::vector<std::string> texts;
  std::vector<float> logprobs;
  finish reason = finish::none;

  std::string text() const {
    std::string all;
    for (const auto& t : texts) all += t;
    return all;
  }
};
reply read(nibble::generation generation) {
  reply r;
  for (const auto& event : generation) {
    CHECK(nibble::is_utf8(event.text));
    if (event.id != nibble::no_token) {
      r.ids.push_back(event.id);
      r.logprobs.push_back(event.logprob);
    }
    r.texts.emplace_back(event.text);
  }
  r.reason = generation.reason();
  CHECK(r.reason != finish::none);
  return r;
}
tokens to_vector(std::span<const token> ids) { return {ids.begin(), ids.end()}; }

/// Runs everything on the calling thread, and counts the parallel steps: the request to stop comes with one of them.
struct stopping_executor {
  std::stop_source* stop = nullptr;
  std::size_t runs = 0, stop_at = SIZE_MAX;

  std::size_t concurrency() const noexcept { return 1; }
  template <std::invocable<std::size_t> F>
  void run(std::size_t n, F&& f) {
    if (runs++ == stop_at) stop->request_stop();
    for (std::size_t i = 0; i < n; ++i) f(i);
  }
};

}  // namespace

TEST_CASE("the most likely tokens of a published model are those of the golden") {
  const auto golden = nibble_test::read_all<token>(nibble_test::golden("models/stories260K-q8_0.greedy.i32"));
  REQUIRE(golden.size() == 199);
  nibble::session session(stories(), {.kv = nibble::tensor_type::f32});
  const auto r = read(session.generate("", {.max_tokens = 199}));
  CHECK(r.ids == golden);
  CHECK(r.reason == finish::max_tokens);
  CHECK(session.position() == 200);
  CHECK(r.text().starts_with(" Once upon a time, there was a little girl named Lily."));
  CHECK(r.text().substr(1) == session.tokenizer().decode(session.tokens()));
}

TEST_CASE("a session of a typed model is deduced, and moves while a generation of it is read") {
  const auto model = nibble::model<nibble::arch::llama, nibble::kv_cache<nibble::q8_0>>::load(
      nibble_test::golden("models/stories260K-q8_0.gguf"));
  nibble::basic_session session(model);
  static_assert(std::same_as<decltype(session)::model_type, std::remove_cv_t<decltype(model)>>);
  auto generation = session.generate("Once upon a time", {.max_tokens = 8});
  auto it = generation.begin();
  auto moved = std::move(session);
  std::size_t events = 0;
  for (; it != generation.end(); ++it) ++events;
  CHECK(events == 8);
  CHECK(moved.position() == moved.tokenizer().encode("Once upon a time").size() + 8);
}

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

TEST_CASE("a session goes on: the text that begins it once, then no second BOS and no second space") {
  nibble::session session(stories());
  read(session.generate("Once upon", {.max_tokens = 0}));
  read(session.generate(" a time", {.max_tokens = 0}));
  CHECK(session.tokenizer().decode(session.tokens()) == "Once upon a time");
  nibble::session whole(stories());
  read(whole.generate("Once upon a time", {.max_tokens = 0}));
  CHECK(to_vector(session.tokens()) == to_vector(whole.tokens()));
  CHECK(read(session.generate("", {.max_tokens = 20})).ids == read(whole.generate("", {.max_tokens = 20})).ids);
}

TEST_CASE("leaving a range at any event leaves the session behind that event's token") {
  for (const auto* model : {&stories(), &windowed()}) {
    nibble::session straight(*model, {.context = 200, .step_tokens = 16});
    const auto expected = read(straight.generate("Once upon a time", {.max_tokens = 40, .logprobs = true}));
    nibble::session session(*model, {.context = 200, .step_tokens = 16});
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

TEST_CASE("a full context is an ending, and the session never holds more than its context") {
  nibble::session session(stories(), {.context = 16});
  const tokens prompt = session.tokenizer().encode("Once upon a time");
  const auto r = read(session.generate(prompt));
  CHECK(r.reason == finish::context_full);
  CHECK(r.ids.size() == 16 - prompt.size());
  CHECK(session.position() == 16);
  SUBCASE("and stays so") {
    CHECK(read(session.generate("")).reason == finish::context_full);
    CHECK(read(session.generate("more")).reason == finish::context_full);
    CHECK(session.position() == 16);
  }
  SUBCASE("until it is cut back") {
    session.truncate(prompt.size());
    CHECK(read(session.generate("")).ids == r.ids);
  }
}

TEST_CASE("a prompt that does not fit changes nothing") {
  nibble::session session(stories(), {.context = 16});
  const tokens seventeen(17, 403), sixteen(16, 403);
  CHECK(read(session.generate(seventeen)).reason == finish::context_full);
  CHECK(session.position() == 0);
  CHECK(session.stats().prompt_tokens == 0);
  SUBCASE("one that fits exactly is processed, and leaves no room for an answer") {
    CHECK(read(session.generate(sixteen)).reason == finish::context_full);
    CHECK(session.position() == 16);
  }
  SUBCASE("or is only processed") { CHECK(read(session.generate(sixteen, {.max_tokens = 0})).reason == finish::max_tokens); }
}

TEST_CASE("an empty prompt in an empty session begins with the token that begins a text, or that ends one") {
  nibble_test::model_parts parts(nibble_test::golden("models/stories260K-q8_0.gguf"));
  parts.meta.set("tokenizer.ggml.add_bos_token", nibble::value(false));
  const auto model = nibble::any_model::load(parts.bytes());
  nibble::session session(model);
  read(session.generate("", {.max_tokens = 0}));
  CHECK(session.position() == 0);
  CHECK(read(session.generate("", {.max_tokens = 4})).ids.size() == 4);
  CHECK(session.tokens()[0] == *session.tokenizer().bos());
  CHECK(session.position() == 5);
  session.reset();
  CHECK(read(session.generate(tokens{}, {.max_tokens = 4})).ids.size() == 4);
}

TEST_CASE("tokens that are not in the vocabulary are refused before anything happens") {
  nibble::session session(stories());
  for (const token bad : {-1, 512, INT_MAX, INT_MIN}) {
    const auto r = session.try_generate(tokens{1, bad});
    REQUIRE(!r);
    CHECK(r.failure().code() == nibble::errc::invalid_argument);
    CHECK(std::string(r.failure().what()) == "token 1 of the prompt: expected 0 to 511, found " + std::to_string(bad));
    CHECK_THROWS_AS(session.generate(tokens{bad}), nibble::error);
  }
  CHECK(session.position() == 0);
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
  auto e = nibble::evaluator<nibble::any_model>::try_create(stories()).value();
  const tokens all = to_vector(session.tokens());
  e.feed(std::span(all).first(all.size() - r.ids.size()));
  for (std::size_t i = 0; i < r.ids.size(); ++i) {
    double total = 0;
    for (const float x : e.logits()) total += std::exp(double(x));
    CHECK(double(r.logprobs[i]) == doctest::Approx(double(e.logits()[std::size_t(r.ids[i])]) - std::log(total)).epsilon(1e-5));
    e.feed({&r.ids[i], 1});
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

TEST_CASE("logits that are no numbers give tokens all the same, and a sampler that leaves nothing ends the text") {
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
  nibble_test::model_parts parts(nibble_test::golden("models/llama.gguf"));
  auto& norm = parts.at("output_norm.weight").data;
  for (auto& b : norm) b = std::byte{0xff};
  nibble::session broken(nibble::any_model::load(parts.bytes()));
  const auto r = read(broken.generate("Once", {.max_tokens = 3, .logprobs = true}));
  CHECK(r.ids == tokens{0, 0, 0});
  CHECK(std::isnan(r.logprobs[0]));

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

TEST_CASE("when a later generation begins, the earlier one is over") {
  nibble::session session(stories());
  auto first = session.generate("Once", {.max_tokens = 10});
  auto at = first.begin();
  auto second = session.generate(" upon", {.max_tokens = 3});
  ++at;
  CHECK(at != first.end());  // not yet begun
  auto other = second.begin();
  const auto position = session.position();
  ++at;
  CHECK(at == first.end());
  CHECK(first.reason() == finish::cancelled);
  CHECK(session.position() == position);
  ++other, ++other, ++other;
  CHECK(second.reason() == finish::max_tokens);
}

TEST_CASE("a session is cut back anywhere, where a sliding window has forgotten too") {
  for (const auto* model : {&stories(), &windowed()}) {
    nibble::session session(*model, {.context = 400, .step_tokens = 16});
    tokens prompt = session.tokenizer().encode("Once upon a time");
    prompt.resize(300, 403);
    for (std::size_t i = 5; i < prompt.size(); ++i) prompt[i] = token(259 + i * 7 % 200);
    read(session.generate(prompt, {.max_tokens = 0}));
    for (const std::size_t position : {299, 290, 200, 64, 3}) {
      session.truncate(position);
      CHECK(session.position() == position);
      const auto r = read(session.generate("", {.max_tokens = 4}));
      nibble::session fresh(*model, {.context = 400, .step_tokens = 16});
      CHECK(read(fresh.generate(std::span(prompt).first(position), {.max_tokens = 4})).ids == r.ids);
    }
    session.truncate(1000);  // no more than there is
    CHECK(session.position() == 7);
    session.reset();
    CHECK(session.position() == 0);
  }
}

TEST_CASE(
    "a request to stop is heard within a layer, in the prompt too; 1,000 cancelled sessions go on as if nothing happened") {
  stopping_executor executor;
  const auto model = nibble::any_model::load(nibble_test::golden("models/stories260K-q8_0.gguf"), {.executor = executor});
  nibble::session straight(model, {.context = 64, .step_tokens = 8});
  const tokens prompt = model.tokenizer().encode("Once upon a time, there was a big dog. The dog was very sad.");
  REQUIRE(prompt.size() > 16);
  const auto begin = executor.runs;
  const auto expected = read(straight.generate(prompt, {.max_tokens = 6})).ids;
  const std::size_t all_runs = executor.runs - begin;
  const std::size_t runs_per_layer = all_runs / ((prompt.size() + 7) / 8 + 5) / 5 + 4;
  nibble::session session(model, {.context = 64, .step_tokens = 8});
  std::size_t in_prompt = 0, in_answer = 0;
  for (std::size_t i = 0; i < 1000; ++i) {
    session.reset();
    std::stop_source stop;
    executor = {&stop, 0, i * 7919 % all_runs};
    tokens ids;
    auto generation = session.generate(prompt, {.max_tokens = 6, .cancel = stop.get_token()});
    for (const auto& event : generation) ids.push_back(event.id);
    REQUIRE(generation.reason() == finish::cancelled);
    REQUIRE(executor.runs <= executor.stop_at + runs_per_layer);
    REQUIRE(executor.runs > executor.stop_at);
    executor.stop_at = SIZE_MAX;
    if (session.position() < prompt.size()) {
      ++in_prompt;
      REQUIRE(ids.empty());
      REQUIRE(session.position() % 8 == 0);
      REQUIRE(to_vector(session.tokens()) == to_vector(std::span(prompt).first(session.position())));
    } else {
      ++in_answer;
      REQUIRE(session.position() == prompt.size() + ids.size());
    }
    if (i % 50 != 0) continue;
    const std::size_t at = std::min(session.position(), prompt.size());
    const auto rest = read(session.generate(std::span(prompt).subspan(at), {.max_tokens = 6 - ids.size()})).ids;
    ids.insert(ids.end(), rest.begin(), rest.end());
    REQUIRE(ids == expected);
  }
  CHECK(in_prompt > 100);
  CHECK(in_answer > 100);
}

TEST_CASE("a stop that was requested before stops before anything is processed") {
  nibble::session session(stories());
  std::stop_source stop;
  stop.request_stop();
  const auto r = read(session.generate("Once upon a time", {.cancel = stop.get_token()}));
  CHECK(r.reason == finish::cancelled);
  CHECK(session.position() == 0);
  // also where the logits of the next token are there already
  read(session.generate("Once upon a time", {.max_tokens = 0}));
  const auto ready = read(session.generate("", {.cancel = stop.get_token()}));
  CHECK(ready.reason == finish::cancelled);
  CHECK(ready.ids.empty());
}

TEST_CASE("stats count what was processed and made, and take no time of the consumer's") {
  nibble::session session(stories());
  auto generation = session.generate("Once upon a time", {.max_tokens = 4});
  for (const auto& event : generation) static_cast<void>(event);
  const auto& s = generation.stats();
  CHECK(s.prompt_tokens == session.position() - 4);
  CHECK(s.generated_tokens == 4);
  CHECK(s.generation_steps == 3);
  CHECK(s.prompt_time.count() > 0);
  CHECK(s.generation_time.count() > 0);
  CHECK(s.prompt_speed() > 0);
  CHECK(s.generation_speed() > 0);
  CHECK(session.stats().generated_tokens == 4);
  CHECK(nibble::generation_stats().generation_speed() == 0);
  CHECK(nibble::generation_stats().prompt_speed() == 0);
}

TEST_CASE("options that make no sense are refused, and bounded ones are bounded") {
  const auto too_long = nibble::session::try_create(stories(), {.context = SIZE_MAX});
  REQUIRE(!too_long);
  CHECK(too_long.failure().code() == nibble::errc::invalid_argument);
  CHECK(std::string(too_long.failure().what()).find("session_options::context") != std::string::npos);
  const auto no_format = nibble::session::try_create(stories(), {.kv = nibble::tensor_type::q4_0});
  REQUIRE(!no_format);
  CHECK(no_format.failure().code() == nibble::errc::invalid_argument);
  nibble::session session(stories(), {.context = 32, .step_tokens = SIZE_MAX, .logit_rows = SIZE_MAX});
  CHECK(session.context() == 32);
  CHECK(read(session.generate("Once", {.max_tokens = SIZE_MAX})).reason == finish::context_full);
  nibble::session tiny(stories(), {.context = 1, .step_tokens = 0, .logit_rows = 0});
  CHECK(read(tiny.generate("")).reason == finish::context_full);
}

TEST_CASE("a conversation is answered, and its next turn processes only what is new") {
  nibble_test::model_parts parts(nibble_test::golden("models/stories260K-q8_0.gguf"));
  parts.meta.set("tokenizer.chat_template", nibble::value("{{ '<|im_start|>' }}...{{ '<|im_end|>' }}"));
  const auto model = nibble::any_model::load(parts.bytes());
  nibble::session session(model);
  std::vector<nibble::chat_message> talk{{"user", "Who is Lily?"}};
  const auto first = read(session.chat(talk, {.max_tokens = 12}));
  CHECK(first.ids.size() == 12);
  const auto prompt_tokens = session.stats().prompt_tokens;
  const tokens before = to_vector(session.tokens());

  talk.push_back({"assistant", first.text()});
  talk.push_back({"user", "And who is Tom?"});
  const auto second = read(session.chat(talk, {.max_tokens = 12}));
  nibble::session fresh(model);
  CHECK(read(fresh.chat(talk, {.max_tokens = 12})).ids == second.ids);
  CHECK(to_vector(session.tokens()) == to_vector(fresh.tokens()));
  CHECK(session.stats().prompt_tokens + prompt_tokens <= fresh.stats().prompt_tokens);

  SUBCASE("the same again processes one token, for its logits") {
    CHECK(read(session.chat(talk, {.max_tokens = 12})).ids == second.ids);
    CHECK(session.stats().prompt_tokens == 1);
  }
  SUBCASE("another conversation cuts off what it does not share") {
    talk.resize(1);
    CHECK(read(session.chat(talk, {.max_tokens = 12})).ids == first.ids);
    CHECK(to_vector(session.tokens()) == before);
  }
  SUBCASE("one that does not fit changes nothing") {
    const auto tokens_before = to_vector(session.tokens());
    talk[0].content.assign(4000, 'a');
    CHECK(read(session.chat(talk)).reason == finish::context_full);
    CHECK(to_vector(session.tokens()) == tokens_before);
  }
}

TEST_CASE("a conversation needs a template, of the file or of the caller, and messages that it can write") {
  const std::vector<nibble::chat_message> talk{{"user", "Hello"}};
  nibble::session session(stories());
  const auto none = session.try_chat(talk);
  REQUIRE(!none);
  CHECK(none.failure().code() == nibble::errc::missing_key);
  CHECK_THROWS_AS(session.chat(talk), nibble::error);
  CHECK(read(session.chat(talk, nibble::chat_template::chatml(), {.max_tokens = 2})).ids.size() == 2);
  const auto wrong = session.try_chat({}, nibble::chat_template::gemma());
  REQUIRE(!wrong);
  CHECK(wrong.failure().code() == nibble::errc::invalid_argument);
}
