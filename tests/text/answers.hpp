/// Answers read in pieces of any size, and one of each format.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/text/answer/formats.hpp"
#include "nibble/text/answer/parser.hpp"
#include "nibble/text/json.hpp"
#include "nibble/text/utf8.hpp"

namespace nibble {
inline bool operator==(const tool_call& a, const tool_call& b) {
  return a.id == b.id && a.name == b.name && a.arguments == b.arguments && a.complete == b.complete;
}
inline bool operator==(const chat_answer& a, const chat_answer& b) {
  return a.text == b.text && a.reasoning == b.reasoning && a.calls == b.calls;
}
}  // namespace nibble

namespace nibble_test {
using nibble::answer_part;
using nibble::answer_syntax;
using nibble::chat_answer;
using nibble::chat_parser;
using nibble::tool_call;

inline const nibble::json some_tools = nibble::json::parse(R"([{"name": "look"}, {"name": "stop"}])");

/// Calls whose marks may stand in any text are only those of tools.
inline const nibble::json& tools_of(const answer_syntax& syntax) {
  static const nibble::json none;
  return syntax.calls && (syntax.calls->whole || syntax.calls->plain_marks) ? some_tools : none;
}

/// Reads in pieces of `size` bytes, and adds up what the deltas say, which has to be what answer() says.
inline chat_answer read_in_pieces(const answer_syntax& syntax, std::string_view text, std::size_t size,
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

inline chat_answer read(const answer_syntax& syntax, std::string_view text, std::string_view prompt_end = {}) {
  const chat_answer whole = read_in_pieces(syntax, text, text.size() + 1, prompt_end);
  for (const std::size_t size : std::initializer_list<std::size_t>{1, 2, 3, 7, 20}) {
    CAPTURE(size);
    const bool same = read_in_pieces(syntax, text, size, prompt_end) == whole;
    CHECK(same);
  }
  return whole;
}
inline chat_answer read(std::string_view format, std::string_view text, std::string_view prompt_end = {}) {
  return read(answer_syntax::named(format), text, prompt_end);
}

/// What each call says, one a line.
inline std::string calls_of(const chat_answer& answer) {
  std::string out;
  for (const tool_call& call : answer.calls) out += call.name + " " + call.arguments + (call.complete ? "\n" : " ...\n");
  return out;
}

/// An answer with two calls behind a text, as each format writes them.
struct example {
  std::string_view format, written;
};
inline const std::string expected_calls = "look {\"where\":\"a <b> \\\"c\\\"\",\"deep\":[1,true,{\"x\":null}]}\nstop {}\n";

inline const std::vector<example> examples{
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

}  // namespace nibble_test
