#include "nibble/text/normalize.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <ctime>
#include <span>
#include <string>
#include <string_view>

#include "nibble/text/utf8.hpp"
#include "support/sanitized.hpp"
#include "support/sha256.hpp"
#include "vocabularies.hpp"

namespace {

std::string nfc(std::string_view text) {
  std::string room = "what was there";
  return std::string(nibble::to_nfc(text, room));
}

std::string repeated(std::string_view text, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

/// As nfc_texts() in tests/support/make_text_goldens.py.
struct nfc_texts {
  std::uint32_t seed = 1;

  std::uint32_t draw(std::size_t count) {
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % static_cast<std::uint32_t>(count);
  }

  std::string next() {
    static constexpr std::array<std::array<char32_t, 2>, 36> ranges = {
        {{0x61, 26},     {0xC0, 0x1C0},   {0x300, 0x70},   {0x340, 6},      {0x591, 0x37},   {0x610, 0x60},
         {0x900, 0x100}, {0xB3C, 0x24},   {0xBBE, 0x1A},   {0xD3E, 0x1A},   {0xDCA, 0x16},   {0xF40, 0x7D},
         {0x1026, 0x14}, {0x1100, 0x100}, {0x1B05, 0x40},  {0x1DC0, 0x40},  {0x1E00, 0x100}, {0x1F00, 0x100},
         {0x20D0, 0x21}, {0x2126, 6},     {0x2ADC, 1},     {0x302A, 0x75},  {0xAC00, 0x100}, {0xF900, 0x200},
         {0xFB1D, 0x32}, {0x105D2, 0x13}, {0x11099, 0x22}, {0x11131, 4},    {0x1133E, 0x1A}, {0x11380, 0x50},
         {0x114B9, 5},   {0x1D157, 0x6A}, {0x1E8D0, 7},    {0x1611E, 0x12}, {0x16D63, 8},    {0x2F800, 0x21E}}};
    std::string text;
    for (std::uint32_t left = 1 + draw(24); left > 0; --left) {
      const auto& [first, count] = ranges[draw(ranges.size())];
      nibble::append_utf8(first + draw(count), text);
    }
    return text;
  }
};

}  // namespace

TEST_CASE("letters and their marks are composed, in the order of Unicode") {
  CHECK(nfc("e\u0301") == "\u00e9");
  CHECK(nfc("o\u0323\u0302") == "\u1ed9");  // two marks
  CHECK(nfc("o\u0302\u0323") == "\u1ed9");  // in the other order
  CHECK(nfc("\u00f4\u0323") == "\u1ed9");   // the letter has one already
  CHECK(nfc("q\u0307\u0323") == "q\u0323\u0307");
  CHECK(nfc("a\u0300\u0301") == "\u00e0\u0301");  // a mark of the same class stands between
  CHECK(nfc("e\u0334\u0301") == "\u00e9\u0334");
  CHECK(nfc("\u1112\u1161\u11ab") == "\ud55c");  // Hangul, of two parts and of three
  CHECK(nfc("\ud558\u11ab") == "\ud55c");
  CHECK(nfc("\ud558\u11a7") == "\ud558\u11a7");
  CHECK(nfc("\ud55c\u11ab") == "\ud55c\u11ab");
  CHECK(nfc("\u212b\u2126\ufa1e") == "\u00c5\u03a9\u7fbd");       // written another way for good
  CHECK(nfc("\u0958\ufb2f") == "\u0915\u093c\u05d0\u05b8");       // never composed again
  CHECK(nfc("\U000105D2\u0307") == "\U000105C9");                 // of Unicode 16
  CHECK(nfc("\u09c7\u09be\u0344") == "\u09cb\u0308\u0301");       // what composes need not be a mark
  CHECK(nfc("\u0301e\u0301\u0301 x") == "\u0301\u00e9\u0301 x");  // a text may begin with a mark
  CHECK(nfc("one e\u0301 two e\u0301 three") == "one \u00e9 two \u00e9 three");
}

TEST_CASE("text that is composed is handed back as it is") {
  std::string room = "what was there";
  for (const std::string_view text :
       {"", "plain", "d\u00e9j\u00e0 vu", "\u4e2d\u6587 \ud55c\uad6d\uc5b4", "\u0301", "q\u0323\u0307", "\u0e17\u0e35\u0e48",
        "\u09ac\u09be\u0982\u09b2\u09be", "\xF0\x9F\x9A\x80"}) {
    CAPTURE(text);
    const std::string_view same = nibble::to_nfc(text, room);
    CHECK(same.data() == text.data());
    CHECK(same.size() == text.size());
  }
}

TEST_CASE("what is no UTF-8 stays, and nothing is composed across it") {
  for (const std::string bad : {"\xFF", "\x80", "\xCC", "\xE4\xB8", "\xED\xA0\x80", "\xF0\x9F\x98", "\xC0\xAF"}) {
    CHECK(nfc(bad) == bad);
    CHECK(nfc("e" + bad + "\u0301") == "e" + bad + "\u0301");
    CHECK(nfc("e\u0301" + bad) == "\u00e9" + bad);
    CHECK(nfc(bad + "e\u0301" + bad + "e\u0301") == bad + "\u00e9" + bad + "\u00e9");
    CHECK(nfc(bad + "\u0301") == bad + "\u0301");
    CHECK(nfc("\u0301\u0316" + bad) == "\u0316\u0301" + bad);
  }
}

TEST_CASE("all characters among marks, and ten thousand random texts, are composed as unicodedata2 does it") {
  std::string joined;
  std::size_t count = 0;
  const auto take = [&](const std::string& text) {
    const std::string composed = nfc(text);
    if (count % 16 == 0 && nfc(composed) != composed) FAIL_CHECK("composed twice, it changes: ", text);
    joined += composed;
    ++count;
  };
  for (char32_t code = 0; code < 0x110000; ++code) {
    if (code >= 0xD800 && code < 0xE000) continue;
    std::string text = "a";
    nibble::append_utf8(code, text);
    text += "\u0334\u0316\u0301";
    nibble::append_utf8(code, text);
    take(text + "\u0345");
  }
  nfc_texts texts;
  for (int i = 0; i < 10000; ++i) take(texts.next());
  const auto sum = nibble_test::sha256(std::as_bytes(std::span(joined)));
  CHECK(std::to_string(count) + " " + sum + "\n" == nibble_test::text_of(nibble_test::golden("text/nfc.sha256")));
}

TEST_CASE("a million marks on one letter take no more time than they do on many") {
  if (NIBBLE_TEST_SANITIZED) return;
  for (const std::string_view marks : {"\u0301", "\u0301\u0316", "\u0316\u0301", "\u1161", "\u09be", "\u0345\u0334"}) {
    const std::string text = "a" + repeated(marks, 1000000);
    const std::clock_t from = std::clock();  // of this process
    const std::string composed = nfc(text);
    CHECK(static_cast<double>(std::clock() - from) / CLOCKS_PER_SEC < 1);  // a quadratic sort takes minutes
    CHECK(nfc(composed) == composed);
  }
}
