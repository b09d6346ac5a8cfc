/// Where calls of tools stand in a reply: the text around them, and the marks that begin and end them.
#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <string_view>

#include "grammar/two_tools.hpp"
#include "nibble/grammar/grammar.hpp"
#include "nibble/grammar/matcher.hpp"
#include "nibble/grammar/parser.hpp"
#include "nibble/grammar/tools.hpp"
#include "nibble/text/answer/arguments.hpp"
#include "nibble/text/answer/parser.hpp"
#include "support/files.hpp"

using nibble::answer_syntax;
using nibble::grammar;
using nibble::tool_choice;
using nibble_test::letters_and;
using nibble_test::two_tools;

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
