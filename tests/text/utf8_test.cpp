#include "nibble/text/utf8.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

using nibble::decode_utf8;
using state = nibble::utf8_character::state;

TEST_CASE("every scalar value survives encoding and decoding, and nothing else is one") {
  std::size_t wrong = 0;
  for (char32_t code = 0; code < 0x110000; ++code) {
    const bool surrogate = code >= 0xD800 && code < 0xE000;
    if (NIBBLE_CHECKED && surrogate) continue;  // a broken precondition
    std::string text;
    nibble::append_utf8(code, text);
    const auto c = decode_utf8(text, 0);
    if (surrogate ? c.kind == state::whole : c.kind != state::whole || c.code != code || c.size != text.size()) ++wrong;
    if (nibble::is_utf8(text) == surrogate) ++wrong;
  }
  CHECK(wrong == 0);
}

TEST_CASE("malformed bytes are replaced one longest beginning at a time") {
  struct row {
    std::string_view name, bytes, text;
  };
  const row rows[] = {
      {"a byte that only continues", "a\x80z", "a\uFFFDz"},
      {"an overlong slash", "\xC0\xAF", "\uFFFD\uFFFD"},
      {"an overlong slash of three bytes", "\xE0\x80\xAF", "\uFFFD\uFFFD\uFFFD"},
      {"an overlong form of four bytes", "\xF0\x82\x82\xAC", "\uFFFD\uFFFD\uFFFD\uFFFD"},
      {"a surrogate", "\xED\xA0\x80", "\uFFFD\uFFFD\uFFFD"},
      {"above U+10FFFF", "\xF4\x90\x80\x80", "\uFFFD\uFFFD\uFFFD\uFFFD"},
      {"bytes of no form", "\xFE\xFF\xF5", "\uFFFD\uFFFD\uFFFD"},
      {"a character cut by another", "\xE2\x82x", "\uFFFDx"},
      {"a character cut by the end", "x\xF0\x9F\x98", "x\uFFFD"},
      {"the example of the Unicode standard", "\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64",
       "a\uFFFD\uFFFD\uFFFDb\uFFFDc\uFFFD\uFFFDd"},
      {"NUL is a character", std::string_view("a\0b", 3), std::string_view("a\0b", 3)},
  };
  for (const row& r : rows) {
    CAPTURE(r.name);
    const std::string_view bytes = r.bytes, text = r.text;
    CHECK(nibble::to_valid_utf8(bytes) == text);
    CHECK(nibble::is_utf8(bytes) == (bytes == text));
    for (std::size_t a = 0; a <= bytes.size(); ++a)  // the same text however the bytes are cut
      for (std::size_t b = a; b <= bytes.size(); ++b) {
        nibble::utf8_stream stream;
        std::string out;
        for (const auto piece : {bytes.substr(0, a), bytes.substr(a, b - a), bytes.substr(b)}) {
          stream.feed(piece, out);
          CHECK(nibble::is_utf8(out));
        }
        stream.finish(out);
        CHECK(out == text);
      }
  }
}

TEST_CASE("a stream gives whole characters only, as soon as they are whole") {
  nibble::utf8_stream stream;
  std::string out;
  for (const char c : std::string_view("\xF0\x9F\x98\x80")) {
    CHECK(out.empty());
    stream.feed({&c, 1}, out);
  }
  CHECK(out == "\U0001F600");
  CHECK(stream.held().empty());
  stream.feed("x\xE2\x82", out);
  CHECK(out == "\U0001F600x");
  CHECK(stream.held() == "\xE2\x82");
  stream.finish(out);
  CHECK(out == "\U0001F600x\uFFFD");
  stream.finish(out);
  CHECK(out == "\U0001F600x\uFFFD");
}

TEST_CASE("the valid beginning of a text is found wherever the fault stands") {
  for (std::size_t before = 0; before < 20; ++before) {
    const std::string good(before, 'a');
    CHECK(nibble::valid_utf8_prefix(good + "\xFF" + good) == before);
    CHECK(nibble::valid_utf8_prefix(good) == before);
  }
}
