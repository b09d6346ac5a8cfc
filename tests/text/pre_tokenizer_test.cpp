#include "nibble/text/pre_tokenizer.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

namespace {

std::vector<std::string> words(std::string_view name, std::string_view text) {
  const nibble::pre_tokenizer* split = nibble::find_pre_tokenizer(name);
  REQUIRE(split);
  std::vector<std::string> out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = split->word_end(text, at);
    REQUIRE(end > at);
    REQUIRE(end <= text.size());
    out.emplace_back(text.substr(at, end - at));
    at = end;
  }
  return out;
}

using list = std::vector<std::string>;

}  // namespace

TEST_CASE("a pre-tokenizer that is not known is null, never another one") {
  for (const auto name : {"", "gpt2", "GPT-2", "default ", "llama3x", "Tekken"})
    CHECK(nibble::find_pre_tokenizer(name) == nullptr);
  for (const auto& split : nibble::pre_tokenizers) CHECK(nibble::find_pre_tokenizer(split.name) == &split);
}

TEST_CASE("words are cut as the published expressions cut them") {
  CHECK(words("gpt-2", "I'll  go, 123 'TIS") == list{"I", "'ll", " ", " go", ",", " 123", " '", "TIS"});
  CHECK(words("gpt-2", "a\n\n b  ") == list{"a", "\n\n", " b", "  "});
  CHECK(words("smollm", "a  12") == list{"a", "  ", "1", "2"});
  CHECK(words("default", "a  12345 (b)") == list{"a", " ", " ", "123", "45", " ", "(", "b", ")"});
  CHECK(words("default", "12\u06634567x") == list{"12\u0663", "456", "7", "x"});
  CHECK(words("llama-bpe", "I'LL\t\tgo\n\n  x 12345...\n\n!") ==
        list{"I", "'LL", "\t", "\tgo", "\n\n", " ", " x", " ", "123", "45", "...\n\n", "!"});
  CHECK(words("qwen2", "x 12") == list{"x", " ", "1", "2"});
  CHECK(words("tekken", "I'll fooBar XMLHttp, 12 A\u4e2d\u6587BC") ==
        list{"I", "'ll", " foo", "Bar", " XMLHttp", ",", " ", "1", "2", " A\u4e2d\u6587", "BC"});
  CHECK(words("tekken", "a://b//\n\n  Don't  \n ") == list{"a", "://", "b", "//\n\n", " ", " Don", "'t", "  \n", " "});
  CHECK(words("tekken", "\u01c5x \u00c0\u00c9\u4e2d \u0301\u00c9") ==
        list{"\u01c5x", " \u00c0\u00c9\u4e2d", " \u0301", "\u00c9"});
}

TEST_CASE("letters and numbers of Unicode 15 and 16 are letters and numbers in words") {
  for (const std::string letter : {"\U00031350", "\U000323AF", "\U0002EBF0", "\U0001E4D0", "\u1C89", "\U000105C0"}) {
    CHECK(words("gpt-2", letter + "'s") == list{letter, "'s"});
    CHECK(words("smollm", "x" + letter + "'s") == list{"x" + letter, "'s"});
    CHECK(words("default", letter + "!") == list{letter, "!"});
    CHECK(words("llama-bpe", "'" + letter + "a.") == list{"'" + letter + "a", "."});
    CHECK(words("qwen2", letter + "'s") == list{letter, "'s"});
    CHECK(words("tekken", "1" + letter + "a") == list{"1", letter + "a"});
  }
  for (const std::string number : {"\U0001D2C0", "\U00010D40"})
    for (const auto& split : nibble::pre_tokenizers) CHECK(words(split.name, "a" + number) == list{"a", number});
  CHECK(words("tekken", "a\uA7CBa") == list{"a", "\uA7CBa"});  // an upper-case letter of Unicode 16
}

TEST_CASE("a long s is an s where contractions are of any case") {
  for (const auto name : {"llama-bpe", "qwen2"}) CHECK(words(name, "x'\u017Fy") == list{"x", "'\u017F", "y"});
  CHECK(words("llama-bpe", "'\u017F") == list{"'\u017F"});
  CHECK(words("llama-bpe", "'\xC5") == list{"'\xC5"});
  CHECK(words("gpt-2", "'\u017Fy") == list{"'", "\u017Fy"});
}

TEST_CASE("every pre-tokenizer covers any bytes with words, none empty") {
  std::string text;
  unsigned seed = 1;
  const std::string_view parts[] = {" ",    "\n",   "\r",   "'s",     "'",      "a",      "Z",      "1",
                                    "\xff", "\xe2", "\x80", "\u0301", "\u00a0", "\u4e00", "\u0663", "."};
  for (int i = 0; i < 20000; ++i) {
    seed = seed * 1664525u + 1013904223u;
    text += parts[seed >> 28];
  }
  for (const auto& split : nibble::pre_tokenizers) {
    std::string joined;
    for (const auto& word : words(split.name, text)) joined += word;
    CHECK(joined == text);
  }
}
