#include "nibble/text/pre_tokenizer.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/text/utf8.hpp"
#include "support/sha256.hpp"
#include "vocabularies.hpp"

namespace {

std::vector<std::string> words(std::string_view name, std::string_view text) {
  const nibble::pre_tokenizer* split = nibble::find_pre_tokenizer(name);
  REQUIRE(split);
  std::vector<std::string> out;
  std::size_t bytes = 0;
  nibble::word_cursor cursor(*split, text);
  for (auto word = cursor.next(); !word.empty(); word = cursor.next()) {
    REQUIRE(word.data() == text.data() + bytes);
    out.emplace_back(word);
    bytes += word.size();
  }
  REQUIRE(bytes == text.size());
  return out;
}

using list = std::vector<std::string>;

/// The texts whose words are golden: word_texts() of tests/support/make_text_goldens.py, draw by draw.
list word_texts() {
  list parts;
  std::vector<std::pair<unsigned, unsigned>> ranges;
  for (const std::string& line : nibble_test::split(nibble_test::text_of(nibble_test::golden("text/word_parts.txt")), "\n")) {
    std::istringstream in(line);
    unsigned first = 0, count = 0;
    if (line.find(' ') != line.npos) {
      in >> first >> count;
      ranges.emplace_back(first, count);
    } else if (!line.empty()) {
      parts.emplace_back();
      for (std::size_t i = 0; i < line.size(); i += 2)
        parts.back() += static_cast<char>(static_cast<unsigned char>(std::stoul(line.substr(i, 2), nullptr, 16)));
    }
  }
  std::uint32_t seed = 1;
  const auto draw = [&](std::size_t count) { return ((seed = seed * 1664525u + 1013904223u) >> 8) % count; };
  list texts(20'000);
  for (std::string& text : texts) {
    const std::size_t n = 1 + draw(24);
    for (std::size_t i = 0; i < n; ++i) {
      if (draw(4) > 0) {
        text += parts[draw(parts.size())];
      } else {
        const auto [first, count] = ranges[draw(ranges.size())];
        nibble::append_utf8(static_cast<char32_t>(first + draw(count)), text);
      }
    }
  }
  for (const std::size_t count : {3, 511, 512, 513, 1000, 1023, 4000})
    texts.push_back(std::string(count, ' ') + "x\n" + std::string(count, '\t'));
  return texts;
}

/// The words of all texts, counted and summed.
std::string sum_of_words(const nibble::pre_tokenizer& split, const list& texts) {
  std::string joined;
  std::size_t count = 0;
  for (const std::string& text : texts) {
    nibble::word_cursor cursor(split, text);
    for (auto word = cursor.next(); !word.empty(); word = cursor.next(), ++count) joined.append(word).append("\xFF");
  }
  return std::to_string(count) + " " + nibble_test::sha256(std::as_bytes(std::span<const char>(joined)));
}

}  // namespace

TEST_CASE("every pre-tokenizer cuts hostile texts into the words of its published expressions") {
  std::map<std::string, std::string, std::less<>> expected;
  for (const auto& line : nibble_test::split(nibble_test::text_of(nibble_test::golden("text/words.sha256")), "\n"))
    expected[line.substr(0, line.find(' '))] = line.substr(line.find(' ') + 1);
  const list texts = word_texts();
  // Rows of the same stages share a golden, which has one of their names.
  std::map<decltype(nibble::pre_tokenizer::stages), std::string> sums;
  for (const auto& split : nibble::pre_tokenizers)
    if (expected.contains(split.name)) sums[split.stages] = expected.find(split.name)->second;
  for (const auto& split : nibble::pre_tokenizers) {
    CAPTURE(split.name);
    REQUIRE(sums.contains(split.stages));
    if (expected.contains(split.name)) CHECK(sum_of_words(split, texts) == sums[split.stages]);
  }
}

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
    for (const std::string& split : nibble_test::byte_level_splits())
      if (split != "bloom") CHECK(words(split, "a" + number) == list{"a", number});
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
