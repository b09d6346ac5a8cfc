#include "nibble/generate/session.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <climits>
#include <cstdint>
#include <string>
#include <vector>

#include "generate/replies.hpp"
#include "nibble/model/arch/llama.hpp"
#include "nibble/model/model.hpp"
#include "support/files.hpp"
#include "support/model_parts.hpp"

using namespace nibble_test;

namespace {
/// Runs everything on the calling thread, and counts the parallel steps: the request to stop comes with one of them.
struct stopping_executor {
  nibble::stop_source* stop = nullptr;
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

TEST_CASE("a session takes a typed model, too, and moves while a generation of it is read") {
  const auto model = nibble::model<nibble::arch::llama, nibble::kv_cache<nibble::q8_0>>::load(
      nibble_test::golden("models/stories260K-q8_0.gguf"));
  nibble::session session(model);
  CHECK(session.model().kv_type() == nibble::tensor_type::q8_0);
  auto generation = session.generate("Once upon a time", {.max_tokens = 8});
  auto it = generation.begin();
  auto moved = std::move(session);
  std::size_t events = 0;
  for (; it != generation.end(); ++it) ++events;
  CHECK(events == 8);
  CHECK(moved.position() == moved.tokenizer().encode("Once upon a time").size() + 8);
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
    CHECK(std::string(r.failure().what()) == "token 1: expected 0 to 511, found " + std::to_string(bad));
    CHECK_THROWS_AS(session.generate(tokens{bad}), nibble::error);
  }
  CHECK(session.position() == 0);
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
    nibble::session session(*model, {.context = 400, .prefill_chunk = 16});
    tokens prompt = session.tokenizer().encode("Once upon a time");
    prompt.resize(300, 403);
    for (std::size_t i = 5; i < prompt.size(); ++i) prompt[i] = token(259 + i * 7 % 200);
    read(session.generate(prompt, {.max_tokens = 0}));
    for (const std::size_t position : {299, 290, 200, 64, 3}) {
      session.truncate(position);
      CHECK(session.position() == position);
      const auto r = read(session.generate("", {.max_tokens = 4}));
      nibble::session fresh(*model, {.context = 400, .prefill_chunk = 16});
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
  nibble::session straight(model, {.context = 64, .prefill_chunk = 8});
  const tokens prompt = model.tokenizer().encode("Once upon a time, there was a big dog. The dog was very sad.");
  REQUIRE(prompt.size() > 16);
  const auto begin = executor.runs;
  const auto expected = read(straight.generate(prompt, {.max_tokens = 6})).ids;
  const std::size_t all_runs = executor.runs - begin;
  const std::size_t runs_per_layer = all_runs / ((prompt.size() + 7) / 8 + 5) / 5 + 4;
  nibble::session session(model, {.context = 64, .prefill_chunk = 8});
  std::size_t in_prompt = 0, in_answer = 0;
  for (std::size_t i = 0; i < 1000; ++i) {
    session.reset();
    nibble::stop_source stop;
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
  nibble::stop_source stop;
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
  const auto no_format = nibble::session::try_create(stories(), {.kv = nibble::tensor_type::q6_k});
  REQUIRE(!no_format);
  CHECK(no_format.failure().code() == nibble::errc::invalid_argument);
  const auto no_logits = nibble::session::try_create(stories(), {.output = nibble::step_output::hidden});
  REQUIRE(!no_logits);
  CHECK(no_logits.failure().code() == nibble::errc::invalid_argument);
  CHECK(std::string(no_logits.failure().what()).find("session_options::output") != std::string::npos);
  nibble::session session(stories(), {.context = 32, .prefill_chunk = SIZE_MAX, .output_rows = SIZE_MAX});
  CHECK(session.context() == 32);
  CHECK(read(session.generate("Once", {.max_tokens = SIZE_MAX})).reason == finish::context_full);
  nibble::session tiny(stories(), {.context = 1, .prefill_chunk = 0, .output_rows = 0});
  CHECK(read(tiny.generate("")).reason == finish::context_full);
}

constexpr std::string_view plain_chatml =
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

TEST_CASE("a model loads whatever its chat template is, which is looked at once") {
  const std::vector<nibble::chat_message> talk{{"user", "Hello"}};
  nibble_test::model_parts parts(nibble_test::golden("models/stories260K-q8_0.gguf"));
  for (const auto& odd : {nibble::value("{{ '<|im_start|>' }}...{{ '<|im_end|>' "), nibble::value(7)}) {
    const auto code = odd.try_as<int>() ? nibble::errc::bad_value : nibble::errc::malformed;
    parts.meta.set("tokenizer.chat_template", odd);
    const auto model = nibble::any_model::load(parts.bytes());
    REQUIRE_FALSE(model.chat_form());
    CHECK(model.chat_form().failure().code() == code);
    const nibble::any_model copy(model);
    CHECK(&model.chat_form() == &copy.chat_form());
    nibble::session session(model, {.context = 64});
    CHECK(session.try_chat(talk).failure().code() == code);
    CHECK(read(session.chat(talk, nibble::chat_template::chatml(), {.max_tokens = 1})).ids.size() == 1);
  }
}

TEST_CASE("tools and other variables stand in the prompt of a chat, where its template puts them") {
  const std::vector<nibble::chat_message> talk{{"user", "Hello"}};
  nibble_test::model_parts parts(nibble_test::golden("models/stories260K-q8_0.gguf"));
  parts.meta.set("tokenizer.chat_template", nibble::value("{% for t in tools %}{{ t }} {% endfor %}{{ style }}"));
  nibble::session session(nibble::any_model::load(parts.bytes()), {.context = 64}), plain(session.model(), {.context = 64});
  read(session.chat(talk, {.tools = nibble::json::array({"one", "two"}), .extra = nibble::json::object({{"style", "plain"}})},
                    {.max_tokens = 1}));
  read(plain.generate("one two plain", {.max_tokens = 1}));
  CHECK(to_vector(session.tokens()) == to_vector(plain.tokens()));
}

TEST_CASE("a chat begins with the token that its template asks for, even where the file adds none") {
  const std::vector<nibble::chat_message> talk{{"user", "Hello"}};
  nibble_test::model_parts parts(nibble_test::golden("models/stories260K-q8_0.gguf"));
  for (const bool adds : {false, true})
    for (const bool asks : {false, true}) {
      parts.meta.set("tokenizer.ggml.add_bos_token", nibble::value(adds));
      parts.meta.set("tokenizer.chat_template", nibble::value((asks ? "{{ bos_token }}" : "") + std::string(plain_chatml)));
      nibble::session session(nibble::any_model::load(parts.bytes()), {.context = 64});
      read(session.chat(talk, {.max_tokens = 1}));
      const auto ids = session.tokens();
      CHECK(std::count(ids.begin(), ids.end(), 1) == (adds || asks));
      CHECK((ids.front() == 1) == (adds || asks));
    }
}

TEST_CASE("a conversation is answered, and its next turn processes only what is new") {
  nibble_test::model_parts parts(nibble_test::golden("models/stories260K-q8_0.gguf"));
  parts.meta.set("tokenizer.chat_template", nibble::value(plain_chatml));
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
