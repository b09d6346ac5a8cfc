#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "nibble/generate/session.hpp"
#include "nibble/grammar/matcher.hpp"
#include "nibble/sample/temperature.hpp"
#include "nibble/text/answer/parser.hpp"
#include "support/files.hpp"

using nibble::finish;
using nibble::json;
using nibble::tool_choice;

namespace {

const json tools = json::parse(R"([
  {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {"where": {"enum": ["up", "down"]}},
     "required": ["where"]}}},
  {"type": "function", "function": {"name": "wait", "parameters": {"type": "object", "properties": {"hours": {"type": "integer",
     "minimum": 1, "maximum": 9}}, "required": ["hours"]}}}])");

/// A template that says how calls are written, for a model that has none.
const auto form = nibble::chat_template::parse("{% for m in messages %}{{ m.content }}\n{% endfor %}{# <tool_call> #}");
const std::vector<nibble::chat_message> talk = {{"user", "Once upon a time"}};

struct said {
  nibble::chat_answer answer;
  finish reason;
};

said ask(nibble::session& session, const nibble::chat_options& prompt, std::uint64_t seed = 1) {
  auto reply = session.chat(talk, form, prompt, {.max_tokens = 120, .sampler = nibble::temperature{1}, .seed = seed});
  nibble::chat_parser parser = reply.parser();
  for (const auto& event : reply) parser.feed(event.text);
  parser.finish();
  return {parser.answer(), reply.reason()};
}

}  // namespace

TEST_CASE("a model that must call a tool does, with arguments that fit") {
  const auto model = nibble::any_model::load(nibble_test::golden("../../examples/models/nibble-tiny-Q4_K_M.gguf"));
  nibble::session session(model);
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    const said one = ask(session, {.tools = tools, .tool_choice = tool_choice::required, .parallel_calls = false}, seed);
    CHECK((one.reason == finish::grammar_end || one.reason == finish::end_of_text));
    REQUIRE(one.answer.calls.size() == 1);
    const nibble::tool_call& call = one.answer.calls[0];
    CHECK(call.complete);
    const auto arguments = json::parse(call.arguments);
    CHECK(arguments.members().size() == 1);
    if (call.name == "look") {
      CHECK((arguments.find("where")->string() == "up" || arguments.find("where")->string() == "down"));
    } else {
      CHECK(call.name == "wait");
      CHECK(*arguments.find("hours")->integer() > 0);
    }
  }
  const said only = ask(session, {.tools = tools, .tool_choice = tool_choice::required, .only_tool = "wait"});
  REQUIRE(!only.answer.calls.empty());
  CHECK(only.answer.calls[0].name == "wait");
}

TEST_CASE("a model that may call tools speaks as it likes, and one that has none is not held to anything") {
  const auto model = nibble::any_model::load(nibble_test::golden("../../examples/models/nibble-tiny-Q4_K_M.gguf"));
  nibble::session session(model);
  const said free = ask(session, {}), automatic = ask(session, {.tools = tools});
  CHECK(automatic.answer.text == free.answer.text);
  CHECK(automatic.answer.text == ask(session, {.tools = tools, .tool_choice = tool_choice::none}).answer.text);
  const auto none = session.try_chat(talk, form, {.tool_choice = tool_choice::required});
  REQUIRE_FALSE(none);
  CHECK(std::string(none.failure().what()) == "tools: there is none, and a call is required");
  const auto no_list = session.try_chat(talk, form, {.tools = "[]"}, {.max_tokens = 1});
  REQUIRE_FALSE(no_list);
  CHECK(std::string(no_list.failure().what()) == "tools: expected an array of them, found the text '[]'");
  const auto plain = nibble::chat_template::chatml();
  const auto unknown = session.try_chat(talk, plain, {.tools = tools, .tool_choice = tool_choice::required});
  REQUIRE_FALSE(unknown);
  CHECK(std::string(unknown.failure().what()) == "a call is required, and how the model writes calls is not known");
  const auto wrong = session.try_chat(talk, form, {.tools = json::array({1})});
  REQUIRE_FALSE(wrong);
  CHECK(std::string(wrong.failure().what()) == "tool 0: expected an object, found the number 1");
  CHECK(session.try_chat(talk, form, {.tools = json::array({1}), .tool_choice = tool_choice::unconstrained}));
}

TEST_CASE("a reply is read from where its prompt ended: within the reasoning, or behind the mark of a call") {
  const auto model = nibble::any_model::load(nibble_test::golden("../../examples/models/nibble-tiny-Q4_K_M.gguf"));
  nibble::session session(model);
  const auto answer_to = [&](std::string_view source, const nibble::chat_options& prompt, std::string_view asked) {
    const auto written = nibble::chat_template::parse(source);
    const std::vector<nibble::chat_message> messages = {{"user", std::string(asked)}};
    auto reply = session.chat(messages, written, prompt, {.max_tokens = 60, .sampler = nibble::temperature{1}, .seed = 1});
    nibble::chat_parser parser = reply.parser();
    for (const auto& event : reply) parser.feed(event.text);
    parser.finish();
    return parser.answer();
  };
  const nibble::chat_answer thought =
      answer_to("{{ messages[0].content }}{% if add_generation_prompt %}\n<think>\n{% endif %}{# </think> #}", {}, "Why?");
  CHECK(thought.text.empty());
  CHECK(!thought.reasoning.empty());
  const nibble::chat_answer typed = answer_to("{{ messages[0].content }}{# <think></think> #}", {}, "Why? <think>");
  CHECK(typed.reasoning.empty());  // it is no mark, for a user wrote it
  CHECK(!typed.text.empty());
  const nibble::chat_answer called =
      answer_to("{{ messages[0].content }}\n>>>{# >>>all #}",
                {.tools = tools, .tool_choice = tool_choice::required, .parallel_calls = false}, "Look!");
  REQUIRE(called.calls.size() == 1);
  CHECK(called.calls[0].complete);
  CHECK(called.text.empty());
  nibble::chat_parser plain = session.generate("a").parser();
  CHECK(plain.feed("<think>").front().part == nibble::answer_part::text);
}

TEST_CASE("an answer becomes the message with which the conversation goes on") {
  nibble::chat_answer answer{"So.", "why", {{"call_1", "look", R"({"where":"up"})", true}, {"call_2", "wait", "{", false}}};
  const nibble::chat_message message = nibble::message_of(answer);
  CHECK(message.role == "assistant");
  CHECK(message.content == "So.");
  CHECK(message.more.text() ==
        R"({"tool_calls":[{"id":"call_1","type":"function","function":{"name":"look","arguments":{"where":"up"}}},)"
        R"({"id":"call_2","type":"function","function":{"name":"wait","arguments":"{"}}]})");
  CHECK(nibble::message_of({"Yes.", "", {}}).more.is(nibble::json_kind::null));
}
