/// The best cut of a text by scores, and bytes where no piece is better, as PLaMo 2 does it.
#include "nibble/text/plamo.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/text/tokenizer.hpp"
#include "text/vocabularies.hpp"

namespace {
using namespace nibble;
using ids = std::vector<token>;
using scored = std::vector<std::pair<std::string, float>>;

constexpr token first_byte = 3, first_piece = 259;

/// A file's keys: three special tokens, all bytes but `missing`, then these pieces.
metadata keys(const scored& pieces, int missing = -1) {
  std::vector<std::string> tokens{"<|plamo:unk|>", "<|plamo:bos|>", "<|plamo:eos|>"};
  std::vector<float> scores(3);
  std::vector<std::int32_t> types{2, 3, 3};
  for (int byte = 0; byte < 256; ++byte) {
    constexpr const char* digits = "0123456789ABCDEF";
    tokens.push_back(std::string("<0x") + digits[byte / 16] + digits[byte % 16] + ">");
    scores.push_back(0), types.push_back(byte == missing ? 3 : 6);
  }
  for (const auto& [piece, score] : pieces) tokens.push_back(piece), scores.push_back(score), types.push_back(1);
  metadata meta;
  meta.set("tokenizer.ggml.model", value("plamo2"));
  meta.set("tokenizer.ggml.tokens", value(tokens));
  meta.set("tokenizer.ggml.scores", value(scores));
  meta.set("tokenizer.ggml.token_type", value(types));
  return meta;
}
ids encoded(const scored& pieces, std::string_view text) { return tokenizer::load(keys(pieces)).encode(text); }
std::string refusal(const metadata& meta) {
  const auto loaded = tokenizer::try_load(meta);
  return loaded ? "loaded" : loaded.failure().what();
}
}  // namespace

TEST_CASE("PLaMo 2's tokenizer gives the ids of llama.cpp") {
  const auto vocabulary = nibble_test::golden_vocabulary("plamo").load();
  const auto texts = nibble_test::split(nibble_test::text_of(nibble_test::golden("text/plamo_cases.txt")), "\x1e");
  const auto lines = nibble_test::split(nibble_test::text_of(nibble_test::golden("text/plamo.ids")), "\n");
  REQUIRE(texts.size() == 60);
  REQUIRE(lines.size() == texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const ids found = vocabulary.encode(texts[i]);
    CHECK(found == nibble_test::ids_of(lines[i]));
    const bool marked = texts[i].starts_with("\xEF\xBB\xBF");
    CHECK(vocabulary.decode(found) == texts[i].substr(marked ? 3 : 0));
  }
  CHECK(vocabulary.bos() == 1);
  CHECK_FALSE(vocabulary.adds_bos());
}

TEST_CASE("the scores of all pieces together decide, and where they are equal the longest piece comes first") {
  CHECK(encoded({{"a", -1}, {"b", -1}, {"ab", -3}}, "ab") == ids{first_piece, first_piece + 1});
  CHECK(encoded({{"a", -1}, {"b", -1}, {"ab", -2}}, "ab") == ids{first_piece + 2});
  CHECK(encoded({{"a", -1}, {"b", -1}, {"ab", -2}}, "aab") == ids{first_piece, first_piece + 2});
  CHECK(encoded({{"ab", -1}, {"bc", -1}, {"a", -5}, {"c", -2}}, "abc") == ids{first_piece, first_piece + 3});
  CHECK(encoded({{"a", -1.00004f}, {"b", -1}, {"ab", -2}}, "ab") == ids{first_piece + 2});  // ten-thousandths are told apart
}

TEST_CASE("a character of no piece, or of one that costs more, becomes its bytes") {
  CHECK(encoded({{"a", -1}}, "a\u00e9") == ids{first_piece, first_byte + 0xC3, first_byte + 0xA9});
  CHECK(encoded({{"a", -1001}}, "a") == ids{first_byte + 'a'});
  CHECK(encoded({{"a", -1000}}, "a") == ids{first_piece});
  CHECK(encoded({{"a", -3000}, {"aa", -1500}}, "aa") == ids{first_piece + 1});
}

TEST_CASE("a mark in front of a text is left out, and what is no UTF-8 is replaced") {
  CHECK(encoded({{"a", -1}},
                "\xEF\xBB\xBF"
                "a") == ids{first_piece});
  CHECK(encoded({{"a", -1}, {"\xEF\xBB\xBF", -1}}, "a\xEF\xBB\xBF") == ids{first_piece, first_piece + 1});
  CHECK(encoded({{"\xEF\xBF\xBD", -1}}, "\xFF\xE4\xB8") == ids(3, first_piece));
  CHECK(encoded({{"a", -1}}, "").empty());
}

TEST_CASE("names of control tokens in a text are text, unless they are asked for") {
  const auto t = tokenizer::load(keys({{"a", -1}}));
  CHECK(t.encode("<|plamo:eos|>").size() == 13);
  CHECK(t.encode("a<|plamo:eos|>a", {.special = true}) == ids{first_piece, 2, first_piece});
}

TEST_CASE("scores that are beyond numbers make no piece, and what a vocabulary lacks is told") {
  constexpr float infinite = std::numeric_limits<float>::infinity();
  CHECK(encoded({{"a", infinite}, {"b", -infinite}, {"c", 3e38f}, {"d", -3e38f}}, "abcd") ==
        ids{first_byte + 'a', first_byte + 'b', first_piece + 2, first_byte + 'd'});
  CHECK(encoded({{"c", 3e38f}, {"cc", 3e38f}}, std::string(1000, 'c')) == ids(1000, first_piece));
  CHECK(refusal(keys({}, 0x41)).find("no token is the byte 65") != std::string::npos);
  CHECK(refusal(keys({{std::string(257, 'a'), -1}})).find("at most 256") != std::string::npos);
  CHECK(refusal(keys({{"a", std::numeric_limits<float>::quiet_NaN()}})).find("is NaN") != std::string::npos);
  metadata none = keys({});
  none.erase("tokenizer.ggml.scores");
  CHECK(refusal(none).find("missing: pieces are chosen by them") != std::string::npos);
}
