#include "nibble/text/rwkv.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/text/merge.hpp"
#include "nibble/text/tokenizer.hpp"

using nibble::token;
using nibble::value;

namespace {

nibble::metadata world(std::vector<std::string> pieces, bool unknown = false) {
  std::vector<std::int32_t> types(pieces.size() + 1, 1);
  types[0] = unknown ? 2 : 3;
  pieces.insert(pieces.begin(), "<s>");
  nibble::metadata meta;
  meta.set("tokenizer.ggml.model", value("rwkv"));
  meta.set("tokenizer.ggml.tokens", value(pieces));
  meta.set("tokenizer.ggml.token_type", value(types));
  meta.set("tokenizer.ggml.eos_token_id", value(0));
  return meta;
}

}  // namespace

TEST_CASE("RWKV's tokenizer takes the longest piece at each place") {
  const auto t = nibble::tokenizer::load(world({"a", "ab", "abcd", "b", "c", " ", " a"}));
  CHECK(t.encode("abcd") == std::vector<token>{3});
  CHECK(t.encode("abc") == std::vector<token>{2, 5});
  CHECK(t.encode("abcabcd a") == std::vector<token>{2, 5, 3, 7});
  CHECK(t.encode("").empty());
  CHECK(t.encode("aXb") == std::vector<token>{1, 4});  // what is in no piece is left out
  CHECK(t.decode(t.encode("abcabcd a")) == "abcabcd a");
  CHECK_FALSE(t.adds_bos());
  CHECK_FALSE(t.adds_eos());
}

TEST_CASE("pieces of RWKV's vocabularies are any bytes, written with escapes") {
  const auto t = nibble::tokenizer::load(
      world({"\\n", "\\t", "\\r", "\\x00", "\\xff", "\\\\", "\\'", "\\xe4\\xb8", "\u4e00", "x\\n\\n", "\\xg", "y\\"}));
  CHECK(t.encode(std::string_view("\n\t\r\0\xFF\\'", 7)) == std::vector<token>{1, 2, 3, 4, 5, 6, 7});
  CHECK(t.encode("\xe4\xb8\xe4\xb8\x80x\n\n") == std::vector<token>{8, 9, 10});
  CHECK(t.piece(11) == "xg");
  CHECK(t.piece(12) == "y\\");
  CHECK(t.piece(4) == std::string_view("\0", 1));
}

TEST_CASE("a byte that begins no piece is the unknown token, and a control token is none of the text") {
  const auto t = nibble::tokenizer::load(world({"a", "<"}, true));
  CHECK(t.encode("a\xFF"
                 "b") == std::vector<token>{1, 0, 0});
  const auto plain = nibble::tokenizer::load(world({"<", "s", ">"}));
  CHECK(plain.encode("<s>") == std::vector<token>{1, 2, 3});
  CHECK(plain.encode("<s>", {.special = true}) == std::vector<token>{0});
}

TEST_CASE("pieces that are too long for a trie are refused") {
  CHECK(nibble::tokenizer::try_load(world({std::string(256, 'a')})));
  const auto made = nibble::tokenizer::try_load(world({std::string(257, 'a')}));
  REQUIRE_FALSE(made);
  CHECK(std::string(made.failure().what()).find("token 1 has 257 bytes") != std::string::npos);
}
