// How many calls of tools are right with the constraint and without it, and what a constraint costs a token.
#include <algorithm>
#include <array>
#include <chrono>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "command.hpp"
#include "nibble/generate/session.hpp"
#include "nibble/grammar/constraint.hpp"
#include "nibble/grammar/matcher.hpp"
#include "nibble/model/any_model.hpp"
#include "nibble/sample/temperature.hpp"
#include "nibble/text/answer/parser.hpp"

namespace bench {

namespace {

constexpr const char* two_tools = R"([
  {"type": "function", "function": {"name": "get_weather", "description": "The weather in a city.", "parameters": {"type": "object",
    "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                   "days": {"type": "integer", "minimum": 1, "maximum": 7}}, "required": ["city", "unit"]}}},
  {"type": "function", "function": {"name": "set_timer", "description": "Sets a timer.", "parameters": {"type": "object",
    "properties": {"minutes": {"type": "integer", "minimum": 1, "maximum": 600}, "label": {"type": "string", "maxLength": 40},
                   "repeat": {"type": "array", "items": {"enum": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]}}},
    "required": ["minutes"]}}}])";

constexpr std::array questions = {
    "What is the weather in Paris in celsius?",
    "Set a timer for ten minutes for the pasta.",
    "Will it rain in Oslo in the next three days? Use fahrenheit.",
    "Wake me in half an hour.",
    "How warm is it in Cairo? I like fahrenheit.",
    "Timer, 45 minutes, label laundry, please.",
    "Give me the forecast for Tokyo for five days in celsius.",
    "Remind me every Monday and Friday in 90 minutes to stretch.",
    "Is it cold in Reykjavik now, in celsius?",
    "I need a 3 minute timer for my tea.",
    "Tell me the weather in New York for two days, fahrenheit.",
    "Start a timer called \"bread\" for an hour and a half.",
    "Weather in S\u00e3o Paulo, celsius.",
    "Set a timer for 25 minutes named focus on weekdays.",
    "What will it be like in Ulm this week, in celsius?",
    "Two hours timer, no name.",
    "Compare nothing, just the weather of Lima in celsius for one day.",
    "Please count down twelve minutes for the eggs.",
    "Do I need a coat in Helsinki? celsius please.",
    "Set a timer of 600 minutes with the label \"overnight\".",
};

/// Whether calls are JSON and fit the schemas of their tools.
class call_check {
 public:
  explicit call_check(const nibble::json& tools) {
    for (const nibble::json& tool : tools.items()) {
      const nibble::json& function = *tool.find("function");
      nibble::json schema = *function.find("parameters");
      schema.set("additionalProperties", false);
      known_.push_back({std::string(function.find("name")->string()), nibble::grammar::from_schema(schema)});
    }
  }
  bool fits(const nibble::tool_call& call) const {
    const auto value = nibble::json::try_parse(call.arguments);
    return call.complete && value && std::any_of(known_.begin(), known_.end(), [&](const known& k) {
             nibble::grammar_parser parser(k.arguments);
             return k.name == call.name && parser.accept(value->text()) && parser.may_end();
           });
  }

 private:
  struct known {
    std::string name;
    nibble::grammar arguments;
  };
  std::vector<known> known_;
};

nlohmann::ordered_json ask(nibble::session& session, const nibble::json& tools, nibble::tool_choice choice) {
  const call_check check(tools);
  std::size_t calls = 0, right = 0, answers = 0, called = 0, cut = 0;
  double seconds = 0;
  for (std::size_t i = 0; i < questions.size(); ++i) {
    const std::vector<nibble::chat_message> talk{{"user", questions[i]}};
    auto reply = session.chat(talk, {.tools = tools, .tool_choice = choice},
                              {.max_tokens = 200, .sampler = nibble::temperature{0.8f}, .seed = i, .show_special = true});
    nibble::chat_parser parser = reply.parser();
    for (const auto& event : reply) parser.feed(event.text);
    parser.finish();
    seconds += std::chrono::duration<double>(reply.stats().prompt_time + reply.stats().generation_time).count();
    bool all = !parser.answer().calls.empty();
    for (const nibble::tool_call& call : parser.answer().calls) {
      const bool fits = check.fits(call);
      ++calls, right += fits, all = all && fits;
    }
    called += !parser.answer().calls.empty(), answers += all, cut += reply.reason() == nibble::finish::max_tokens;
  }
  return {{"questions", questions.size()},
          {"answers_with_calls", called},
          {"answers_right", answers},
          {"calls", calls},
          {"calls_right", right},
          {"cut_off", cut},
          {"seconds", seconds}};
}

double speed_of(nibble::session& session, const nibble::any_sampler& sampler, std::size_t tokens) {
  session.reset();
  auto reply = session.generate("Persons as JSON: ", {.max_tokens = tokens, .sampler = sampler, .seed = 1});
  for (const auto& event : reply) static_cast<void>(event);
  return reply.stats().generation_speed();
}

/// Tokens a second under a schema that goes on for long, and without; the best of some pairs.
nlohmann::ordered_json cost(nibble::session& session, std::size_t tokens, std::size_t repeat) {
  const auto words = std::make_shared<const nibble::token_trie>(session.tokenizer());
  const nibble::grammar_constraint schema(
      nibble::grammar::from_schema(
          R"({"type": "array", "minItems": 100, "items": {"type": "object", "properties": {"name": {"type": "string"}, "age":
          {"type": "integer", "minimum": 0, "maximum": 150}, "likes": {"type": "array", "items": {"type": "string", "maxLength": 20}}},
          "required": ["name", "age", "likes"], "additionalProperties": false}})"),
      words);
  double free = 0, constrained = 0;
  for (std::size_t i = 0; i < repeat; ++i) {
    free = std::max(free, speed_of(session, nibble::any_sampler(nibble::temperature{0.8f}), tokens));
    constrained = std::max(constrained, speed_of(session, schema | nibble::temperature{0.8f}, tokens));
  }
  return {{"tokens", tokens}, {"free_tokens_per_s", free}, {"schema_tokens_per_s", constrained}, {"ratio", constrained / free}};
}

}  // namespace

void tools(const arguments& a) {
  const auto model = nibble::any_model::load(a.model, {.threads = a.threads});
  nibble::session session(model, {.context = 2048});
  nlohmann::ordered_json out = identity(a);
  if (a.quick) {
    out["decode"] = cost(session, a.generate, a.repeat);
  } else {
    const nibble::json tools = nibble::json::parse(two_tools);
    out["format"] = model.chat_form()->answers().calls ? std::string(model.chat_form()->answers().calls->name) : "none";
    out["unconstrained"] = ask(session, tools, nibble::tool_choice::unconstrained);
    out["automatic"] = ask(session, tools, nibble::tool_choice::automatic);
    out["required"] = ask(session, tools, nibble::tool_choice::required);
  }
  std::cout << out << '\n';
}

}  // namespace bench
