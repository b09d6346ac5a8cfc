/// Replies that call tools: what their grammar writes is read as calls that fit, and what templates write is what it allows.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/core/rng.hpp"
#include "nibble/gguf/metadata.hpp"
#include "nibble/grammar/grammar.hpp"
#include "nibble/grammar/matcher.hpp"
#include "nibble/grammar/tools.hpp"
#include "nibble/text/answer/arguments.hpp"
#include "nibble/text/answer/formats.hpp"
#include "nibble/text/answer/parser.hpp"
#include "nibble/text/chat.hpp"
#include "support/files.hpp"
#include "text/vocabularies.hpp"

using nibble::answer_syntax;
using nibble::grammar;
using nibble::json;
using nibble::tool_choice;

namespace {

/// Letters, and the control tokens that are named; the last one of these ends replies.
nibble::tokenizer letters_and(const std::vector<std::string>& controls) {
  std::vector<std::string> tokens;
  for (char c = '!'; c <= '~'; ++c) tokens.push_back({c});
  tokens.push_back("\u0120"), tokens.push_back("\u010A");  // a space and a line's end
  std::vector<std::int32_t> types(tokens.size(), 1);
  for (const std::string& c : controls) tokens.push_back(c), types.push_back(3);
  nibble::metadata meta;
  meta.set("tokenizer.ggml.model", nibble::value(std::string("gpt2")));
  meta.set("tokenizer.ggml.pre", nibble::value(std::string("gpt-2")));
  meta.set("tokenizer.ggml.tokens", nibble::value(tokens));
  meta.set("tokenizer.ggml.token_type", nibble::value(types));
  meta.set("tokenizer.ggml.merges", nibble::value(std::vector<std::string>{}));
  meta.set("tokenizer.ggml.eos_token_id", nibble::value(static_cast<std::uint32_t>(tokens.size() - 1)));
  return nibble::tokenizer::load(meta);
}

const json two_tools = json::parse(R"([
  {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {
     "where": {"type": "string"}, "far": {"type": "integer", "minimum": 1, "maximum": 9}, "how": {"enum": ["well", "badly"], "type": "string"}},
     "required": ["where"]}}},
  {"type": "function", "function": {"name": "add_up", "parameters": {"type": "object", "properties": {
     "numbers": {"type": "array", "items": {"type": "number"}, "minItems": 1, "maxItems": 3}, "round": {"type": "boolean"}},
     "required": ["numbers", "round"]}}}])");

bool fits(const nibble::tool_call& call) {
  for (const json& tool : two_tools.items()) {
    const json& function = *tool.find("function");
    if (function.find("name")->string() != call.name) continue;
    json schema = *function.find("parameters");
    schema.set("additionalProperties", false);
    nibble::grammar_parser parser(grammar::from_schema(schema));
    return parser.accept(call.arguments) && parser.may_end();
  }
  return false;
}

/// A text that the grammar allows: what must come, and else at random, with a liking for some words, without which it would
/// seldom end.
std::string some_text(const grammar& g, const std::vector<std::string>& words, nibble::rng& random) {
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random.uniform() * double(n)); };
  nibble::grammar_parser parser(g);
  std::string text, forced;
  for (int tries = 0; tries < 60'000; ++tries) {
    if (parser.is_over() || (parser.may_end() && below(4) == 0)) return text;
    parser.forced_text(forced);
    if (!forced.empty()) {
      REQUIRE(parser.accept(forced));
      text += forced;
      continue;
    }
    const std::string& word = words[below(words.size())];
    const std::string next = below(2) == 0 ? word.substr(below(3) == 0 ? below(word.size() + 1) : 0)
                                           : std::string(1, static_cast<char>(below(12) == 0 ? '\n' : ' ' + below(95)));
    if (!next.empty() && parser.accept(next)) text += next;
  }
  FAIL("no end: " << text);
  return text;
}

std::vector<std::string> words_of(const nibble::answer_format& f) {
  std::vector<std::string> out = {"\"",     "}",     "]",       ",",     "\n",   "1",    "<|\"|>", "look",
                                  "add_up", "where", "numbers", "round", "true", "well", "badly",  "false"};
  for (std::string_view mark : {f.calls_begin, f.calls_end, f.call_begin, f.call_end, f.name_end, f.key_begin, f.key_end,
                                f.value_begin, f.value_end, f.id_end, f.text_name}) {
    out.emplace_back(mark);
    while (!mark.empty() && (mark.back() == '\n' || mark.back() == ' ')) mark.remove_suffix(1);
    while (!mark.empty() && (mark.front() == '\n' || mark.front() == ' ')) mark.remove_prefix(1);
    out.emplace_back(mark);
  }
  return out;
}

}  // namespace

TEST_CASE("calls that are required are read as calls that fit, in every format") {
  const nibble::tokenizer words = letters_and({"<|end|>"});
  nibble::rng random(5);
  for (const nibble::answer_format& f : nibble::answer_formats) {
    CAPTURE(f.name);
    answer_syntax form = answer_syntax::named(f.name);
    form.calls = &f;
    form.reasoning = {};
    for (const bool parallel : {false, true}) {
      const grammar g = nibble::tool_grammar(two_tools, form, words, {.choice = tool_choice::required, .parallel = parallel});
      std::size_t most = 0;
      for (int round = 0; round < 12; ++round) {
        const std::string text = some_text(g, words_of(f), random);
        CAPTURE(text);
        nibble::chat_parser parser(form, {}, two_tools);
        parser.feed(text);
        parser.finish();
        REQUIRE(!parser.answer().calls.empty());
        most = std::max(most, parser.answer().calls.size());
        CHECK(parser.answer().text == "");
        for (const nibble::tool_call& call : parser.answer().calls) {
          CAPTURE(call.arguments);
          CHECK(call.complete);
          CHECK(fits(call));
        }
      }
      if (!parallel) CHECK(most == 1);
    }
  }
}

TEST_CASE("arguments of every kind of schema are read as what the schema allows, in every format") {
  const nibble::tokenizer words = letters_and({"<|end|>"});
  const json tools =
      json::parse(R"([{"name": "set", "parameters": {"type": "object", "$defs": {"unit": {"enum": ["celsius", "5", "true"]}},
    "properties": {"unit": {"$ref": "#/$defs/unit"}, "zip": {"type": "string", "pattern": "^[0-9]{3}$"},
                   "note": {"anyOf": [{"type": "string", "maxLength": 3}, {"type": "null"}]}, "five": {"const": "5"},
                   "mixed": {"enum": ["a", 1, null, true, "null"]}, "text": {"type": "string", "minLength": 1, "maxLength": 4}},
    "required": ["unit", "zip", "note", "five", "mixed", "text"], "additionalProperties": false}}])");
  const grammar arguments = grammar::from_schema(*tools.items()[0].find("parameters"));
  nibble::rng random(7);
  for (const nibble::answer_format& f : nibble::answer_formats) {
    CAPTURE(f.name);
    answer_syntax form = answer_syntax::named(f.name);
    form.calls = &f, form.reasoning = {};
    const grammar g = nibble::tool_grammar(tools, form, words, {.choice = tool_choice::required, .parallel = false});
    for (int round = 0; round < 12; ++round) {
      const std::string text = some_text(g, words_of(f), random);
      CAPTURE(text);
      nibble::chat_parser reader(form, {}, tools);
      reader.feed(text);
      reader.finish();
      REQUIRE(reader.answer().calls.size() == 1);
      CAPTURE(reader.answer().calls[0].arguments);
      CHECK(reader.answer().calls[0].complete);
      nibble::grammar_parser parser(arguments);
      CHECK((parser.accept(reader.answer().calls[0].arguments) && parser.may_end()));
    }
  }
}

TEST_CASE("parameters that can only be texts are written as they stand, and as their schema says") {
  const nibble::tokenizer words = letters_and({"<|end|>"});
  const json tools =
      json::parse(R"([{"name": "go", "parameters": {"type": "object", "$defs": {"unit": {"enum": ["celsius", "kelvin"]}},
    "properties": {"a": {"enum": ["one", "two"]}, "b": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                   "c": {"$ref": "#/$defs/unit"}, "d": {"type": "string", "pattern": "^\\d{5}$"}, "e": {"type": ["string"], "maxLength": 2},
                   "f": {"type": "string", "enum": ["ok", 5]}, "g": {"type": "string", "minLength": 1}}}}])");
  const auto takes = [&](const char* key, const std::string& value) {
    const answer_syntax form = answer_syntax::named("qwen3-coder");
    nibble::grammar_parser parser(nibble::tool_grammar(tools, form, words, {.choice = tool_choice::required}));
    return parser.accept(std::string("<tool_call>\n<function=go>\n<parameter=") + key + ">\n" + value + "\n</parameter>\n");
  };
  CHECK(takes("a", "one"));
  CHECK_FALSE(takes("a", "\"one\""));
  CHECK_FALSE(takes("a", "three"));
  CHECK(takes("b", "\"x\""));
  CHECK(takes("b", "null"));
  CHECK_FALSE(takes("b", "x"));
  CHECK(takes("c", "kelvin"));
  CHECK_FALSE(takes("c", "\"kelvin\""));
  CHECK(takes("d", "12345"));
  CHECK_FALSE(takes("d", "1234"));
  CHECK(takes("e", "ab"));
  CHECK_FALSE(takes("e", "abc"));
  CHECK_FALSE(takes("f", "5"));
  CHECK(takes("g", "a < b </param\n"));
  CHECK_FALSE(takes("g", ""));
}

TEST_CASE("what a format of calls cannot write of a schema is refused by its keyword") {
  const nibble::tokenizer words = letters_and({"<|end|>"});
  const auto said = [&](const char* format, const std::string& parameters) {
    const json tools = json::parse(R"([{"name": "go", "parameters": )" + parameters + "}]");
    const auto made = nibble::try_tool_grammar(tools, answer_syntax::named(format), words);
    return made ? std::string() : std::string(made.failure().what());
  };
  const auto of_x = [](const char* schema) { return std::string(R"({"properties": {"x": )") + schema + "}}"; };
  CHECK(said("lfm2", of_x(R"({"allOf": [{"type": "array"}]})")) ==
        "tool \"go\": \"x\": \"allOf\" is not supported in this format of calls");
  CHECK(said("lfm2", of_x(R"({"type": "array", "minItems": 2000})")) ==
        "tool \"go\": \"x\": \"minItems\" is no number up to 1000");
  CHECK(said("minicpm", of_x(R"({"type": "array", "uniqueItems": true})")) ==
        "tool \"go\": \"x\": \"uniqueItems\" is not supported in this format of calls");
  CHECK(said("gemma4", of_x(R"({"type": "object", "patternProperties": {"a": {}}})")) ==
        "tool \"go\": \"x\": \"patternProperties\" is not supported in this format of calls");
  for (const char* format : {"qwen3-coder", "gemma4", "lfm2"}) {
    CAPTURE(format);
    const std::string unsupported = " is not supported in this format of calls";
    CHECK(said(format, R"({"properties": {"x": {}}, "anyOf": [{"required": ["x"]}]})") ==
          "tool \"go\": \"anyOf\"" + unsupported);
    CHECK(said(format, R"({"properties": {"x": {}}, "minProperties": 1})") == "tool \"go\": \"minProperties\"" + unsupported);
    CHECK(said(format, R"({"properties": {"x": {}}, "required": ["y"]})") ==
          "tool \"go\": \"required\" names \"y\", which \"properties\" does not");
    CHECK(said(format, R"({"properties": {"x": {}}, "required": ["x"], "minProperties": 1})") == "");
  }
  CHECK(said("hermes", R"({"properties": {"x": {}}, "anyOf": [{"required": ["x"]}]})") == "");
}

TEST_CASE("texts between marks are as their schema says") {
  const nibble::tokenizer words = letters_and({"<|end|>"});
  const json tools = json::parse(
      R"([{"name": "go", "parameters": {"type": "object", "required": ["zip"], "$defs": {"n": {"enum": [1, "2", 3]}},
    "properties": {"zip": {"type": "string", "pattern": "^\\d{5}$"}, "n": {"$ref": "#/$defs/n"}}}}])");
  const auto takes = [&](const std::string& inside) {
    nibble::grammar_parser parser(
        nibble::tool_grammar(tools, answer_syntax::named("gemma4"), words, {.choice = tool_choice::required}));
    return parser.accept("<|tool_call>call:go{" + inside + "}<tool_call|>");
  };
  CHECK(takes("zip:<|\"|>12345<|\"|>"));
  CHECK_FALSE(takes("zip:<|\"|>hello<|\"|>"));
  CHECK(takes("zip:<|\"|>12345<|\"|>,n:<|\"|>2<|\"|>"));
  CHECK(takes("zip:<|\"|>12345<|\"|>,n:3"));
  CHECK_FALSE(takes("zip:<|\"|>12345<|\"|>,n:2"));
}

TEST_CASE("text is free until a call begins, which is right then") {
  const nibble::tokenizer words = letters_and({"<|end|>"});
  const answer_syntax form = answer_syntax::named("hermes");
  const auto accepts = [&](const nibble::tool_rules& rules, std::string_view text, bool whole = true) {
    nibble::grammar_parser parser(nibble::tool_grammar(two_tools, form, words, rules));
    return parser.accept(text) && (!whole || parser.may_end());
  };
  const std::string call = "<tool_call>\n{\"name\": \"look\", \"arguments\": {\"where\": \"up\"}}\n</tool_call>";
  CHECK(accepts({}, "Nothing to do."));
  CHECK(accepts({}, "I look. " + call));
  CHECK(accepts({}, call + "\n" + call));
  CHECK_FALSE(accepts({.parallel = false}, call + "\n" + call));
  CHECK(accepts({}, "a < b, <tool_calls", false));
  CHECK_FALSE(accepts({}, "I look. <tool_call>\n{\"name\": \"listen\"", false));
  CHECK_FALSE(accepts({}, "I look. <tool_call>\n{\"name\": \"look\", \"arguments\": {\"were\"", false));
  CHECK_FALSE(accepts({.only = "add_up"}, "<tool_call>\n{\"name\": \"look\"", false));
  CHECK_FALSE(accepts({.choice = tool_choice::required}, "I look.", false));
  CHECK(accepts({.choice = tool_choice::required}, call));
  CHECK(accepts({.choice = tool_choice::none}, "I look. <tool_cal", false));
  CHECK_FALSE(accepts({.choice = tool_choice::none}, "I look. <tool_call>", false));
  // what stands in the reasoning is no call
  CHECK(accepts({}, "<think>\nA <tool_call> is better.</think>\nI look. " + call));
  CHECK_FALSE(accepts({}, "<think>\nA call</think>\nI look. <tool_call>{", false));
  CHECK(accepts({.choice = tool_choice::required}, "<think>\nA <tool_call> is better.</think>\n" + call));
  CHECK(accepts({.choice = tool_choice::required, .prompt_end = "<think>\n"}, "Let me <tool_call> see.</think>" + call));
  CHECK_FALSE(accepts({.choice = tool_choice::required, .prompt_end = "<think>\n"}, "Let me see.</think>Yes", false));
}

TEST_CASE("a mark in another spelling begins a call, too, which is right then") {
  const nibble::tokenizer words = letters_and({"<|end|>"});
  std::size_t begun = 0;
  for (const std::string_view format : {"deepseek-r1", "deepseek-v3.1", "deepseek-v3.2"}) {
    const answer_syntax form = answer_syntax::named(format);
    const grammar free = nibble::tool_grammar(two_tools, form, words),
                  none = nibble::tool_grammar(two_tools, form, words, {.choice = tool_choice::none});
    const std::string mark(nibble::detail::without_blanks(form.calls->calls_begin));
    for (const nibble::mark_spelling& how : nibble::mark_spellings) {
      const std::string spelled = nibble::detail::spelled(mark, how);
      CAPTURE(spelled);
      CHECK_FALSE(nibble::grammar_parser(free).accept("So. " + spelled + "I look."));
      CHECK(nibble::grammar_parser(free).accept("So. " + spelled.substr(0, spelled.size() - 1) + "I look."));
      CHECK_FALSE(nibble::grammar_parser(none).accept("So. " + spelled));
      nibble::grammar_parser parser(free);
      CHECK(parser.accept("So. " + spelled));
      std::string rest;  // the mark of a call
      parser.forced_text(rest);
      const std::string call(nibble::detail::without_blanks(form.calls->call_begin));
      CHECK_MESSAGE(nibble::detail::without_blanks(rest).starts_with(call), rest);
      ++begun;
    }
  }
  CHECK(begun == 24);
}

TEST_CASE("where a call has to come, two spaces or ends of lines may stand in front of it, and between calls") {
  const nibble::tokenizer words = letters_and({"<|end|>"});
  for (const char* format : {"hermes", "llama-3"}) {
    CAPTURE(format);
    answer_syntax form = answer_syntax::named(format);
    const bool whole = form.calls->whole;
    const std::string arguments = whole ? "parameters" : "arguments";
    std::string call = "{\"name\": \"look\", \"" + arguments + "\": {\"where\": \"up\"}}";
    if (!whole) call = "<tool_call>\n" + call + "\n</tool_call>";
    const auto accepts = [&](std::string_view text) {
      nibble::grammar_parser parser(nibble::tool_grammar(two_tools, form, words, {.choice = tool_choice::required}));
      return parser.accept(text) && parser.may_end();
    };
    CHECK(accepts("\n\n" + call));
    CHECK_FALSE(accepts("\n\n\n\n\n" + call));
    CHECK_FALSE(accepts(call + "\n\n\n" + call));
    if (!whole) CHECK(accepts(call + "\n\n" + call));
    CHECK_FALSE(accepts("\n\n\n\n\n<think>No.</think>" + call));
    CHECK(accepts("<think>No.</think>\n\n" + call));
    CHECK_FALSE(accepts("<think>No.</think>\n\n\n\n\n" + call));
  }
}

TEST_CASE("a reply is all that the model may write without a grammar, until a mark comes") {
  const auto words = nibble::tokenizer::load(nibble_test::golden("../../examples/models/nibble-tiny-Q4_K_M.gguf"));
  const auto trie = std::make_shared<const nibble::token_trie>(words);
  for (const char* format : {"hermes", "gpt-oss", "llama-3"}) {
    CAPTURE(format);
    nibble::grammar_matcher matcher(nibble::tool_grammar(two_tools, answer_syntax::named(format), words), trie);
    // no characters at all, a character that is not whole, one that never will be, and a mark that does not go on
    for (const std::string text :
         {"", "So", "\xE2", "\xE2\x80", "\x80\xE2<", "\xED\xA0\x80", "\xF0\x80", "\xFF", "I <tool_\xFF"}) {
      CAPTURE(text);
      matcher.reset();
      REQUIRE(matcher.accept_text(text));
      CHECK(matcher.may_end());
      const nibble::token_mask mask = matcher.allowed();
      for (std::size_t i = 0; i < trie->size(); ++i) {
        const auto id = static_cast<nibble::token>(i);
        if (trie->text(id).find_first_of("<{") == std::string_view::npos) CHECK(nibble::is_allowed(mask, id));
      }
    }
  }
}

TEST_CASE("reasoning behind text is free of calls, and text goes on behind it") {
  const nibble::tokenizer words = letters_and({"<|nothing|>"});
  const answer_syntax form = answer_syntax::named("solar-open");
  REQUIRE(form.reasoning.anywhere);
  const auto accepts = [&](std::string_view text) {
    nibble::grammar_parser parser(nibble::tool_grammar(two_tools, form, words));
    return parser.accept(text);
  };
  const std::string call = "<|tool_calls|><|tool_call:begin|>1<|tool_call:name|>look<|tool_call:args|>{\"where\": \"up\"}";
  CHECK(accepts("I look." + call));
  CHECK_FALSE(accepts("I look.<|tool_calls|>{"));
  CHECK(accepts("I look.<|think|>With <|tool_calls|>{ or not.<|end|>Yes." + call));
  CHECK(accepts("<|think|>So.<|end|>I look.<|think|>Or <|tool_calls|>{"));
  CHECK_FALSE(accepts("I look.<|think|>So.<|end|>Yes.<|tool_calls|>{"));
}

TEST_CASE("marks that are control tokens are these tokens, which stand nowhere else") {
  const nibble::tokenizer words = letters_and({"<|tool_call|>", "<|other|>", "<|end|>"});
  const auto trie = std::make_shared<const nibble::token_trie>(words);
  const answer_syntax form = answer_syntax::named("granite-3");
  const nibble::token mark = *words.find_special("<|tool_call|>"), other = *words.find_special("<|other|>");
  nibble::grammar_matcher matcher(nibble::tool_grammar(two_tools, form, words), trie);
  const auto say = [&](std::string_view text) {
    for (const char c : text) {
      const nibble::token id = words.encode(std::string(1, c), {.bos = false, .eos = false}).front();
      REQUIRE(nibble::is_allowed(matcher.allowed(), id));
      REQUIRE(matcher.accept(id));
    }
  };
  CHECK(nibble::is_allowed(matcher.allowed(), other));  // text is free
  CHECK(nibble::is_allowed(matcher.allowed(), trie->ends().front()));
  say("I ");
  REQUIRE(matcher.accept(mark));
  CHECK_FALSE(nibble::is_allowed(matcher.allowed(), other));
  CHECK_FALSE(nibble::is_allowed(matcher.allowed(), trie->ends().front()));
  say("[{\"name\": \"look\", \"arguments\": {\"where\": \"<|to");
  CHECK_FALSE(nibble::is_allowed(matcher.allowed(), other));
  CHECK_FALSE(nibble::is_allowed(matcher.allowed(), mark));
  say("\"}}]");
  CHECK(nibble::is_allowed(matcher.allowed(), trie->ends().front()));
  CHECK_FALSE(nibble::is_allowed(matcher.allowed(), mark));
  // its letters are taken for the mark, too
  matcher.reset();
  say("I <|tool_call|>[{\"name\": \"");
}

TEST_CASE("rules may name tokens of a vocabulary, by name or number") {
  const nibble::tokenizer words = letters_and({"<|sep|>", "<|other|>", "<|end|>"});
  const auto trie = std::make_shared<const nibble::token_trie>(words);
  const nibble::token sep = *words.find_special("<|sep|>"), other = *words.find_special("<|other|>");
  const auto named = [&](const std::string& text) { return grammar::try_from_gbnf(text, words); };
  nibble::grammar_matcher matcher(*named("root ::= <|sep|> !<|sep|>* <[" + std::to_string(sep) + "]> <[0]> \"x\""), trie);
  CHECK_FALSE(nibble::is_allowed(matcher.allowed(), other));
  REQUIRE(matcher.accept(sep));
  CHECK(nibble::is_allowed(matcher.allowed(), other));
  REQUIRE(matcher.accept_text("any <|sep|> text"));
  REQUIRE(matcher.accept(other));
  REQUIRE(matcher.accept(sep));
  CHECK_FALSE(matcher.accept(sep));
  CHECK(matcher.accept_text("!x"));  // the first token is an exclamation mark
  CHECK(matcher.is_over());
  const auto refusal = [&](const std::string& text) { return std::string(named(text).failure().what()); };
  CHECK(refusal("root ::= <|none|>") == "grammar: line 1, column 10: \"<|none|>\" is no token of the vocabulary");
  CHECK(refusal("root ::= <[100000]>") == "grammar: line 1, column 10: a number that no token has");
  CHECK(refusal("root ::= <[x]>") == "grammar: line 1, column 10: expected the number of a token: <[1]>");
  CHECK(refusal("root ::= <x") == "grammar: line 1, column 10: expected the name of a token: <think>");
  CHECK(refusal("root ::= !x") == "grammar: line 1, column 11: expected a token behind !");
  CHECK(refusal("root ::= !<[0]>") == "grammar: line 1, column 10: all but a token that is text is not supported");
  CHECK(refusal("root ::= <|end|>") ==
        "grammar: line 1, column 10: a token that ends replies stands behind every text by itself");
}

TEST_CASE("a mark that ends replies ends them, and is not asked for") {
  const nibble::tokenizer words = letters_and({"<|message|>", "<|call|>"});
  const answer_syntax form = answer_syntax::named("gpt-oss");
  nibble::grammar_matcher matcher(nibble::tool_grammar(two_tools, form, words, {.choice = tool_choice::required}),
                                  std::make_shared<const nibble::token_trie>(words));
  REQUIRE(matcher.accept_text("<|channel|>commentary to=functions.look"));
  REQUIRE(matcher.accept(*words.find_special("<|message|>")));
  REQUIRE(matcher.accept_text("{\"where\": \"up\"}"));
  CHECK(matcher.is_over());
  CHECK(nibble::is_allowed(matcher.allowed(), *words.find_special("<|call|>")));
}

TEST_CASE("what cannot be a tool, or cannot be called, is an error that names it") {
  const nibble::tokenizer words = letters_and({"<|end|>"});
  const auto said = [&](std::string_view tools, const answer_syntax& form, const nibble::tool_rules& rules) {
    const auto made = nibble::try_tool_grammar(json::parse(tools), form, words, rules);
    return made ? std::string() : std::string(made.failure().what());
  };
  const answer_syntax hermes = answer_syntax::named("hermes");
  const nibble::tool_rules required{.choice = tool_choice::required};
  CHECK(said("[{\"type\": \"function\"}]", hermes, {}) == "tool 0: it has no name");
  CHECK(said("[{\"name\": \"a\"}]", hermes, {.only = "b"}) == "tools: there is no \"b\" among them");
  CHECK(said("[]", hermes, required) == "tools: there is none, and a call is required");
  CHECK(said("[{\"name\": \"a\"}]", {}, required) == "a call is required, and how the model writes calls is not known");
  CHECK(said("[{\"name\": \"a\"}]", {}, {}) == "");
  CHECK(said("[7]", hermes, {}) == "tool 0: expected an object, found the number 7");
  CHECK(said(R"([{"name": "a"}, {"function": {"name": "b"}}, {"name": "a"}])", hermes, {}) ==
        "tool 2: another one is called 'a', too");
  CHECK(said(R"([{"name": "a", "parameters": null}])", hermes, {}) == "");
  std::string deep = "{}";
  for (int i = 0; i < 40; ++i) deep = "{\"type\": \"array\", \"items\": " + deep + "}";
  const std::string tools = R"([{"name": "a", "parameters": {"properties": {"x": )" + deep + "}}}]";
  CHECK(said(tools, answer_syntax::named("lfm2"), {}) == "tool \"a\": \"x\": its values are within each other too deeply");
}

TEST_CASE("parameters that are no schema of an object are refused in every format, with the keyword and its place") {
  const nibble::tokenizer words = letters_and({"<|end|>"});
  struct row {
    std::string_view parameters, says;
  };
  const row rows[] = {
      {"[]", "expected a schema as an object, found an array"},
      {"\"object\"", "expected a schema as an object, found the text 'object'"},
      {"true", "expected a schema as an object, found true"},
      {"3", "expected a schema as an object, found the number 3"},
      {R"({"type": "array"})", "/type: arguments are an object, found the text 'array'"},
      {R"({"type": ["string", "null"]})", "/type: arguments are an object, found an array"},
      {R"({"type": "objekt"})",
       "/type: 'objekt' is no type: expected one of null, boolean, integer, number, string, array, object"},
      {R"({"properties": ["x"]})", "/properties: expected an object of schemas, found an array"},
      {R"({"properties": {"x": {"type": "object", "properties": {"y": {"enum": "z"}}}}})",
       "/properties/x/properties/y/enum: expected an array of values, found the text 'z'"},
      {R"({"properties": {"x": {"required": "y"}}})", "/properties/x/required: expected an array of names, found the text 'y'"},
      {R"({"properties": {"x": {}}, "required": "x"})", "/required: expected an array of names, found the text 'x'"},
      {R"({"properties": {"x": {"type": "array", "minItems": -1}}})",
       "/properties/x/minItems: expected a whole number that is not negative, found the number -1"},
  };
  for (const nibble::answer_format& f : nibble::answer_formats) {
    CAPTURE(f.name);
    for (const row& r : rows) {
      const auto made =
          nibble::try_tool_grammar(json::parse(R"([{"name": "look", "parameters": )" + std::string(r.parameters) + "}]"),
                                   answer_syntax::named(f.name), words);
      REQUIRE_FALSE(made);
      CHECK(made.failure().code() == nibble::errc::bad_value);
      CHECK(std::string(made.failure().what()) == "tool \"look\": parameters: " + std::string(r.says));
    }
  }
}

TEST_CASE("a call whose outer mark was left out is right, too") {
  const nibble::tokenizer words = letters_and({"<|nothing|>"});
  const answer_syntax form = answer_syntax::named("qwen3-coder");
  nibble::grammar_parser parser(nibble::tool_grammar(two_tools, form, words, {}));
  CHECK(parser.accept("So.\n<function="));
  CHECK_FALSE(parser.accept("nothing"));
  const std::string call = "look>\n<parameter=where>\nup\n</parameter>\n</function>\n";
  CHECK(parser.accept(call));
  CHECK(parser.may_end());
  CHECK(parser.accept("</tool_call>"));
  CHECK(parser.may_end());
  nibble::grammar_parser none(nibble::tool_grammar(two_tools, form, words, {.choice = tool_choice::none}));
  CHECK(none.accept("So.\n<function=nothing"));
}

TEST_CASE("a call that the end of the prompt has begun is right, too") {
  const nibble::tokenizer words = letters_and({"<|nothing|>"});
  const answer_syntax form = answer_syntax::named("gpt-oss");
  const std::string_view prompt = "<|end|><|start|>assistant",
                         call = " to=functions.look<|message|>{\"where\": \"up\"}<|call|>";
  for (const tool_choice choice : {tool_choice::automatic, tool_choice::required}) {
    nibble::grammar_parser parser(nibble::tool_grammar(two_tools, form, words, {.choice = choice, .prompt_end = prompt}));
    CHECK(parser.accept(" to=functions."));
    CHECK_FALSE(parser.accept("nothing"));
    CHECK(parser.accept(call.substr(call.find("look"))));
    CHECK(parser.may_end());
    nibble::chat_parser reader(form, prompt, two_tools);
    reader.feed(call), reader.finish();
    REQUIRE(reader.answer().calls.size() == 1);
    CHECK(reader.answer().calls[0].complete);
  }
  nibble::grammar_parser free(nibble::tool_grammar(two_tools, form, words, {.prompt_end = prompt}));
  CHECK_FALSE(free.accept(" Hi"));
  CHECK(free.accept("<|channel|>final<|message|> Hi"));
  nibble::grammar_parser elsewhere(nibble::tool_grammar(two_tools, form, words, {.prompt_end = "<|end|>"}));
  CHECK(elsewhere.accept(" to=functions.nothing"));
}

TEST_CASE("what published templates write of a call is what the grammar allows") {
  const std::filesystem::path folder = nibble_test::shared("templates");
  NIBBLE_NEEDS(folder);
  const nibble::tokenizer words = letters_and({"<|nothing|>"});
  const std::string arguments = R"({"where": "up", "far": 7})";
  std::size_t read = 0;
  std::string differ;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".jinja") continue;
    const std::string name = entry.path().stem().string(), source = nibble_test::text_of(entry.path());
    const auto form = nibble::chat_template::try_parse(source);
    if (!form || !form->answers().calls) continue;
    const auto text_of = [&](const std::vector<nibble::chat_message>& talk, bool prompt) {
      const auto parts = form->try_render(talk, {.tools = two_tools, .add_generation_prompt = prompt});
      std::string text;
      if (parts)
        for (const nibble::prompt_part& part : *parts) text += part.text;
      return text;
    };
    for (const bool as_object : {true, false}) {
      const json given = as_object ? json::parse(arguments) : json(arguments);
      const json call = json::object(
          {{"id", "call12345"}, {"type", "function"}, {"function", json::object({{"name", "look"}, {"arguments", given}})}});
      const nibble::chat_message answer{"assistant", "", json::object({{"tool_calls", json::array({call})}})};
      const std::string prompt = text_of({{"user", "Look."}}, true), whole = text_of({{"user", "Look."}, answer}, false);
      if (prompt.empty() || !whole.starts_with(prompt)) continue;
      const std::string said = whole.substr(prompt.size());
      nibble::chat_parser reader(form->answers(), prompt, two_tools);
      reader.feed(said), reader.finish();
      if (reader.answer().calls.size() != 1 || !reader.answer().calls[0].complete) continue;
      nibble::grammar_parser parser(nibble::tool_grammar(two_tools, form->answers(), words, {.prompt_end = prompt}));
      std::size_t at = 0;
      while (at < said.size() && parser.accept(said.substr(at, 1))) ++at;
      nibble::chat_parser again(form->answers(), prompt, two_tools);
      again.feed(said.substr(0, at)), again.finish();
      if (again.answer().calls.size() != 1 || !again.answer().calls[0].complete)
        differ += name + ": " + said.substr(0, at) + "[here]" + said.substr(at) + "\n";
      ++read;
      break;
    }
  }
  CHECK(differ == "");
  CHECK(read > 10);
}
