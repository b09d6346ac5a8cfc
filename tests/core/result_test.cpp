#include "nibble/error.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using namespace nibble;

namespace {

/// How many values live, and how many moves are left until one throws; none does below zero.
struct counts {
  int alive = 0;
  int moves = -1;
};

struct counted {
  counted(counts& all, int is) : of(&all), number(is) { ++of->alive; }
  counted(const counted& other) : of(other.of), number(other.number) { ++of->alive; }
  counted(counted&& other) : of(other.of), number(other.number) {
#if NIBBLE_EXCEPTIONS
    if (of->moves == 0) throw error(errc::out_of_memory, "no more moves");
#endif
    --of->moves;
    ++of->alive;
  }
  counted& operator=(const counted&) = delete;
  ~counted() { --of->alive; }

  counts* of;
  int number;
};

}  // namespace

TEST_CASE("a result holds a value or an error, and ends what it held once") {
  counts all;
  const error missing(errc::missing_key, "no key of a name that is too long to stand in the string itself");
  for (const bool had : {false, true}) {
    for (const bool gets : {false, true}) {
      for (const bool moved : {false, true}) {
        CAPTURE(had);
        CAPTURE(gets);
        CAPTURE(moved);
        {
          result<counted> to = had ? result<counted>(counted(all, 1)) : result<counted>(missing);
          result<counted> from = gets ? result<counted>(counted(all, 2)) : result<counted>(missing);
          CHECK(all.alive == had + gets);
          if (moved) {
            to = std::move(from);
          } else {
            to = from;
          }
          CHECK(all.alive == 2 * gets);
          REQUIRE(to.has_value() == gets);
          CHECK(from.has_value() == gets);
          if (gets) {
            CHECK(to->number == 2);
          } else {
            CHECK(to.failure().code() == errc::missing_key);
            CHECK(std::string(to.failure().what()) == missing.what());
          }
          const result<counted> copy = to;
          const result<counted> taken = std::move(to);
          CHECK(all.alive == 4 * gets);
          CHECK((copy.has_value() == gets && taken.has_value() == gets));
        }
        CHECK(all.alive == 0);
      }
    }
  }
}

TEST_CASE("a result may be given what it holds itself") {
  result<std::string> text = std::string("longer than what stands in the string itself");
  result<std::string>& same = text;
  text = same;
  CHECK(*text == "longer than what stands in the string itself");
  text = std::move(same);
  CHECK(*text == "longer than what stands in the string itself");

  struct node {
    std::vector<result<node>> below;
    int number = 0;
  };
  result<node> tree = node{};
  tree->below.emplace_back(node{{}, 7});
  tree = std::move(tree->below.front());
  CHECK(tree->number == 7);
}

TEST_CASE("a result is copied where its value is, and moves without an exception where its value does") {
  static_assert(std::is_copy_constructible_v<result<std::string>> && std::is_copy_assignable_v<result<std::string>>);
  static_assert(!std::is_copy_constructible_v<result<std::unique_ptr<int>>> &&
                !std::is_copy_assignable_v<result<std::unique_ptr<int>>>);
  static_assert(std::is_nothrow_move_constructible_v<result<std::unique_ptr<int>>>);
  static_assert(std::is_nothrow_move_assignable_v<result<std::unique_ptr<int>>>);
  static_assert(!std::is_nothrow_move_constructible_v<result<counted>>);
  result<std::unique_ptr<int>> one = std::make_unique<int>(1);
  result<std::unique_ptr<int>> other = std::move(one);
  CHECK(**other == 1);
}

#if NIBBLE_EXCEPTIONS
TEST_CASE("a move that throws while a result is assigned leaves what it held, or nothing") {
  counts all;
  {
    result<counted> to = counted(all, 1);
    result<counted> from = counted(all, 2);
    all.moves = 0;
    CHECK_THROWS_AS(to = std::move(from), error);
    REQUIRE(to.has_value());
    CHECK(to->number == 1);
    all.moves = 1;
    CHECK_THROWS_AS(to = std::move(from), error);
    CHECK(!to.has_value());
    CHECK(all.alive == 1);
    all.moves = -1;
    to = std::move(from);
    REQUIRE(to.has_value());
    CHECK(to->number == 2);
  }
  CHECK(all.alive == 0);
}
#endif
