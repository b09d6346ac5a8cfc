#include "nibble/text/unicode.hpp"

#include <doctest/doctest.h>

#include <array>

using nibble::char_class;
using nibble::class_of;

static_assert(class_of(U'é') == char_class::letter);

TEST_CASE("characters are of the classes that Unicode gives them") {
  struct row {
    char32_t code;
    char_class expected;
  };
  const row rows[] = {
      {U'a', char_class::letter},     {U'9', char_class::number},       {U'_', char_class::punctuation},
      {U'$', char_class::symbol},     {U' ', char_class::whitespace},   {U'\n', char_class::whitespace},
      {0x1C, char_class::other},  // a separator to some, but not White_Space
      {0x85, char_class::whitespace}, {0xA0, char_class::whitespace},   {0x180E, char_class::other},
      {0x200B, char_class::other},    {0x3000, char_class::whitespace}, {0x0301, char_class::mark},
      {0x0663, char_class::number},   {0x2167, char_class::number},  // Roman numeral eight
      {0x2581, char_class::symbol},   {0x4E00, char_class::letter},     {0xD800, char_class::other},
      {0xFFFD, char_class::symbol},   {0x1F600, char_class::symbol},    {0x20000, char_class::letter},
      {0xE0100, char_class::mark},    {0x31350, char_class::letter},    {0x323AF, char_class::letter},  // of Unicode 15.0
      {0x2EBF0, char_class::letter},                                                                    // of 15.1
      {0x10D40, char_class::number},  {0x1C89, char_class::letter},     {0x897, char_class::mark},      // of 16.0
      {0x16FF4, char_class::other},                                                                     // not yet
      {0x10FFFF, char_class::other},  {0x110000, char_class::other},    {0xFFFFFFFF, char_class::other}};
  for (const row& r : rows) {
    CAPTURE(static_cast<unsigned>(r.code));
    CHECK(class_of(r.code) == r.expected);
  }
}

TEST_CASE("the tables say which Unicode they are of") { CHECK(nibble::unicode_version == "16.0.0"); }

TEST_CASE("letters have the case that Unicode gives them, and there are as many as in Unicode 16") {
  using nibble::case_of;
  using nibble::letter_case;
  for (const char32_t code : {U'A', U'Z', U'É', char32_t{0x1C5}, char32_t{0x10400}}) CHECK(case_of(code) == letter_case::upper);
  for (const char32_t code : {U'a', U'z', U'ß', char32_t{0x10428}}) CHECK(case_of(code) == letter_case::lower);
  for (const char32_t code : {U'@', U'[', U'`', U'{', U'9', U'ª', U'中', char32_t{0x110000}, char32_t{0xFFFFFFFF}})
    CHECK(case_of(code) == letter_case::none);
  std::array<std::size_t, 3> counts{};
  for (char32_t code = 0; code < 0x110000; ++code) {
    ++counts[static_cast<std::size_t>(case_of(code))];
    if (case_of(code) != letter_case::none) REQUIRE(class_of(code) == char_class::letter);
  }
  CHECK(counts[1] == 1858 + 31);  // Lu and Lt of UnicodeData.txt 16.0.0
  CHECK(counts[2] == 2258);       // Ll
}

TEST_CASE("the quick look-up agrees with a walk through the runs, and the classes are as large as in Unicode 16") {
  std::array<std::size_t, 7> counts{};
  std::size_t run = 0, wrong = 0;
  const auto& runs = nibble::detail::unicode_runs;
  for (char32_t code = 0; code < 0x110000; ++code) {
    while (run + 1 < runs.size() && runs[run + 1] >> 3 <= code) ++run;
    if (class_of(code) != static_cast<char_class>(runs[run] & 7u)) ++wrong;
    ++counts[static_cast<std::size_t>(class_of(code))];
  }
  CHECK(wrong == 0);
  // Letters, marks, numbers, punctuation, symbols and whitespace of UnicodeData.txt 16.0.0 (and its ranges).
  CHECK(counts[1] == 141028);
  CHECK(counts[2] == 2501);
  CHECK(counts[3] == 1911);
  CHECK(counts[4] == 855);
  CHECK(counts[5] == 8514);
  CHECK(counts[6] == 25);
}
