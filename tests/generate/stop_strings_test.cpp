#include "nibble/generate/stop_strings.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "nibble/core/rng.hpp"

using nibble::stop_filter;

namespace {
struct outcome {
  std::string text;
  std::string stop;
  bool operator==(const outcome&) const = default;
};

/// Feeds the text in pieces of the given sizes, over and over.
outcome filtered(const std::vector<std::string>& stops, std::string_view text, const std::vector<std::size_t>& sizes) {
  stop_filter filter(stops);
  outcome out;
  for (std::size_t i = 0, at = 0; at < text.size(); ++i) {
    const std::string_view piece = text.substr(at, sizes[i % sizes.size()]);
    out.text += filter.feed(piece);
    at += piece.size();
  }
  out.text += filter.flush();
  out.stop = filter.stop();
  CHECK(filter.stopped() == !out.stop.empty());
  return out;
}

/// The definition: the stop string that ends first, of those the longest.
outcome expected(const std::vector<std::string>& stops, std::string_view text) {
  for (std::size_t end = 1; end <= text.size(); ++end) {
    std::string_view best;
    for (const std::string& stop : stops)
      if (text.substr(0, end).ends_with(stop) && stop.size() > best.size()) best = stop;
    if (!best.empty()) return {std::string(text.substr(0, end - best.size())), std::string(best)};
  }
  return {std::string(text), ""};
}
}  // namespace

TEST_CASE("the example of the documentation does what it says") {
  const std::vector<std::string> stops{"\nUser:"};
  stop_filter filter(stops);
  CHECK(filter.feed("Hello.\nUs") == "Hello.");
  CHECK(filter.feed("e this:\nUser: x") == "\nUse this:");
  CHECK(filter.stopped());
  CHECK(filter.stop() == "\nUser:");
  CHECK(filter.feed("more").empty());
  CHECK(filter.flush().empty());
}

TEST_CASE("however a text is cut, the same comes out, and it is what the definition says") {
  const std::vector<std::vector<std::string>> sets{{"stop"},    {"aab", "ab"},     {"abab", "bab", "b\n"},
                                                   {"aaaa"},    {"abcd", "bc"},    {"xab", "ab"},
                                                   {"", "aba"}, {"ababac", "abac"}};
  nibble::rng random(11);
  for (const auto& stops : sets)
    for (int round = 0; round < 300; ++round) {
      std::string text;
      for (int i = 0; i < 24; ++i) text += "aabbcx\n"[random() % 7];
      if (round % 3 == 0) text += stops.back() + "tail";
      const outcome right = expected(stops, text);
      CHECK(filtered(stops, text, {1}) == right);
      CHECK(filtered(stops, text, {3}) == right);
      CHECK(filtered(stops, text, {1, 5, 2, 7}) == right);
      CHECK(filtered(stops, text, {text.size()}) == right);
    }
}

TEST_CASE("the beginning of a stop string is held back, and released when it turns out to be none") {
  const std::vector<std::string> stops{"<end>"};
  stop_filter filter(stops);
  CHECK(filter.feed("a<") == "a");
  CHECK(filter.feed("e") == "");
  CHECK(filter.feed("n") == "");
  CHECK(filter.feed("<") == "<en");
  CHECK(filter.feed("x") == "<x");
  CHECK(filter.feed("<en") == "");
  CHECK(filter.flush() == "<en");
  CHECK(filter.flush() == "");
  CHECK(filter.feed("d>") == "d>");  // the held text was given away: it cannot begin a stop string any more
  CHECK_FALSE(filter.stopped());
}

TEST_CASE("without stop strings, or with empty ones only, text passes untouched") {
  const std::vector<std::string> empty{"", ""};
  stop_filter none, hollow(empty);
  const std::string_view piece = "text";
  CHECK(none.feed(piece).data() == piece.data());
  CHECK(hollow.feed(piece).data() == piece.data());
  CHECK(hollow.flush().empty());
  CHECK_FALSE(hollow.stopped());
}

TEST_CASE("a filter serves another text after reset") {
  const std::vector<std::string> stops{"ab"};
  stop_filter filter(stops);
  CHECK(filter.feed("xab") == "x");
  filter.reset();
  CHECK_FALSE(filter.stopped());
  CHECK(filter.stop().empty());
  CHECK(filter.feed("a") == "");
  filter.reset();
  CHECK(filter.feed("b") == "b");
}

TEST_CASE("whole UTF-8 in gives whole UTF-8 out") {
  const std::vector<std::string> stops{"\xc3\xa9"};  // e with an acute accent
  stop_filter filter(stops);
  CHECK(filter.feed("\xc3\xa8") == "\xc3\xa8");
  CHECK(filter.feed("caf\xc3\xa9s") == "caf");
  CHECK(filter.stopped());
}

TEST_CASE("a stop string that begins within a character takes all of it off, and holds it back as a whole") {
  const std::vector<std::string> inner{"\xa9x"}, last{"\xa9"};
  stop_filter filter(inner);
  CHECK(filter.feed("caf\xc3\xa9") == "caf");
  CHECK(filter.feed(" x") == "\xc3\xa9 x");
  CHECK(filter.feed("\xc3\xa9x").empty());
  CHECK(filter.stopped());
  stop_filter at_once(last);
  CHECK(at_once.feed("caf\xc3\xa9!") == "caf");
  CHECK(at_once.stopped());
  const std::vector<std::string> of_four{"\x80x"};  // of an emoji, whose third byte is one, too
  stop_filter emoji(of_four);
  CHECK(emoji.feed("a\xf0\x9f\x98\x80") == "a");
  CHECK(emoji.flush() == "\xf0\x9f\x98\x80");
}

TEST_CASE("a million equal letters against a stop string of them take no longer than others") {
  const std::vector<std::string> stops{std::string(1000, 'a') + "b", std::string(500, 'a') + "c"};
  stop_filter filter(stops);
  const std::string piece(1000, 'a');
  std::size_t out = 0;
  for (int i = 0; i < 1000; ++i) out += filter.feed(piece).size();
  CHECK(out == 1'000'000 - 1000);
  CHECK(filter.feed("b").empty());
  CHECK(filter.stopped());
}

TEST_CASE("long text that is held back is not moved at each piece: many letters against 100,000 of them") {
  const std::vector<std::string> stops{std::string(100'000, 'a') + "b"};
  stop_filter filter(stops);
  std::size_t out = 0;
  for (int i = 0; i < 2'000'000; ++i) out += filter.feed("a").size();  // 200 GB would move
  CHECK(out == 1'900'000);
  CHECK(filter.feed("b").empty());
  CHECK(filter.stopped());
  CHECK(filter.stop() == stops[0]);
}
