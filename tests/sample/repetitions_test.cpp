#include "nibble/sample/repetitions.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <vector>

#include "sample/after.hpp"

using nibble::token;

namespace {
/// The same by its meaning: every earlier place, token by token.
std::map<token, std::size_t> plain(const std::vector<token>& text, std::size_t least, std::size_t most) {
  std::map<token, std::size_t> found;
  for (std::size_t next = 0; next < text.size(); ++next) {
    std::size_t length = 0;
    while (length < next && text[next - 1 - length] == text[text.size() - 1 - length]) ++length;
    length = std::min(length, most);
    if (length < least) continue;
    auto [at, fresh] = found.try_emplace(text[next], length);
    at->second = std::max(at->second, length);
  }
  return found;
}
}  // namespace

TEST_CASE("repetitions are those that a plain search finds, whatever the text") {
  nibble::detail::repetitions search;
  search.reserve(300);
  for (std::uint32_t seed = 0; seed < 400; ++seed) {
    const std::size_t words = 1 + seed % 5, n = seed % 90;
    std::vector<token> text;
    for (const std::uint32_t x : nibble_test::integers(n, seed)) text.push_back(token(x / 7 % words * 1000));
    for (const std::size_t least : {0, 1, 2, 5})
      for (const std::size_t most : {std::size_t{2}, std::size_t{5}, text.size()}) {
        search.find(text, least, most);
        const auto expected = plain(text, least, most);
        std::map<token, std::size_t> found;
        search.for_each([&](token id, std::size_t length) { found[id] = length; });
        REQUIRE(found == expected);
        CHECK(search.empty() == expected.empty());
        for (token id = -2; id < 5000; id += 500) {
          std::size_t length = 99;
          const bool there = expected.contains(id);
          REQUIRE(search.contains(id, length) == there);
          if (there) CHECK(length == expected.at(id));
        }
      }
  }
}

TEST_CASE("a text of ids that are no tokens repeats nothing") {
  nibble::detail::repetitions search;
  search.find(std::vector<token>(20, nibble::no_token), 0, 20);
  CHECK(search.empty());
  search.find(std::vector<token>{-7, 3, -7, 3, -7}, 1, 20);
  std::size_t length = 0;
  CHECK(search.contains(3, length));
  CHECK(length == 3);
}

TEST_CASE("tokens whose places in a table are the same are told apart") {
  nibble::detail::repetitions search;
  std::vector<token> text;
  for (token id = 0; id < 2000; ++id) text.push_back(id * 4096 % 8388608), text.push_back(5);
  search.find(text, 1, 9);
  std::size_t count = 0, length = 0;
  search.for_each([&](token, std::size_t) { ++count; });
  CHECK(count == plain(text, 1, 9).size());
  CHECK(search.contains(4096, length));
  CHECK_FALSE(search.contains(4097, length));
}
