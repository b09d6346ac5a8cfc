#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "nibble/grammar/grammar.hpp"
#include "nibble/grammar/matcher.hpp"
#include "nibble/grammar/program.hpp"

using nibble::grammar;
using nibble::grammar_parser;

namespace {

bool fits(const grammar& g, std::string_view text) {
  grammar_parser parser(g);
  return parser.accept(text) && parser.may_end();
}
bool begins(const grammar& g, std::string_view text) { return grammar_parser(g).accept(text); }
std::string refusal(std::string_view text) {
  const auto made = grammar::try_from_gbnf(text);
  return made ? std::string() : made.failure().what();
}
std::string times(std::size_t n, std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < n; ++i) out += text;
  return out;
}

}  // namespace

TEST_CASE("rules, literals, sets, groups and repetitions mean what they mean in llama.cpp") {
  const grammar g = grammar::from_gbnf(
      "# a list\n"
      "root ::= item+ end?\n"
      "item ::= \"- \" [^\\n#]{1,3} \"\\n\" |\n"
      "         \"* \" ( [a-z] | \"\\x41\" | \"\\u00e9\" )* \"\\n\"\n"
      "end ::= \".\" .");
  CHECK(fits(g, "- ab\n"));
  CHECK(fits(g, "- a\n* zAé\n* \n"));
  CHECK(fits(g, "- a\n.\xF0\x9F\x90\xB2"));
  CHECK_FALSE(fits(g, "- a"));
  CHECK(begins(g, "- a"));
  CHECK_FALSE(begins(g, "- abcd"));
  CHECK_FALSE(begins(g, "- #"));
  CHECK_FALSE(begins(g, "* B"));
  CHECK_FALSE(begins(g, "- a\n.\xF0\x9F\xFF"));
}

TEST_CASE("a rule may call itself on its left, directly, through others, and behind what may be empty") {
  const grammar direct = grammar::from_gbnf("root ::= root \"+\" [0-9] | [0-9]");
  CHECK(fits(direct, "1+2+3+4"));
  CHECK_FALSE(begins(direct, "+1"));
  const grammar indirect = grammar::from_gbnf("root ::= a \"z\"\na ::= b | \"q\"\nb ::= a \"x\"");
  CHECK(fits(indirect, "qxxxz"));
  CHECK_FALSE(fits(indirect, "xz"));
  const grammar hidden = grammar::from_gbnf("root ::= sign root \"!\" | \"a\"\nsign ::= \"-\"?");
  CHECK(fits(hidden, "a!!!"));
  CHECK(fits(hidden, "--a!!"));
  CHECK_FALSE(fits(hidden, "--a!"));
  CHECK(fits(grammar::from_gbnf("root ::= (\"a\"*)*"), times(1000, "a")));
  CHECK(fits(grammar::from_gbnf("root ::= root | root root | \"a\""), times(50, "a")));
}

TEST_CASE("rules within each other end in their order") {
  const grammar g = grammar::from_gbnf("root ::= \"(\" root \")\" root | \"[\" root \"]\" | \"\"");
  CHECK(fits(g, "(()[])[(())]"));
  CHECK_FALSE(begins(g, "([)"));
  const std::size_t deep = 20'000;
  CHECK(fits(g, times(deep, "(") + times(deep, ")")));
}

TEST_CASE("short rules are read where they are called, but for those that lead back to themselves") {
  const auto calls = [](const grammar& g) {
    const auto& program = nibble::detail::grammar_parts::program_of(g);
    std::size_t n = 0;
    for (std::uint32_t s = 0; s < program->texts.size(); ++s) n += program->texts[s].calls.size();
    return n;
  };
  const grammar sums = grammar::from_gbnf(
      "root ::= term (\"+\" blank term)*\nterm ::= (name | digit+) blank\nname ::= letter (letter | digit)*\n"
      "letter ::= [a-z_]\ndigit ::= [0-9]\nblank ::= \" \"*");
  CHECK(calls(sums) == 0);
  CHECK(fits(sums, "a1  + 22+_b "));
  CHECK_FALSE(begins(sums, "a1 1"));
  CHECK_FALSE(fits(sums, "a +"));
  const grammar loop = grammar::from_gbnf("root ::= a\na ::= \"x\" b\nb ::= \"(\" a \")\" | c\nc ::= \"y\"?");
  CHECK(calls(loop) > 0);
  CHECK(fits(loop, "x(x(xy))"));
  CHECK(fits(loop, "x(x)"));
  CHECK_FALSE(begins(loop, "x(y"));
  const grammar long_one = grammar::from_gbnf("root ::= a a\na ::= \"a text of many characters that is long\"");
  CHECK(calls(long_one) == 2);
}

TEST_CASE("rules that are too much in each other's place are called") {
  const grammar g = grammar::from_gbnf("root ::= a a a a\na ::= x* \"a\" x x x x x x x\nx ::= [ab]");
  CHECK(fits(g, times(4, "abbbbbbb")));
  CHECK(fits(g, times(9, "b") + times(40, "a")));
  CHECK_FALSE(fits(g, times(40, "b") + times(31, "a")));
  CHECK_FALSE(fits(g, times(4, "bbbbbbbb")));
}

TEST_CASE("what is no grammar is refused in a sentence that says where") {
  CHECK(refusal("") == "grammar: there is no rule \"root\"");
  CHECK(refusal("a ::= \"x\"") == "grammar: there is no rule \"root\"");
  CHECK(refusal("root ::= x") == "grammar: line 1, column 10: the rule \"x\" is not defined");
  CHECK(refusal("root ::= \"a\"\nroot ::= \"b\"") == "grammar: line 2, column 1: the rule \"root\" is defined twice");
  CHECK(refusal("root ::= \"a") == "grammar: line 1, column 10: this literal has no closing quote");
  CHECK(refusal("root ::= [a-z") == "grammar: line 1, column 10: this set of characters has no closing bracket");
  CHECK(refusal("root ::= [z-a]") == "grammar: line 1, column 11: a range of characters that ends before it begins");
  CHECK(refusal("root ::= \"\\q\"") == "grammar: line 1, column 11: an escape that is not known");
  CHECK(refusal("root ::= \"\\xZZ\"") == "grammar: line 1, column 11: an escape without its hexadecimal digits");
  CHECK(refusal("root ::= \"\\ud800\"") == "grammar: line 1, column 11: an escape of what is no character");
  CHECK(refusal("root ::= (\"a\"") == "grammar: line 1, column 10: this parenthesis is not closed");
  CHECK(refusal("root ::= \"a\")") == "grammar: line 1, column 13: expected the end of the line or of the group");
  CHECK(refusal("root = \"a\"") == "grammar: line 1, column 6: expected ::= behind the name of a rule");
  CHECK(refusal("root ::= \"a\"{2,1}") == "grammar: line 1, column 13: a repetition of at least 2 and at most 1");
  CHECK(refusal("root ::= \"a\"{x}") == "grammar: line 1, column 14: expected a number");
  CHECK(refusal("root ::= \"a\"{1,2") == "grammar: line 1, column 17: expected a closing brace");
  CHECK(refusal("root ::= <[1]>") == "grammar: line 1, column 10: a token, but no vocabulary is given");
  CHECK(refusal("root ::= \"a\"" + times(60'000, "*")) ==
        "grammar: line 1, column 17: more than three repetitions of one part");
}

TEST_CASE("a grammar that no text fits is refused") {
  CHECK(refusal("root ::= root") == "grammar: no text is what the rule \"root\" says");
  CHECK(refusal("root ::= a | b\na ::= b \"x\"\nb ::= a \"y\"") == "grammar: no text is what the rule \"root\" says");
  CHECK(refusal("root ::= [^\\x00-\\U0010FFFF]") == "grammar: no text is what the rule \"root\" says");
}

TEST_CASE("what asks for too much is refused, whatever it says") {
  CHECK(refusal("root ::= \"a\"{1,2147483648}") == "grammar: line 1, column 13: a repetition of 2147483648: at most 2000");
  CHECK(refusal("root ::= \"a\"{1,99999999999999999999}") ==
        "grammar: line 1, column 13: a repetition of 4294967294: at most 2000");
  CHECK(refusal("root ::= " + times(60'000, "(")) ==
        "grammar: line 1, column 1011: more than 1000 groups inside of each other");
  CHECK(refusal("root ::= ((\"a\"{2000}){2000}){2000}") == "grammar: rule \"root\": more than 25000 states");
  CHECK(refusal("root ::= [ab]* \"a\" [ab]{40}") == "grammar: rule \"root\": more than 25000 states");
}

TEST_CASE("a chain of five thousand rules is read") {
  std::string text = "root ::= r0\n";
  for (int i = 0; i < 5000; ++i) text += "r" + std::to_string(i) + " ::= r" + std::to_string(i + 1) + "\n";
  const grammar g = grammar::from_gbnf(text + "r5000 ::= \"end\"");
  CHECK(fits(g, "end"));
  CHECK(refusal(text + "r5000 ::= r0") == "grammar: no text is what the rule \"root\" says");
}

TEST_CASE("choices are read whole") {
  const grammar g = grammar::from_choices({"yes", "no", "nobody"});
  CHECK(fits(g, "yes"));
  CHECK(fits(g, "no"));
  CHECK(fits(g, "nobody"));
  CHECK_FALSE(fits(g, "nob"));
  CHECK_FALSE(begins(g, "yess"));
  CHECK(std::string(grammar::try_from_choices({}).failure().what()) == "choices: there is none");
  const std::string bad[] = {"a", "\xFF"}, empty[] = {""};
  CHECK(std::string(grammar::try_from_choices(bad).failure().what()) == "choice 1: it is no UTF-8");
  CHECK(std::string(grammar::try_from_choices(empty).failure().what()) == "choice 0: it is empty");
}

TEST_CASE("grammars are put behind each other, beside each other and repeated") {
  const grammar number = grammar::from_regex("[0-9]+"),
                word = grammar::from_gbnf("root ::= [a-z]+ inner?\ninner ::= \"(\" root \")\"");
  const grammar parts[] = {grammar::literal("<call>"), word, grammar::literal("="), number, grammar::literal("</call>")};
  const grammar call = grammar::sequence(parts);
  CHECK(fits(call, "<call>f(g)=12</call>"));
  CHECK_FALSE(begins(call, "<call>12"));
  const grammar either[] = {call, grammar::literal("none")};
  const grammar any = grammar::any_of(either);
  CHECK(fits(any, "none"));
  CHECK(fits(any, "<call>f=1</call>"));
  const grammar twice = grammar::repeat(any, 1, 2);
  CHECK(fits(twice, "nonenone"));
  CHECK_FALSE(begins(twice, "nonenonen"));
  CHECK_FALSE(grammar::try_repeat(any, 2, 1));
  CHECK_FALSE(grammar::try_any_of({}));
}

TEST_CASE("a text that can be read in too many ways is refused, in bounded time") {
  const grammar g = grammar::from_gbnf("root ::= root root root | root root | \"a\" | \"\"");
  grammar_parser parser(g);
  for (int i = 0; i < 100 && parser.accept("a"); ++i) continue;
  CHECK(parser.may_end());
}

TEST_CASE("a rule that is one character is read without a call") {
  const grammar g = grammar::from_gbnf(
      "root ::= char+ (mark | \"!\")\nchar ::= (letter) | digit | \"_\"\nletter ::= [a-z]\ndigit ::= [0-9]\n"
      "mark ::= [.] | ending\nending ::= [?]");
  const auto& texts = nibble::detail::grammar_parts::program_of(g)->texts;
  for (std::uint32_t s = 0; s < texts.size(); ++s) CHECK(texts[s].calls.empty());
  CHECK(fits(g, "a_9?"));
  CHECK(fits(g, "z!"));
  CHECK_FALSE(begins(g, "A"));
  CHECK_FALSE(begins(g, "a?."));
}
