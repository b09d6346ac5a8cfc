#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "nibble/grammar/grammar.hpp"
#include "nibble/grammar/matcher.hpp"

using nibble::grammar;

namespace {

bool fits(std::string_view expression, std::string_view text) {
  nibble::grammar_parser parser(grammar::from_regex(expression));
  return parser.accept(text) && parser.may_end();
}
std::string refusal(std::string_view expression) {
  const auto made = grammar::try_from_regex(expression);
  return made ? std::string() : made.failure().what();
}

}  // namespace

TEST_CASE("an expression is matched from beginning to end") {
  CHECK(fits("a|bc", "bc"));
  CHECK_FALSE(fits("a|bc", "abc"));
  CHECK(fits("(?:ab)+c?", "ababc"));
  CHECK(fits("(?<year>\\d{4})-\\d{2}", "2024-05"));
  CHECK(fits("a{2,}", "aaa"));
  CHECK_FALSE(fits("a{2,3}", "aaaa"));
  CHECK(fits("a{,3}", "a{,3}"));
  CHECK(fits("x*?y+?", "xxyy"));
  CHECK(fits("^a$|^b", "b"));
}

TEST_CASE("classes are those of ECMAScript") {
  CHECK(fits("[^a-c\\d]", "x"));
  CHECK_FALSE(fits("[^a-c\\d]", "7"));
  CHECK(fits("[\\w-]+", "a-_9"));
  CHECK(fits("\\s\\S", "\xC2\xA0x"));
  CHECK(fits(".", "\xF0\x9F\x90\xB2"));
  CHECK_FALSE(fits(".", "\n"));
  CHECK(fits("\\u00e9\\x41\\u{1F432}\\uD83D\\uDC32\\cA\\0", std::string_view("\xC3\xA9"
                                                                             "A\xF0\x9F\x90\xB2\xF0\x9F\x90\xB2\x01\0",
                                                                             13)));
  CHECK(fits("\\p{L}\\P{L}\\p{Nd}", "\xC3\xA9.\xD9\xA3"));
  CHECK_FALSE(fits("\\d", "\xD9\xA3"));
}

TEST_CASE("any number of assertions may stand at one place") {
  CHECK(fits("^^a", "a"));
  CHECK(fits("(a$)$", "a"));
  CHECK(fits("^(^foo$|^bar$)$", "foo"));
  CHECK(fits("^$^", ""));
  CHECK_FALSE(fits("^^a", "^a"));
  CHECK_FALSE(fits("(^|,)^a", ",a"));
}

TEST_CASE("what a finite automaton cannot do is refused") {
  CHECK(refusal("(?=a)") == "expression: line 1, column 1: an assertion that looks ahead or behind is not supported");
  CHECK(refusal("(?<!a)b") == "expression: line 1, column 1: an assertion that looks ahead or behind is not supported");
  CHECK(refusal("(a)\\1") == "expression: line 1, column 4: a reference to a group is not supported");
  CHECK(refusal("\\k<a>") == "expression: line 1, column 1: a reference to a group is not supported");
  CHECK(refusal("a\\b") == "expression: line 1, column 2: a word boundary is not supported");
  CHECK(refusal("(?i)a") == "expression: line 1, column 1: flags of a group are not supported");
  CHECK(refusal("\\p{Greek}") == "expression: line 1, column 1: the property \"Greek\" is not supported");
}

TEST_CASE("what is no expression is refused") {
  CHECK(refusal("(a") == "expression: line 1, column 1: this group has no closing parenthesis");
  CHECK(refusal("a)") == "expression: line 1, column 2: a closing parenthesis without an opening one");
  CHECK(refusal("*a") == "expression: line 1, column 1: there is nothing to repeat");
  CHECK(refusal("a**") == "expression: line 1, column 3: there is nothing to repeat");
  CHECK(refusal("[a") == "expression: line 1, column 1: this class has no closing bracket");
  CHECK(refusal("[z-a]") == "expression: line 1, column 2: a range that ends before it begins");
  CHECK(refusal("[\\d-z]") == "expression: line 1, column 2: a range between what is no character");
  CHECK(refusal("a{3,2}") == "expression: line 1, column 2: a repetition of at least 3 and at most 2");
  CHECK(refusal("a\\") == "expression: line 1, column 2: a backslash at the end");
  CHECK(refusal("\\q") == "expression: line 1, column 1: an escape that is not known");
  CHECK(refusal("\\p") == "expression: line 1, column 1: a property without a name in braces");
  CHECK(refusal("a^") == "expression: no text matches it");
}

TEST_CASE("an expression costs no more than its states") {
  CHECK(fits("(a+)+", std::string(100'000, 'a')));
  CHECK_FALSE(fits("(a+)+", std::string(100'000, 'a') + "b"));
  CHECK(refusal(std::string(60'000, '(')) == "expression: line 1, column 1002: more than 1000 groups inside of each other");
  CHECK(refusal("a{1,2147483648}") == "expression: line 1, column 2: a repetition of 2147483648: at most 200000");
  CHECK(refusal("(a|b)*a(a|b){30}") == "expression: more than 25000 states");
}
