/// Preconditions of text functions, each broken once.
#include <doctest/doctest.h>

#include <string>

#include "nibble/text/special_tokens.hpp"
#include "nibble/text/tokenizer.hpp"
#include "nibble/text/utf8.hpp"
#include "support/refused.hpp"
#include "text/vocabularies.hpp"

#if NIBBLE_CHECKED && NIBBLE_EXCEPTIONS
TEST_CASE("under NIBBLE_CHECKED the broken preconditions of text functions are reported") {
  CHECK(nibble::decode_utf8("a", 0).code == U'a');
  CHECK_THROWS_AS(static_cast<void>(nibble::decode_utf8("a", 1)), nibble::error);
  CHECK_THROWS_AS(static_cast<void>(nibble::decode_utf8("", 0)), nibble::error);

  std::string out;
  for (const char32_t code : {0xD800u, 0xDFFFu, 0x110000u, 0xFFFFFFFFu})
    CHECK_THROWS_AS(nibble::append_utf8(code, out), nibble::error);
  CHECK(out.empty());
  for (const char32_t code : {0xD7FFu, 0xE000u, 0x10FFFFu, 0u}) CHECK_NOTHROW(nibble::append_utf8(code, out));

  nibble::special_tokens set;
  CHECK_THROWS_AS(set.add("", 0), nibble::error);
  set.add("a", 0);
  static_cast<void>(set.finish());
  CHECK_THROWS_AS(set.add("b", 1), nibble::error);
}

TEST_CASE("a tokenizer that was moved from says so, and can be given another") {
  using nibble_test::refused;
  auto t = nibble_test::golden_vocabulary("bytes").load();
  const auto moved = std::move(t);
  CHECK(refused([&] { static_cast<void>(t.encode("a")); }));  // NOLINT: on purpose
  CHECK(refused([&] { static_cast<void>(t.encode(std::vector<nibble::prompt_part>{{"a"}})); }));
  t = moved;
  CHECK(t.encode("a") == moved.encode("a"));
}

TEST_CASE("ids that are no token are reported, but for the one that stands where there is none") {
  using nibble_test::refused;
  const auto t = nibble_test::golden_vocabulary("bytes").load();
  for (const nibble::token id : {-2, static_cast<nibble::token>(t.size()), 1 << 29}) {
    CHECK(refused([&] { static_cast<void>(t.piece(id)); }));
    CHECK(refused([&] { static_cast<void>(t.decode(std::vector<nibble::token>{1, id})); }));
    CHECK(refused([&] { static_cast<void>(t.is_control(id)); }));
    CHECK(refused([&] { static_cast<void>(t.vocabulary().score(id)); }));
  }
  CHECK(t.piece(nibble::no_token).empty());
  CHECK(t.decode(std::vector<nibble::token>{nibble::no_token}).empty());
}
#endif
