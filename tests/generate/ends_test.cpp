/// What ends a reply beside the model's own end: stop tokens, control tokens in stop strings, logits that are no numbers.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "generate/replies.hpp"
#include "support/model_parts.hpp"

using namespace nibble_test;

namespace {
token control() { return *stories().tokenizer().bos(); }
std::string name() { return std::string(stories().tokenizer().piece(control())); }

/// A reply that is the bytes of `text`, with a control token for each '#', and then "tail".
reply say(nibble::session& session, std::string_view text, nibble::generate_options options) {
  tokens ids = bytes(text);
  for (std::size_t i = 0; i < text.size(); ++i)
    if (text[i] == '#') ids[i] = control();
  for (const token id : bytes("tail")) ids.push_back(id);
  options.max_tokens = ids.size();
  options.sampler = script{ids};
  session.reset();
  return read(session.generate("x", std::move(options)));
}
std::vector<std::byte> with_bits(std::string_view tensor, std::byte all) {
  model_parts parts(golden("models/llama.gguf"));
  for (auto& b : parts.at(tensor).data) b = all;
  return parts.bytes();
}
}  // namespace

TEST_CASE("a stop token ends a reply like the model's own end: it has no event and does not join the session") {
  nibble::session session(stories());
  const auto r = say(session, "ab\nUc", {.stop = {"\nUser:"}, .stop_tokens = {7, bytes("c")[0]}});
  CHECK(r.reason == finish::stop_token);
  CHECK(r.ids == bytes("ab\nU"));
  CHECK(r.text() == "ab\nU");  // what waited is shown
  CHECK(session.tokens().back() == bytes("U")[0]);
  CHECK(say(session, "ab", {.stop_tokens = {control()}}).reason == finish::max_tokens);
  CHECK(say(session, "a#b", {.stop_tokens = {control()}}).ids == bytes("a"));
  const token eos = *session.tokenizer().eos();
  session.reset();
  CHECK(read(session.generate("x", {.sampler = script{{eos}}, .stop_tokens = {eos}})).reason == finish::stop_token);
}

TEST_CASE("ids that are no token stop nothing") {
  nibble::session session(stories());
  CHECK(say(session, "ab", {.stop_tokens = {-1, 512, 1 << 30}}).reason == finish::max_tokens);
  session.reset();
  const auto none = [](nibble::candidates& c) { c.truncate(0); };
  CHECK(read(session.generate("x", {.sampler = none, .stop_tokens = {nibble::no_token}})).reason == finish::end_of_text);
}

TEST_CASE("a stop string that names a control token is that token, shown or not") {
  nibble::session session(stories());
  for (const bool show : {false, true}) {
    CAPTURE(show);
    const auto r = say(session, "ab#", {.stop = {name()}, .show_special = show});
    CHECK(r.reason == finish::stop_string);
    CHECK(r.text() == "ab");
    REQUIRE(r.ids.size() == 3);
    CHECK(r.ids.back() == control());
    CHECK(session.tokens().back() == control());
    // its letters still are, too
    CHECK(say(session, "ab" + name(), {.stop = {name()}, .show_special = show}).text() == "ab");
  }
}

TEST_CASE("a control token counts as its name in the middle of a stop string, too") {
  nibble::session session(stories());
  const auto check = [&](std::string_view said, const std::string& stop, std::string_view text, finish reason) {
    for (const bool show : {false, true}) {
      CAPTURE(said);
      CAPTURE(show);
      const auto r = say(session, said, {.stop = {stop}, .show_special = show});
      std::string expected;
      for (const char c : text) expected += c != '#' ? std::string(1, c) : show ? name() : "";
      CHECK(r.text() == expected);
      CHECK(r.reason == reason);
    }
  };
  const auto stopped = finish::stop_string, not_stopped = finish::max_tokens;
  check("ab\n#", "\n" + name(), "ab", stopped);
  check("ab\n#c", "\n" + name() + "c", "ab", stopped);
  check("ab##c", name() + name(), "ab", stopped);
  check("ab#c#c#d", "c" + name() + "d", "ab#c#", stopped);
  check("ab\nc#", "\n" + name(), "ab\nc#tail", not_stopped);
  check("ab\n", "\n" + name(), "ab\ntail", not_stopped);
  check("#a#b", name() + "b", "#a", stopped);
}

TEST_CASE("a stop string of letters alone does not see control tokens that are not shown") {
  nibble::session session(stories());
  CHECK(say(session, "abc#d", {.stop = {"cd"}}).text() == "ab");
  CHECK(say(session, "abc#d", {.stop = {"cd"}, .show_special = true}).reason == finish::max_tokens);
}

TEST_CASE("logits that are no numbers end a reply: of the prompt, and of a token in the middle") {
  for (const char* const tensor : {"output_norm.weight", "blk.0.attn_v.weight"}) {
    CAPTURE(tensor);
    nibble::session session(nibble::any_model::load(with_bits(tensor, std::byte{0xff})));
    for (const bool logprobs : {false, true}) {
      session.reset();
      const auto r = read(session.generate(tokens{1, 300}, {.max_tokens = 3, .logprobs = logprobs}));
      CHECK(r.reason == finish::not_a_number);
      CHECK(r.ids.empty());
      CHECK(to_vector(session.tokens()) == tokens{1, 300});
    }
  }

  model_parts parts(golden("models/llama.gguf"));  // the embedding of one token is broken
  auto& embedding = parts.at("token_embd.weight");
  const std::size_t row = embedding.data.size() / 512;
  const token broken = 400;
  std::memset(embedding.data.data() + broken * row, 0xff, row);
  nibble::session session(nibble::any_model::load(parts.bytes())), straight(nibble::any_model::load(parts.bytes()));
  const auto r = read(session.generate(tokens{1, 300}, {.sampler = script{{5, 6, broken, 7}}, .logprobs = true}));
  CHECK(r.ids == tokens{5, 6, broken});
  CHECK(r.reason == finish::not_a_number);
  CHECK(session.tokens().back() == broken);
  CHECK(read(session.generate("")).reason == finish::not_a_number);  // as long as it ends with the token
  session.truncate(session.position() - 1);
  const auto after = read(session.generate("", {.max_tokens = 5}));
  CHECK(after.reason == finish::max_tokens);
  CHECK(read(straight.generate(tokens{1, 300, 5, 6}, {.max_tokens = 5})).ids == after.ids);
}

TEST_CASE("which logits are no numbers: none above -infinity") {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  const auto& words = stories().tokenizer();
  const auto outcome = [&](float most, float one) {
    nibble::event_builder builder(words, {.max_tokens = 1});
    nibble::sampling_scratch scratch;
    std::vector<float> logits(words.size(), most);
    logits[300] = one;
    const auto event = builder.next(logits, {}, scratch);
    CHECK(builder.reason() == (event ? finish::max_tokens : finish::not_a_number));
    return event ? event->id : nibble::no_token;
  };
  for (const float most : {nan, -nan, -infinity}) {
    CHECK(outcome(most, nan) == nibble::no_token);
    CHECK(outcome(most, -infinity) == nibble::no_token);
    CHECK(outcome(most, -3e38f) == 300);
    CHECK(outcome(most, infinity) == 300);
  }
  CHECK(outcome(0.0f, infinity) == 300);
  CHECK(outcome(0.0f, nan) == 0);
}
