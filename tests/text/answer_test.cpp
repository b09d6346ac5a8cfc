/// Answers taken apart: whole, in pieces of any size, and hostile.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/text/answer/formats.hpp"
#include "nibble/text/answer/parser.hpp"
#include "nibble/text/json.hpp"
#include "nibble/text/utf8.hpp"

using nibble::answer_part;
using nibble::answer_syntax;
using nibble::chat_answer;
using nibble::chat_parser;
using nibble::tool_call;

namespace nibble {
static bool operator==(const tool_call& a, const tool_call& b) {
  return a.id == b.id && a.name == b.name && a.arguments == b.arguments && a.complete == b.complete;
}
static bool operator==(const chat_answer& a, const chat_answer& b) {
  return a.text == b.text && a.reasoning == b.reasoning && a.calls == b.calls;
}
}  // namespace nibble

namespace {
const nibble::json some_tools = nibble::json::parse(R"([{"name": "look"}, {"name": "stop"}])");

/// Calls whose marks may stand in any text are only those of tools.
const nibble::json& tools_of(const answer_syntax& syntax) {
  static const nibble::json none;
  return syntax.calls && (syntax.calls->whole || syntax.calls->plain_marks) ? some_tools : none;
}

/// Reads in pieces of `size` bytes, and adds up what the deltas say, which has to be what answer() says.
chat_answer read_in_pieces(const answer_syntax& syntax, std::string_view text, std::size_t size,
                           std::string_view prompt_end = {}) {
  chat_parser parser(syntax, prompt_end, tools_of(syntax));
  chat_answer sum;
  std::size_t open = 0;
  const auto add = [&](std::span<const nibble::answer_delta> deltas) {
    for (const nibble::answer_delta& d : deltas) {
      CHECK(nibble::is_utf8(d.text));
      if (d.part == answer_part::text) sum.text += d.text;
      if (d.part == answer_part::reasoning) sum.reasoning += d.text;
      if (d.part == answer_part::call) {
        CHECK(open == 0);
        CHECK(d.call == sum.calls.size());
        sum.calls.push_back({{}, std::string(d.text), {}, false});
        ++open;
      }
      if (d.part == answer_part::arguments) {
        REQUIRE(d.call + 1 == sum.calls.size());
        sum.calls.back().arguments += d.text;
      }
      if (d.part == answer_part::call_end) {
        CHECK(open == 1);
        open = 0;
        sum.calls.back().id = parser.answer().calls[d.call].id;
        sum.calls.back().complete = parser.answer().calls[d.call].complete;
      }
    }
  };
  for (std::size_t at = 0; at < text.size(); at += size) add(parser.feed(text.substr(at, size)));
  add(parser.finish());
  CHECK(open == 0);
  CHECK(sum == parser.answer());
  CHECK(parser.finish().empty());
  return sum;
}

chat_answer read(const answer_syntax& syntax, std::string_view text, std::string_view prompt_end = {}) {
  const chat_answer whole = read_in_pieces(syntax, text, text.size() + 1, prompt_end);
  for (const std::size_t size : {1, 2, 3, 7, 20}) {
    CAPTURE(size);
    const bool same = read_in_pieces(syntax, text, size, prompt_end) == whole;
    CHECK(same);
  }
  return whole;
}
chat_answer read(std::string_view format, std::string_view text, std::string_view prompt_end = {}) {
  return read(answer_syntax::named(format), text, prompt_end);
}

/// What each call says, one a line.
std::string calls_of(const chat_answer& answer) {
  std::string out;
  for (const tool_call& call : answer.calls) out += call.name + " " + call.arguments + (call.complete ? "\n" : " ...\n");
  return out;
}

/// An answer with two calls behind a text, as each format writes them.
struct example {
  std::string_view format, written;
};
const std::string expected_calls = "look {\"where\":\"a <b> \\\"c\\\"\",\"deep\":[1,true,{\"x\":null}]}\nstop {}\n";

const std::vector<example> examples{
    {"hermes",
     "Sure.\n<tool_call>\n{\"name\": \"look\", \"arguments\": {\"where\":\"a <b> "
     "\\\"c\\\"\",\"deep\":[1,true,{\"x\":null}]}}\n</tool_call>\n"
     "<tool_call>\n{\"name\": \"stop\", \"arguments\": {}}\n</tool_call>"},
    {"llama-3",
     "{\"name\": \"look\", \"parameters\": {\"where\":\"a <b> \\\"c\\\"\",\"deep\":[1,true,{\"x\":null}]}}; {\"name\": "
     "\"stop\", "
     "\"parameters\": {}}"},
    {"mistral-nemo",
     "Sure.[TOOL_CALLS][{\"arguments\": {\"where\":\"a <b> \\\"c\\\"\",\"deep\":[1,true,{\"x\":null}]}, \"name\": \"look\", "
     "\"id\": "
     "\"abcdefghi\"}, {\"name\": \"stop\", \"arguments\": {}}]"},
    {"devstral",
     "Sure.[TOOL_CALLS]look[ARGS]{\"where\":\"a <b> "
     "\\\"c\\\"\",\"deep\":[1,true,{\"x\":null}]}[TOOL_CALLS]stop[CALL_ID]x[ARGS]{}"},
    {"apriel",
     "Sure.\n<tool_calls>[{\"name\": \"look\", \"arguments\": {\"where\":\"a <b> \\\"c\\\"\",\"deep\":[1,true,{\"x\":null}]}, "
     "\"id\": \"1\"}, "
     "{\"name\": \"stop\", \"arguments\": {}, \"id\": \"2\"}]</tool_calls>"},
    {"nemotron-v2",
     "Sure.<TOOLCALL>[{\"name\": \"look\", \"arguments\": {\"where\":\"a <b> \\\"c\\\"\",\"deep\":[1,true,{\"x\":null}]}}, "
     "{\"name\": "
     "\"stop\", \"arguments\": {}}]</TOOLCALL>"},
    {"phi-4-mini",
     "Sure.<|tool_call|>[{\"name\": \"look\", \"arguments\": {\"where\":\"a <b> \\\"c\\\"\",\"deep\":[1,true,{\"x\":null}]}}, "
     "{\"name\": "
     "\"stop\", \"arguments\": {}}]<|/tool_call|>"},
    {"granite-3",
     "Sure.<|tool_call|>[{\"name\": \"look\", \"arguments\": {\"where\":\"a <b> \\\"c\\\"\",\"deep\":[1,true,{\"x\":null}]}}, "
     "{\"name\": "
     "\"stop\", \"arguments\": {}}]"},
    {"firefunction-v2",
     "Sure. functools[{\"name\": \"look\", \"arguments\": {\"where\":\"a <b> \\\"c\\\"\",\"deep\":[1,true,{\"x\":null}]}}, "
     "{\"name\": "
     "\"stop\", \"arguments\": {}}]"},
    {"command-r7b",
     "Sure.<|START_ACTION|>[{\"tool_call_id\": \"0\", \"tool_name\": \"look\", \"parameters\": {\"where\":\"a <b> "
     "\\\"c\\\"\",\"deep\":[1,true,{\"x\":null}]}}, {\"tool_call_id\": \"1\", \"tool_name\": \"stop\", \"parameters\": "
     "{}}]<|END_ACTION|>"},
    {"apertus",
     "Sure.<|tools_prefix|>[{\"look\": {\"where\":\"a <b> \\\"c\\\"\",\"deep\":[1,true,{\"x\":null}]}}, {\"stop\": "
     "{}}]<|tools_suffix|>"},
    {"gigachat-3.1",
     "Sure.<|function_call|>{\"name\": \"look\", \"arguments\": {\"where\":\"a <b> "
     "\\\"c\\\"\",\"deep\":[1,true,{\"x\":null}]}}\n"
     "{\"name\": \"stop\", \"arguments\": {}}"},
    {"gigachat-3",
     "Sure.<|message_sep|>\n\nfunction call<|role_sep|>\n{\"name\": \"look\", \"arguments\": {\"where\":\"a <b> "
     "\\\"c\\\"\",\"deep\":[1,true,{\"x\":null}]}}<|message_sep|>\n\nfunction call<|role_sep|>\n{\"name\": \"stop\", "
     "\"arguments\": {}}"},
    {"functionary-v3.1",
     "Sure.<function=look>{\"where\":\"a <b> "
     "\\\"c\\\"\",\"deep\":[1,true,{\"x\":null}]}</function><function=stop>{}</function>"},
    {"functionary-v3.2", ">>>all\nSure.>>>look\n{\"where\":\"a <b> \\\"c\\\"\",\"deep\":[1,true,{\"x\":null}]}>>>stop\n{}"},
    {"deepseek-v3.1",
     "Sure.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>look<｜tool▁sep｜>{\"where\":\"a <b> "
     "\\\"c\\\"\",\"deep\":[1,true,{\"x\":null}]}"
     "<｜tool▁call▁end｜><｜tool▁call▁begin｜>stop<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>"},
    {"deepseek-r1",
     "Sure.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>look\n```json\n{\"where\":\"a <b> "
     "\\\"c\\\"\",\"deep\":[1,true,{\"x\":null}]}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>stop\n```"
     "json\n{}\n```"
     "<｜tool▁call▁end｜><｜tool▁calls▁end｜>"},
    {"kimi-k2",
     "Sure.<|tool_calls_section_begin|><|tool_call_begin|>functions.look:0<|tool_call_argument_begin|>{\"where\":\"a <b> "
     "\\\"c\\\"\",\"deep\":[1,true,{\"x\":null}]}<|tool_call_end|><|tool_call_begin|>functions.stop:1<|tool_call_argument_"
     "begin|>{}"
     "<|tool_call_end|><|tool_calls_section_end|>"},
    {"solar-open",
     "<|content|>Sure.<|end|><|begin|>assistant<|tool_calls|><|tool_call:begin|>c1<|tool_call:name|>look<|tool_call:args|>{"
     "\"where\":\"a <b> "
     "\\\"c\\\"\",\"deep\":[1,true,{\"x\":null}]}<|tool_call:end|><|tool_call:begin|>c2<|tool_call:name|>stop<|tool_call:args|>"
     "{}"
     "<|tool_call:end|><|calls|>"},
    {"gpt-oss",
     "<|channel|>final<|message|>Sure.<|end|><|start|>assistant<|channel|>commentary to=functions.look "
     "<|constrain|>json<|message|>{\"where\":\"a <b> \\\"c\\\"\",\"deep\":[1,true,{\"x\":null}]}<|call|><|start|>assistant "
     "to=functions.stop"
     "<|channel|>commentary json<|message|>{}<|call|>"},
    {"qwen3-coder",
     "Sure.\n<tool_call>\n<function=look>\n<parameter=where>\na <b> "
     "\"c\"\n</parameter>\n<parameter=deep>\n[1,true,{\"x\":null}]\n"
     "</parameter>\n</function>\n</tool_call>\n<tool_call>\n<function=stop>\n</function>\n</tool_call>"},
    {"seed-oss",
     "Sure.\n<seed:tool_call>\n<function=look>\n<parameter=where>a <b> \"c\"</parameter>\n<parameter=deep>[1,true,{\"x\":null}]"
     "</parameter>\n</function>\n<function=stop>\n</function>\n</seed:tool_call>"},
    {"glm-4",
     "Sure.\n<tool_call>look\n<arg_key>where</arg_key>\n<arg_value>a <b> \"c\"</arg_value>\n<arg_key>deep</arg_key>\n"
     "<arg_value>[1,true,{\"x\":null}]</arg_value>\n</tool_call>\n<tool_call>stop\n</tool_call>"},
    {"glm-4",
     "Sure.<tool_call>look<arg_key>where</arg_key><arg_value>a <b> \"c\"</arg_value><arg_key>deep</arg_key>"
     "<arg_value>[1,true,{\"x\":null}]</arg_value></tool_call><tool_call>stop</tool_call>"},
    {"minimax-m2",
     "Sure.\n<minimax:tool_call>\n<invoke name=\"look\">\n<parameter name=\"where\">a <b> \"c\"</parameter>\n<parameter "
     "name=\"deep\">[1,true,{\"x\":null}]</parameter>\n</invoke>\n<invoke name=\"stop\">\n</invoke>\n</minimax:tool_call>"},
    {"deepseek-v3.2",
     "Sure.\n\n<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"look\">\n<｜DSML｜parameter name=\"where\" string=\"true\">a "
     "<b> "
     "\"c\"</｜DSML｜parameter>\n<｜DSML｜parameter name=\"deep\" string=\"false\">[1,true,{\"x\":null}]</｜DSML｜parameter>\n"
     "</｜DSML｜invoke>\n<｜DSML｜invoke name=\"stop\">\n</｜DSML｜invoke>\n</｜DSML｜function_calls>"},
    {"gemma4",
     "Sure.<|tool_call>call:look{where:<|\"|>a <b> "
     "\"c\"<|\"|>,deep:[1,true,{x:null}]}<tool_call|><|tool_call>call:stop{}<tool_call|>"},
    {"lfm2",
     "Sure.<|tool_call_start|>[look(where=\"a <b> \\\"c\\\"\", deep=[1, True, {\"x\": None}]), stop()]<|tool_call_end|>"},
    {"minicpm",
     "Sure.<|tool_call_start|>\n```python\nlook(where='a <b> \"c\"', deep=[1, True, {'x': "
     "None,},],)\nstop()\n```\n<|tool_call_end|>"},
};
}  // namespace

TEST_CASE("each format's calls are read, whatever the pieces") {
  for (const example& e : examples) {
    CAPTURE(e.format);
    const chat_answer answer = read(e.format, e.written);
    CHECK(calls_of(answer) == expected_calls);
    CHECK(answer.text == (e.format == "llama-3" ? "" : "Sure."));
    CHECK(answer.reasoning.empty());
    for (const tool_call& call : answer.calls) CHECK(!call.id.empty());
  }
  for (const nibble::answer_format& f : nibble::answer_formats)
    CHECK_MESSAGE(std::any_of(examples.begin(), examples.end(), [&](const example& e) { return e.format == f.name; }), f.name);
}

TEST_CASE("a call that breaks off at any byte is text before it has a name, and incomplete behind it") {
  for (const example& e : examples)
    for (std::size_t size = 0; size < e.written.size(); ++size) {
      CAPTURE(e.format);
      const chat_answer answer = read_in_pieces(answer_syntax::named(e.format), e.written.substr(0, size), 5);
      CHECK(answer.calls.size() <= 2);
      for (const tool_call& call : answer.calls) {
        const bool known = call.name.size() <= 4 &&
                           (std::string_view("look").starts_with(call.name) || std::string_view("stop").starts_with(call.name));
        CHECK(known);
        if (call.complete) CHECK(nibble::json::try_parse(call.arguments));
      }
    }
}

TEST_CASE("marks that are doubled, cut out or mixed up break nothing") {
  std::uint32_t seed = 1;
  const auto random = [&](std::size_t n) { return seed = seed * 1664525u + 1013904223u, (seed >> 8) % n; };
  for (const example& e : examples)
    for (int round = 0; round < 60; ++round) {
      std::string text(e.written);
      for (int change = 0; change < 3; ++change) {
        const std::size_t from = random(text.size()), size = std::min(random(12), text.size() - from), to = random(text.size());
        const std::string part = text.substr(from, size);
        if (random(2) == 0) text.erase(from, size);
        text.insert(std::min(to, text.size()), random(3) == 0 ? "\xFF\x80\"{" : part);
        if (text.empty()) text = "<";
      }
      CAPTURE(text);
      const answer_syntax syntax = answer_syntax::named(e.format);
      const chat_answer whole = read_in_pieces(syntax, text, text.size());
      for (const std::size_t size : {1, 3, 11}) {
        const bool same = read_in_pieces(syntax, text, size) == whole;
        REQUIRE(same);
      }
      for (const tool_call& call : whole.calls)
        if (call.complete) CHECK(nibble::json::try_parse(call.arguments));
    }
}

TEST_CASE("text stays as it is where there are no marks") {
  const std::string text = "  if (a < b) {\n    <b>x</b> ;\n\n}  \n";
  for (const nibble::answer_format& f : nibble::answer_formats) CHECK(read(f.name, text).text == text);
  CHECK(read("none", text).text == text);
  CHECK(read(answer_syntax{}, text).text == text);
  CHECK(read(answer_syntax{}, "<think>a</think>").text == "<think>a</think>");
}

TEST_CASE("reasoning stands at the beginning, and white space beside marks is dropped") {
  const chat_answer answer = read("hermes", "\n<think>\nHm, <tool_call> is a mark.\n\n</think>\n\n Yes.\n");
  CHECK(answer.reasoning == "Hm, <tool_call> is a mark.");
  CHECK(answer.text == "Yes.\n");
  CHECK(answer.calls.empty());
  CHECK(read("hermes", "I write <think> here.").text == "I write <think> here.");
  CHECK(read("hermes", "<think>").text.empty());
  CHECK(read("hermes", "<think>no end \n").reasoning == "no end \n");
  CHECK(read("hermes", "Hm.</think>Yes.", "<|im_start|>assistant\n<think>\n").reasoning == "Hm.");
  CHECK(read("hermes", "<think>Hm.</think>Yes.", "<think>\n").reasoning == "Hm.");
  CHECK(read("hermes", "</think>Yes.").text == "Yes.");
  CHECK(read("hermes", "\n\nYes.", "<think>\n\n</think>").text == "Yes.");
  CHECK(read("gemma4", "<|channel>thought\nHm.<channel|>Yes.").reasoning == "Hm.");
  CHECK(read("seed-oss", "<seed:think>Hm.</seed:think>Yes.").reasoning == "Hm.");
  const chat_answer twice = read("hermes", "<think>a</think><tool_call>{\"name\": \"f\"}</tool_call><think>b</think>c");
  CHECK(twice.reasoning == "ab");
  CHECK(twice.text == "c");
}

TEST_CASE("channels: what is thought, said and called") {
  const chat_answer answer =
      read("gpt-oss",
           "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary<|message|>I look."
           "<|end|><|start|>assistant<|channel|>analysis<|message|> More.<|end|>");
  CHECK(answer.reasoning == "Hm.More.");
  CHECK(answer.text == "I look.");
  CHECK(read("gpt-oss", "<|channel|>final<|message|>Hi<|return|>").text == "Hi");
  CHECK(read("gpt-oss", "<|channel|>final <|constrain|>json<|message|>{}<|return|>").text == "{}");
}

TEST_CASE("channels: calls in each place where their receiver may stand, at the beginning too, and of the model's own tools") {
  const std::string_view prompt = "<|end|><|start|>assistant";
  const auto of = [&](std::string_view said) {
    const chat_answer answer = read("gpt-oss", said, prompt);
    return answer.text + '|' + answer.reasoning + '|' + calls_of(answer);
  };
  CHECK(of(" to=functions.look<|channel|>commentary json<|message|>{\"a\":1}<|call|>") == "||look {\"a\":1}\n");
  CHECK(of("<|channel|>analysis to=functions.look <|constrain|>json<|message|>{}<|call|>") == "||look {}\n");
  CHECK(of("<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>analysis to=python code<|message|>print(1)"
           "<|call|>") == "|Hm.|python {\"code\":\"print(1)\"}\n");
  CHECK(of(" to=browser.search<|channel|>analysis code<|message|>{\"query\":\"x\"}<|call|>") ==
        "||browser.search {\"query\":\"x\"}\n");
  CHECK(of("<|channel|>commentary to=functions.python<|message|>{\"x\":1}<|call|>") == "||python {\"x\":1}\n");
  CHECK(of("<|channel|>final<|message|>Hi") == "Hi||");
  CHECK(of("Hi") == "Hi||");
  CHECK(read("gpt-oss", " to=functions.look").text == " to=functions.look");
}

TEST_CASE("what is no call is text") {
  CHECK(read("hermes", "Use <tool_call> for that.").text == "Use <tool_call> for that.");
  CHECK(read("hermes", "Use\n<tool_call>\n{\"nam\": 1}\n</tool_call>").text.starts_with("Use\n<tool_call>\n{\"nam\": 1}"));
  CHECK(read("llama-3", "{\"a\": [1, 2]}").text == "{\"a\": [1, 2]}");
  CHECK(read("llama-3", "{ \"name\": \"look\" } is an object").calls.size() == 1);
  for (const std::string_view said :
       {"{\"name\": \"Ada\", \"age\": 36}", "{\"name\": \"Ada\", \"parameters\": {}} is one", "<function=Ada>{}</function>"}) {
    CHECK(read("llama-3", said).text == said);
    CHECK(read("functionary-v3.1", said).text == said);
  }
  CHECK(read("functionary-v3.2", "all\nType\n>>> print(1)\n1", ">>>").text == "Type\n>>> print(1)\n1");
  CHECK(calls_of(read("functionary-v3.2", "python\nprint(1)\n>>> 2", ">>>")) == "python {\"code\":\"print(1)\\n>>> 2\"} ...\n");
  CHECK(calls_of(read("functionary-v3.1", "So.<|python_tag|>{1}\nprint(\"</function>\")")) ==
        "python {\"code\":\"{1}\\nprint(\\\"</function>\\\")\"} ...\n");
  CHECK(calls_of(read("functionary-v3.2", "python\n{\"code\": 1}", ">>>")) == "python {\"code\": 1} ...\n");
  CHECK(read("llama-3", "See {\"name\": \"f\", \"parameters\": {}}").calls.empty());
  CHECK(read("functionary-v3.2", "Hello", ">>>").text == "Hello");
  CHECK(read("functionary-v3.2", "all\nHello", "<|end_header_id|>\n\n>>>").text == "Hello");
  CHECK(calls_of(read("functionary-v3.2", "look\n{}", ">>>")) == "look {}\n");
  CHECK(read("lfm2", "<|tool_call_start|>[it's]<|tool_call_end|>").text == "<|tool_call_start|>[it's]<|tool_call_end|>");
  CHECK(read("gemma4", "<|tool_call>call:{}<tool_call|>").calls.empty());
  CHECK(read("qwen3-coder", "<tool_call>" + std::string(5000, 'x')).calls.empty());
  CHECK(read("qwen3-coder", "<tool_call><function=" + std::string(5000, 'x')).calls.empty());
}

TEST_CASE("without tools an answer that looks like a call without marks is text, as it comes") {
  const std::string said = "{\"name\": \"look\", \"parameters\": {\"far\": 1}}";
  for (const char* format : {"llama-3", "functionary-v3.1", "functionary-v3.2"}) {
    chat_parser parser(answer_syntax::named(format));
    std::string text;
    for (const char c : said) {
      for (const nibble::answer_delta& d : parser.feed({&c, 1})) text += d.text;
      CHECK(text.size() == parser.answer().text.size());
    }
    CHECK(text == said);
  }
  chat_parser plain(answer_syntax::named("llama-3"));
  CHECK(plain.feed("{\"na").size() == 1);  // it does not wait for a name
  chat_parser parser(answer_syntax::named("llama-3"), {}, some_tools);
  CHECK(parser.feed("{\"name\": \"Ada\", ").size() == 1);  // it waits no longer than for the name
}

TEST_CASE("a call of a tool that there is not is never complete") {
  for (const example& e : examples) {
    CAPTURE(e.format);
    const auto syntax = answer_syntax::named(e.format);
    chat_parser parser(syntax, {}, nibble::json::parse(R"([{"type": "function", "function": {"name": "stop"}}])"));
    parser.feed(e.written), parser.finish();
    for (const tool_call& call : parser.answer().calls) CHECK(call.complete == (call.name == "stop"));
    if (syntax.calls->whole || syntax.calls->plain_marks) continue;
    CHECK(parser.answer().calls.size() == 2);
  }
}

TEST_CASE("a call whose outer mark was left out is one, if there is such a tool") {
  const std::string call = "<function=look>\n<parameter=where>\nup\n</parameter>\n</function>\n";
  for (const std::string_view end : {"", "</tool_call>", "<function=stop>\n</function>\n</tool_call>"}) {
    chat_parser parser(answer_syntax::named("qwen3-coder"), {}, some_tools);
    parser.feed("So.\n" + call + std::string(end)), parser.finish();
    CHECK(parser.answer().text == "So.");
    CHECK(calls_of(parser.answer()).starts_with("look {\"where\":\"up\"}\n"));
    CHECK(parser.answer().calls.size() == (end.starts_with("<f") ? 2u : 1u));
  }
  const std::string other = "Write <function=name> so.";
  CHECK(read("qwen3-coder", other).text == other);
  chat_parser parser(answer_syntax::named("qwen3-coder"), {}, some_tools);
  parser.feed(other), parser.finish();
  CHECK(parser.answer().text == other);
}

TEST_CASE("arguments that are no object make a call incomplete; a string with an object in it is that") {
  const auto of = [](std::string arguments) {
    return calls_of(read("hermes", "<tool_call>{\"name\": \"f\", \"arguments\": " + arguments + "}</tool_call>"));
  };
  CHECK(of("\"{\\\"a\\\": \\\"\\u00fc\\\"}\"") == "f {\"a\": \"\u00fc\"}\n");
  CHECK(of("[1]") == "f [1] ...\n");
  CHECK(of("12") == "f 12 ...\n");
  CHECK(of("\"x\"") == "f \"x\" ...\n");
  CHECK(of("{\"a\": 01}") == "f {\"a\": 0 ...\n");
  CHECK(calls_of(read("functionary-v3.1", "<function=look>\"{\\\"a\\\":1}\"</function>")) == "look {\"a\":1}\n");
  CHECK(calls_of(read("functionary-v3.1", "<function=look>[]</function>")) == "look [] ...\n");
  CHECK(calls_of(read("hermes", "<tool_call>{\"arguments\": {\"a\": 1}, \"id\": 7, \"name\": \"f\"}</tool_call>")) ==
        "f {\"a\": 1}\n");
  CHECK(calls_of(read("hermes", "<tool_call>{\"name\": \"f\", \"parameters\": {}}</tool_call>")) == "f {}\n");
  CHECK(calls_of(read("hermes", "<tool_call>{\"name\": \"f\"}</tool_call>")) == "f {}\n");
}

TEST_CASE("parameters are texts, unless they are JSON") {
  const auto of = [](std::string value) {
    const auto answer =
        read("qwen3-coder", "<tool_call><function=f><parameter=x>\n" + value + "\n</parameter></function></tool_call>");
    return answer.calls.empty() ? std::string() : answer.calls[0].arguments;
  };
  CHECK(of("12") == "{\"x\":12}");
  CHECK(of("1e5") == "{\"x\":1e5}");
  CHECK(of("True") == "{\"x\":true}");
  CHECK(of("None") == "{\"x\":null}");
  CHECK(of("01") == "{\"x\":\"01\"}");
  CHECK(of("1,2") == "{\"x\":\"1,2\"}");
  CHECK(of("\"a\"") == "{\"x\":\"\\\"a\\\"\"}");
  CHECK(of("{\"a\": 1}") == "{\"x\":{\"a\": 1}}");
  CHECK(of("{a: 1}") == "{\"x\":\"{a: 1}\"}");
  CHECK(of("  two\n\nlines") == "{\"x\":\"  two\\n\\nlines\"}");
  CHECK(of("") == "{\"x\":\"\"}");
  const auto typed =
      read("deepseek-v3.2",
           "<｜DSML｜function_calls><｜DSML｜invoke name=\"f\"><｜DSML｜parameter name=\"a\" string=\"true\">12"
           "</｜DSML｜parameter><｜DSML｜parameter name=\"b\" string=\"false\">12</｜DSML｜parameter></｜DSML｜invoke>"
           "</｜DSML｜function_calls>");
  CHECK(calls_of(typed) == "f {\"a\":\"12\",\"b\":12}\n");
}

TEST_CASE("a parameter that the tool's schema calls a string is one") {
  const auto tools = nibble::json::parse(
      R"([{"type": "function", "function": {"name": "f", "parameters": {"properties": {"x": {"type": "string"}, "n": {"type": "integer"}}}}},
          {"name": "g", "parameters": {"properties": {"y": {"type": "string"}}}}, {"name": 1}, 7])");
  chat_parser parser(answer_syntax::named("glm-4"), {}, tools);
  parser.feed(
      "<tool_call>f<arg_key>x</arg_key><arg_value>12</arg_value><arg_key>n</arg_key><arg_value>12</arg_value></tool_call>");
  parser.feed(
      "<tool_call>g<arg_key>y</arg_key><arg_value>true</arg_value><arg_key>x</arg_key><arg_value>1</arg_value></tool_call>");
  parser.finish();
  CHECK(calls_of(parser.answer()) == "f {\"x\":\"12\",\"n\":12}\ng {\"y\":\"true\",\"x\":1}\n");
}

TEST_CASE("a parameter that may be something else than a text is JSON, texts in quotes included") {
  const auto tools = nibble::json::parse(
      R"([{"name": "f", "parameters": {"$defs": {"s": {"type": "string"}}, "properties": {
          "choice": {"enum": ["celsius", 1]}, "words": {"enum": ["1", "a"]}, "either": {"type": ["string", "null"]},
          "optional": {"anyOf": [{"type": "string"}, {"type": "null"}]}, "referred": {"$ref": "#/$defs/s"}, "any": {}}}}])");
  const auto of = [&](std::string_view format, std::string_view key, std::string_view value) {
    const bool typed = format == "deepseek-v3.2";
    std::string said = "<tool_call><function=f>\n<parameter=" + std::string(key) + ">\n" + std::string(value) +
                       "\n</parameter>\n</function>\n</tool_call>";
    if (typed)
      said = "<｜DSML｜function_calls><｜DSML｜invoke name=\"f\"><｜DSML｜parameter name=\"" + std::string(key) +
             "\" string=\"false\">" + std::string(value) + "</｜DSML｜parameter></｜DSML｜invoke></｜DSML｜function_calls>";
    chat_parser parser(answer_syntax::named(format), {}, typed ? nibble::json() : tools);
    parser.feed(said), parser.finish();
    REQUIRE(parser.answer().calls.size() == 1);
    const auto arguments = nibble::json::try_parse(parser.answer().calls[0].arguments);
    REQUIRE(arguments);
    return arguments->find(key)->text();
  };
  for (const char* key : {"choice", "either", "optional", "any"}) {
    CAPTURE(key);
    CHECK(of("qwen3-coder", key, "\"celsius\"") == "\"celsius\"");
    CHECK(of("qwen3-coder", key, "celsius") == "\"celsius\"");
    CHECK(of("qwen3-coder", key, "None") == "null");
  }
  for (const char* key : {"words", "referred"}) {
    CAPTURE(key);
    CHECK(of("qwen3-coder", key, "1") == "\"1\"");
    CHECK(of("qwen3-coder", key, "\"a\"") == R"("\"a\"")");
  }
  CHECK(of("qwen3-coder", "unknown", "\"a\"") == R"("\"a\"")");
  CHECK(of("deepseek-v3.2", "either", "\"a\"") == "\"a\"");
}

TEST_CASE("ids are the model's, or numbered") {
  CHECK(read("kimi-k2", "<|tool_calls_section_begin|><|tool_call_begin|>functions.a.b:3<|tool_call_argument_begin|>{}")
            .calls[0]
            .id == "functions.a.b:3");
  CHECK(read("kimi-k2", "<|tool_calls_section_begin|><|tool_call_begin|>functions.a.b:3<|tool_call_argument_begin|>{}")
            .calls[0]
            .name == "a.b");
  CHECK(read("mistral-nemo", "[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {}, \"id\": \"abc\"}]").calls[0].id == "abc");
  CHECK(read("devstral", "[TOOL_CALLS]f[CALL_ID]xyz[ARGS]{}").calls[0].id == "xyz");
  CHECK(read("solar-open", "<|tool_calls|><|tool_call:begin|>c9<|tool_call:name|>f<|tool_call:args|>{}").calls[0].id == "c9");
  CHECK(read("hermes", "<tool_call>{\"name\": \"f\"}</tool_call><tool_call>{\"name\": \"g\"}</tool_call>").calls[1].id ==
        "call_2");
}

TEST_CASE("calls in Python: literals of all kinds") {
  const auto of = [](std::string_view call) {
    return calls_of(read("lfm2", "<|tool_call_start|>[" + std::string(call) + "]<|tool_call_end|>"));
  };
  CHECK(of("f(a='it\\'s', b=\"\\x41\\u00fc\\n\", c=(1, -2.5,), d={'k': [True]})") ==
        "f {\"a\":\"it's\",\"b\":\"A\u00fc\\n\",\"c\":[1,-2.5],\"d\":{\"k\":[true]}}\n");
  CHECK(of("f(a=\"1\\/2\", b=\"\\ud83d\\ude00\", c='\\ud83d', d='\\ud83d\\u0041', e='\\U0001F600\\x4')") ==
        "f {\"a\":\"1/2\",\"b\":\"\U0001F600\",\"c\":\"\\\\ud83d\",\"d\":\"\\\\ud83dA\",\"e\":\"\U0001F600\\\\x4\"}\n");
  CHECK(of("f(a=[1 2])").empty());
  CHECK(of("f(a=[[] []])").empty());
  CHECK(of("f(a=1 b=2)").empty());
  CHECK(of("f(a='x' 'y')").empty());
  CHECK(of("f(a=1 , b=2,)") == "f {\"a\":1,\"b\":2}\n");
  CHECK(of("a.b.c()") == "a.b.c {}\n");
  CHECK(of("f(x=g)") == "f {\"x\":g} ...\n");
  CHECK(of("f(1)").empty());
  CHECK(of("f(a=[1)").empty());
  CHECK(of("f(a={'b': [1}])").empty());
  CHECK(of("f(a=" + std::string(1000, '[') + ")").empty());
}

TEST_CASE("behind Llama's mark of Python stand a call as JSON, one in Python's way, or code") {
  const auto syntax = answer_syntax::of("<|python_tag|> ipython");
  const auto read = [&](std::string_view said, std::size_t size) {
    nibble::chat_parser parser(syntax);
    for (std::size_t i = 0; i < said.size(); i += size) parser.feed(said.substr(i, size));
    parser.finish();
    return parser.answer();
  };
  struct row {
    std::string_view said, name, arguments;
  };
  const row rows[] = {
      {"<|python_tag|>{\"name\": \"look\", \"parameters\": {\"a\": 1}}", "look", "{\"a\": 1}"},
      {"<|python_tag|>brave_search.call(query=\"bees\", most=3)", "brave_search", "{\"query\":\"bees\",\"most\":3}"},
      {"<|python_tag|>print(\"a\")\nprint(f(x))", "code_interpreter", "{\"code\":\"print(\\\"a\\\")\\nprint(f(x))\"}"},
      {"<|python_tag|>look.call(", "code_interpreter", "{\"code\":\"look.call(\"}"},
  };
  for (const row& r : rows) {
    CAPTURE(r.said);
    for (const std::size_t size : {std::size_t{1}, std::size_t{7}, r.said.size()}) {
      const nibble::chat_answer answer = read(r.said, size);
      REQUIRE(answer.calls.size() == 1);
      CHECK(answer.calls[0].name == r.name);
      CHECK(answer.calls[0].arguments == r.arguments);
      CHECK(answer.calls[0].complete);
      CHECK(answer.text == "");
    }
  }
  CHECK(read("I say <|python_tag|>x = 1", 3).text == "I say");
  CHECK(read("<|python_tag|>", 3).calls.empty());
  chat_parser parser(syntax, {}, some_tools);
  parser.feed("<|python_tag|>x = 1"), parser.finish();
  REQUIRE(parser.answer().calls.size() == 1);
  CHECK_FALSE(parser.answer().calls[0].complete);
}

TEST_CASE("a call whose name or key is too long ends behind a whole character") {
  std::string text = "<tool_call>look<arg_key>";
  for (int i = 0; i < 300; ++i) text += "\xEF\xBF\xBD";
  for (const std::size_t size : {text.size(), std::size_t{1}}) {
    chat_parser parser(answer_syntax::named("glm-4"));
    for (std::size_t at = 0; at < text.size(); at += size) {
      for (const nibble::answer_delta& d : parser.feed(std::string_view(text).substr(at, size))) CHECK(nibble::is_utf8(d.text));
    }
    for (const nibble::answer_delta& d : parser.finish()) CHECK(nibble::is_utf8(d.text));
    CHECK(nibble::is_utf8(parser.answer().text));
  }
}

TEST_CASE("a long hostile answer takes time in proportion") {
  for (const char* part : {"<tool_call>", "<", "<tool_call>{\"name\":", "\xF0\x9F", "{", "<|tool_call>call:f{", "<function=f>{",
                           "[TOOL_CALLS]["}) {
    std::string text;
    while (text.size() < 300'000) text += part;
    for (const nibble::answer_format& f : nibble::answer_formats)
      static_cast<void>(read_in_pieces(answer_syntax::named(f.name), text, 4096));
  }
}

TEST_CASE("a scanner of JSON takes what is JSON and nothing else") {
  using nibble::detail::is_json;
  for (const char* good :
       {"1", "-0.5e+10", " true ", "null", "\"a\\u00e9\\n\"", "[]", "{}", "[1,[2,{\"a\":[]}]]", "{\"a\":{},\"b\":-1}"})
    CHECK(is_json(good));
  for (const char* bad :
       {"",     " ",       "01",         "1.",    ".5",  "+1",  "1e", "tru", "truee", "\"a", "\"\\x\"", "\"\\u12g4\"",
        "[1,]", "{\"a\"}", "{\"a\":1,}", "{a:1}", "1 2", "[1}", "]",  "1]",  "\"\n\""})
    CHECK_FALSE(is_json(bad));
  CHECK(nibble::detail::is_json_object("{\"a\": 1}"));
  CHECK_FALSE(nibble::detail::is_json_object("{\"a\": 1} "));
  CHECK_FALSE(nibble::detail::is_json_object("[]"));
  CHECK(is_json(std::string(200, '[') + std::string(200, ']')));
  CHECK_FALSE(is_json(std::string(300, '[') + std::string(300, ']')));
}
