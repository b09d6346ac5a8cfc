/// Sessions, schedulers and batches whose texts keep heavy hitters.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "generate/outgrown.hpp"
#include "nibble/core/checksum.hpp"
#include "nibble/generate/saved_session.hpp"

using namespace nibble_test;
using nibble::context_policy;

namespace {
nibble::session_options room_of(std::size_t chunk = 16) {
  return {.context = 192, .prefill_chunk = chunk, .forks = 1, .when_full = context_policy::heavy_hitters(64)};
}
/// A saved session that says that it has forgotten so many positions.
std::vector<std::byte> forgetting(std::vector<std::byte> saved, std::uint64_t positions) {
  std::memcpy(saved.data() + offsetof(nibble::detail::saved_header, forgotten), &positions, sizeof(positions));
  const std::uint64_t sum = nibble::detail::checksum(std::span(saved).first(saved.size() - sizeof(sum)));
  std::memcpy(saved.data() + saved.size() - sizeof(sum), &sum, sizeof(sum));
  return saved;
}
}  // namespace

TEST_CASE("a session that keeps heavy hitters goes on behind its context, and holds the last tokens of its text") {
  nibble::session s(llama(), room_of());
  tokens all = some_tokens(60, llama());
  const reply r = answer(s, all, 500);
  CHECK(r.reason == finish::max_tokens);
  REQUIRE(r.ids.size() == 500);
  all.insert(all.end(), r.ids.begin(), r.ids.end());
  REQUIRE(s.tokens().size() + s.forgotten() == all.size());
  CHECK(s.tokens().size() <= s.context() + 1);
  CHECK(s.forgotten() % 64 == 0);
  CHECK(std::equal(s.tokens().begin(), s.tokens().end(), all.end() - std::ptrdiff_t(s.tokens().size())));
}

TEST_CASE("a prompt may be longer than what is kept of it, in any chunks") {
  const tokens prompt = some_tokens(333, llama());
  nibble::session one(llama(), room_of(1)), many(llama(), room_of(50));
  const reply expected = answer(one, prompt, 150);
  CHECK(answer(many, prompt, 150).ids == expected.ids);
  CHECK(one.forgotten() == many.forgotten());
  CHECK(one.stats().prompt_tokens == 333);
}

TEST_CASE("forks and saved states of a session that keeps heavy hitters go on as it does") {
  for (const std::size_t length : {50, 192, 300}) {
    nibble::session s(llama(), room_of());
    answer(s, some_tokens(length, llama()), 33);
    const auto saved = s.save();
    nibble::session other = s.fork();
    const reply expected = answer(s, {}, 170);
    CHECK(answer(other, {}, 170).ids == expected.ids);
    nibble::session later(llama(), room_of(7));
    answer(later, some_tokens(20, llama()), 3);
    later.load(saved);
    CHECK(later.save() == saved);
    CHECK(answer(later, {}, 170).ids == expected.ids);
  }
}

TEST_CASE("what keeps heavy hitters is saved for what keeps as many, and for nothing else") {
  const auto said = [](nibble::session& s, const std::vector<std::byte>& saved) {
    const auto loaded = s.try_load(saved);
    REQUIRE(!loaded);
    return std::string(loaded.failure().what());
  };
  const std::string expected = "saved session: it is of another session_options::when_full";
  for (const std::size_t length : {20, 300}) {
    nibble::session s(llama(), room_of()), stops(llama(), {.context = 192}), other(llama(), room_of(7));
    answer(s, some_tokens(length, llama()), 3);
    other.load(s.save());
    nibble::session shifts(llama(), {.context = 192, .when_full = nibble::context_policy::shift(64, 64)});
    nibble::session larger(llama(), {.context = 256, .when_full = context_policy::heavy_hitters(64)});
    nibble::session later(llama(), {.context = 256, .when_full = context_policy::heavy_hitters(128)});
    for (nibble::session* foreign : {&stops, &shifts, &larger, &later}) CHECK(said(*foreign, s.save()) == expected);
    answer(stops, some_tokens(20, llama()), 3);
    CHECK(said(s, stops.save()) == expected);
    answer(shifts, some_tokens(length, llama()), 3);
    CHECK(said(s, shifts.save()) == expected);
    CHECK(said(s, forgetting(s.save(), s.tokens().size() + s.forgotten() + 1)) ==
          "saved session: its header contradicts itself");
  }
}

TEST_CASE("what is saved of a session that keeps heavy hitters says nothing of what its memory held before") {
  for (const std::size_t length : {50, 300}) {
    nibble::session s(llama(), room_of()), clean(llama(), room_of());
    answer(s, some_tokens(250, llama()), 30);
    s.truncate(0);
    for (nibble::session* of : {&s, &clean}) answer(*of, some_tokens(length, llama()), 0);
    CHECK(s.save() == clean.save());
  }
}

TEST_CASE("a session that is cut back behind its last choice goes on from there, and else reads again what it has") {
  const tokens prompt = some_tokens(100, llama()), more = some_tokens(30, llama());
  nibble::session s(llama(), room_of()), fresh(llama(), room_of());
  answer(s, prompt, 40);
  s.truncate(120);
  const tokens kept(s.tokens().begin(), s.tokens().end());
  const reply r = answer(s, more, 20);
  answer(fresh, kept, 0);
  CHECK(answer(fresh, more, 20).ids == r.ids);
  answer(s, some_tokens(300, llama()), 40);
  REQUIRE(s.forgotten() > 0);
  s.truncate(40);
  const tokens left(s.tokens().begin(), s.tokens().end());
  CHECK(s.forgotten() == 0);
  nibble::session again(llama(), room_of());
  answer(again, left, 0);
  CHECK(answer(again, more, 20).ids == answer(s, more, 20).ids);
}

TEST_CASE("a scheduler's answers keep heavy hitters as those of sessions do, also where they had to make room") {
  check_schedulers(room_of(), {1, 40, 300, 193, 192}, 250);
}

TEST_CASE("replies side by side keep heavy hitters as those of sessions do") { check_side_by_side(room_of()); }
