#include "nibble/text/special_tokens.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <ctime>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "support/sanitized.hpp"

using nibble::special_tokens;
using nibble::token;

namespace {

special_tokens made_of(const std::vector<std::string>& texts) {
  special_tokens out;
  for (std::size_t i = 0; i < texts.size(); ++i) out.add(texts[i], static_cast<token>(i));
  REQUIRE_FALSE(out.finish());
  return out;
}

/// Looks at every place for every token.
std::vector<special_tokens::match> naive(const std::vector<std::string>& texts, std::string_view text) {
  std::vector<special_tokens::match> out;
  for (std::size_t at = 0; at < text.size();) {
    special_tokens::match best{-1, at, 0};
    for (std::size_t i = 0; i < texts.size(); ++i)
      if (texts[i].size() > best.size && text.substr(at).starts_with(texts[i]))
        best = {static_cast<token>(i), at, texts[i].size()};
    if (best.size > 0) out.push_back(best);
    at += std::max<std::size_t>(best.size, 1);
  }
  return out;
}

double seconds_of_million(const std::vector<std::string>& texts, std::string_view part) {
  const special_tokens set = made_of(texts);
  std::string text;
  while (text.size() < 1'000'000) text += part;
  std::vector<special_tokens::match> found;
  const std::clock_t begin = std::clock();
  set.find_all(text, found);
  return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
}

}  // namespace

TEST_CASE("special tokens are found leftmost and longest, as by trying each at each place") {
  std::uint32_t seed = 1;
  const auto draw = [&](std::uint32_t below) { return ((seed = seed * 1664525u + 1013904223u) >> 16) % below; };
  std::vector<special_tokens::match> found;
  for (int round = 0; round < 3000; ++round) {
    const std::uint32_t letters = 1 + draw(3);
    const auto word = [&](std::uint32_t size) {
      std::string out;
      while (out.size() < size) out += static_cast<char>(static_cast<unsigned char>(0xFF - draw(letters)));
      return out;
    };
    std::set<std::string> distinct;
    for (std::uint32_t n = 1 + draw(8); n-- > 0;) distinct.insert(word(1 + draw(6)));
    const std::vector<std::string> texts(distinct.begin(), distinct.end());
    const special_tokens set = made_of(texts);
    const std::string text = word(draw(40));
    CAPTURE(text);
    set.find_all(text, found);
    const auto right = naive(texts, text);
    REQUIRE(found.size() == right.size());
    for (std::size_t i = 0; i < right.size(); ++i) {
      REQUIRE(found[i].id == right[i].id);
      REQUIRE(found[i].begin == right[i].begin);
      REQUIRE(found[i].size == right[i].size);
    }
    for (std::size_t i = 0; i < texts.size(); ++i) REQUIRE(set.find(texts[i]) == static_cast<token>(i));
    const std::string other = word(draw(7));
    REQUIRE(set.find(other).has_value() == (distinct.count(other) > 0));
  }
}

TEST_CASE("a set of no special tokens finds none, and one that is there twice is named") {
  special_tokens none;
  CHECK_FALSE(none.finish());
  CHECK(none.empty());
  CHECK_FALSE(none.find("a"));
  std::vector<special_tokens::match> found{{1, 2, 3}};
  none.find_all("abc", found);
  CHECK(found.empty());

  special_tokens twice;
  twice.add("ab", 7);
  twice.add("abc", 8);
  twice.add("ab", 9);
  CHECK(twice.finish() == 9);
}

TEST_CASE("special tokens are found a window at a time, and few are kept, however long the text is") {
  const std::vector<std::string> sets[] = {{"a"},
                                           {"aa", "aaa"},
                                           {"b", std::string(4095, 'a')},
                                           {std::string(10'000, 'a') + 'b', "a"},
                                           {"ab", "ba", "bb" + std::string(4094, 'a')}};
  for (const auto& texts : sets) {
    CAPTURE(texts.front().size());
    const special_tokens set = made_of(texts);
    for (const std::string_view part : {std::string_view("a"), std::string_view("aab")}) {
      std::string text;
      while (text.size() < 50'000) text += part;
      for (const std::size_t size : {4095, 4096, 4097, 8192, 12'289, 50'000}) {
        const std::string_view shown = std::string_view(text).substr(0, size);
        std::vector<special_tokens::match> all, some;
        set.find_all(shown, all);
        std::size_t count = 0, end = 0, most = 0;
        for (std::size_t at = 0; at < size;) {
          at = set.find_some(shown, at, some);
          most = std::max(most, some.capacity());
          for (const auto& m : some) {
            REQUIRE(count < all.size());
            const bool same = m.id == all[count].id && m.begin == all[count].begin && m.size == all[count].size;
            REQUIRE(same);
            ++count, end = m.begin + m.size;
          }
          REQUIRE(end <= at);
        }
        CHECK(count == all.size());
        CHECK(most <= 16'384);  // and not a place for each letter
        const auto right = naive(texts, shown);
        REQUIRE(right.size() == all.size());
        for (std::size_t i = 0; i < all.size(); ++i) {
          const bool same = right[i].id == all[i].id && right[i].begin == all[i].begin;
          REQUIRE(same);
        }
      }
    }
  }
}

TEST_CASE("special tokens that were made to be confused are found in a million bytes within seconds") {
  if (NIBBLE_TEST_SANITIZED) return;
  std::vector<std::string> ends, beginnings, chain;
  for (std::size_t n = 0; n < 60; ++n) {
    ends.push_back(std::string(1000 - n, 'a') + 'b');
    beginnings.push_back('b' + std::string(1000 - n, 'a'));
  }
  for (std::size_t n = 1; n <= 1000; ++n) chain.emplace_back(n, 'a');
  std::string halves;
  for (int n = 0; n < 500; ++n) halves += "ab";
  const std::string giant(65'536, 'a');
  CHECK(seconds_of_million(ends, "a") < 4);
  CHECK(seconds_of_million(beginnings, "a") < 4);
  CHECK(seconds_of_million(chain, "a") < 4);
  CHECK(seconds_of_million({giant + 'b', "a", "aa"}, "a") < 4);
  CHECK(seconds_of_million({'b' + giant, "a"}, "a") < 4);
  CHECK(seconds_of_million({halves + 'c', 'c' + halves, "ab", "ba"}, "ab") < 4);
  CHECK(seconds_of_million({halves + 'c', "aa" + halves}, std::string(999, 'a') + 'b') < 4);
}
