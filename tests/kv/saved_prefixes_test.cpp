/// Prefix caches that are saved and loaded: what comes back is what there was, the last used first, and nothing gives way.
#include "nibble/kv/saved_prefixes.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "kv/prefix_reader.hpp"
#include "nibble/core/checksum.hpp"

using namespace nibble_test;
using memory = std::vector<std::byte>;

namespace {
constexpr std::uint64_t model = 77;

memory saved_of(kv_pool& pool) {
  memory out;
  vector_sink sink(out);
  saved_prefixes::save(pool, model, sink);
  return out;
}
/// How much of a text is there, and whether it is what it should be.
std::size_t length_of(const std::vector<kv_shape>& layers, kv_pool& pool, const tokens& text) {
  reader probe{layers, sequence::create(pool)};
  const std::size_t length = probe.recall(text);
  CHECK(probe.whole());
  return length;
}
void read(const std::vector<kv_shape>& layers, kv_pool& pool, const tokens& text) {
  reader r{layers, sequence::create(pool)};
  r.recall(text);
  r.read(text);
}
/// The same memory after `change` of some of its numbers, with a checksum that is right.
template <class T, class F>
memory with(const memory& saved, std::size_t offset, F&& change) {
  memory out = saved;
  T value;
  std::memcpy(&value, out.data() + offset, sizeof(value));
  change(value);
  std::memcpy(out.data() + offset, &value, sizeof(value));
  const std::uint64_t sum = nibble::detail::checksum(std::span(out).first(out.size() - 8));
  std::memcpy(out.data() + out.size() - 8, &sum, 8);
  return out;
}
std::string said_of(kv_pool& pool, const memory& wrong, std::uint64_t of = model) {
  const auto done = saved_prefixes::try_load(pool, of, wrong);
  REQUIRE(!done);
  return std::string(done.failure().what());
}
using header = saved_prefixes::header;
}  // namespace

TEST_CASE("what is saved is there again, with every branch, and is saved again as the same bytes") {
  for (const auto& layers : kinds_of_layers) {
    const auto pool = kv_pool::create(layers, room_of(3, 0, 20)), other = kv_pool::create(layers, room_of(3, 0, 20));
    CHECK(length_of(layers, *other, text_of(320)) == 0);
    tokens branch = text_of(320);
    branch[200] = 99;
    for (const tokens& text : {text_of(320), branch, text_of(130, 500)}) read(layers, *pool, text);
    const memory saved = saved_of(*pool);
    const auto used = other->used();
    saved_prefixes::load(*other, model, saved);
    CHECK(other->used().pages == used.pages);
    CHECK(other->used().states == used.states);
    CHECK(other->cached().pages == pool->cached().pages);
    CHECK(other->cached().states == pool->cached().states);
    CHECK(saved_of(*other) == saved);
    saved_prefixes::load(*other, model, saved);  // all is there
    CHECK(saved_of(*other) == saved);
    for (const tokens& text : {text_of(320), branch, text_of(130, 500)})
      CHECK(length_of(layers, *other, text) == text.size() / page_positions * page_positions);
    CHECK(length_of(layers, *other, text_of(130, 400)) == 0);
  }
}

TEST_CASE("where there is less memory, what was used last is loaded, and of a text its beginning") {
  const auto& layers = kinds_of_layers[0];
  const std::size_t page = kv_page_bytes<f16>(layers[0]);
  const auto pool = kv_pool::create(layers, room_of(2, 12 * page));
  const tokens a = text_of(256, 1000), b = text_of(256, 2000), c = text_of(256, 3000);
  for (const tokens& text : {a, b, c, a}) read(layers, *pool, text);
  const memory saved = saved_of(*pool);
  const auto small = kv_pool::create(layers, room_of(2, 6 * page));
  saved_prefixes::load(*small, model, saved);
  CHECK(small->cached().pages == 6 * page);
  CHECK(length_of(layers, *small, b) == 0);
  CHECK(length_of(layers, *small, c) == 128);
  CHECK(length_of(layers, *small, a) == 256);
}

TEST_CASE("nothing gives way to what is loaded, and that is the first to go, the oldest of it before the rest") {
  const auto& layers = kinds_of_layers[0];
  const std::size_t page = kv_page_bytes<f16>(layers[0]);
  const auto pool = kv_pool::create(layers, room_of(2, 12 * page)), other = kv_pool::create(layers, room_of(2, 12 * page));
  const tokens a = text_of(256, 1000), b = text_of(256, 2000), c = text_of(256, 3000), own = text_of(256, 4000);
  for (const tokens& text : {a, b, c}) read(layers, *pool, text);
  read(layers, *other, own);
  saved_prefixes::load(*other, model, saved_of(*pool));
  CHECK(other->cached().pages == 12 * page);
  read(layers, *other, text_of(64, 5000));  // the last page of b gives way
  CHECK(length_of(layers, *other, own) == 256);
  CHECK(length_of(layers, *other, a) == 0);
  CHECK(length_of(layers, *other, b) == 192);
  CHECK(length_of(layers, *other, c) == 256);
}

TEST_CASE("a prefix cache keeps what depends on more than tokens apart when it is loaded, too") {
  const auto& layers = kinds_of_layers[1];
  const auto pool = kv_pool::create(layers, room_of(2)), other = kv_pool::create(layers, room_of(2));
  reader r{layers, sequence::create(*pool)};
  const tokens text = text_of(64);
  REQUIRE(r.add(text));
  r.s.remember(text, 7);
  saved_prefixes::load(*other, model, saved_of(*pool));
  reader same{layers, sequence::create(*other)}, different{layers, sequence::create(*other)};
  CHECK(same.s.recall(text, 7) == 64);
  CHECK(different.s.recall(text, 8) == 0);
}

TEST_CASE("a saved prefix cache that is cut anywhere, or has one bit of any byte flipped, is an error that changes nothing") {
  const std::vector<kv_shape> layers{{1, 8, 4, 70}, {1, 4, 8, 0, 5}};
  const auto pool = kv_pool::create(layers, room_of(1)), other = kv_pool::create(layers, room_of(1));
  read(layers, *pool, text_of(130));
  read(layers, *other, text_of(64, 300));
  const memory saved = saved_of(*pool), before = saved_of(*other);
  for (std::size_t size = 0; size < saved.size(); ++size) {
    const auto done = saved_prefixes::try_load(*other, model, std::span(saved).first(size));
    REQUIRE(!done);
    REQUIRE(done.failure().code() == errc::truncated);
  }
  memory flipped = saved;
  for (std::size_t i = 0; i < saved.size(); ++i) {
    flipped[i] ^= std::byte(1u << i % 8);
    REQUIRE(!saved_prefixes::try_load(*other, model, flipped));
    flipped[i] = saved[i];
  }
  flipped.push_back({});
  CHECK(saved_prefixes::try_load(*other, model, flipped).failure().code() == errc::malformed);
  CHECK(saved_of(*other) == before);
  saved_prefixes::load(*other, model, saved);
  CHECK(length_of(layers, *other, text_of(130)) == 128);
  CHECK(length_of(layers, *other, text_of(64, 300)) == 64);
}

TEST_CASE("what does not fit says so in a sentence, and changes nothing") {
  const auto& layers = kinds_of_layers[1];
  const auto pool = kv_pool::create(layers, room_of(2)), other = kv_pool::create(layers, room_of(2));
  read(layers, *pool, text_of(200));
  const memory saved = saved_of(*pool), before = saved_of(*other);
  const auto headed = [&](auto&& change) { return said_of(*other, with<header>(saved, 0, change)); };
  CHECK(headed([](header& h) { h.magic[6] = 'S'; }) == "saved prefix cache: this is none");
  CHECK(headed([](header& h) { h.version = 2; }) == "saved prefix cache: version: expected 1, found 2");
  CHECK(headed([](header& h) { ++h.fingerprint; }) == "saved prefix cache: it is of another model");
  for (auto field : {&header::keys, &header::values, &header::rotated})
    CHECK(headed([&](header& h) { ++(h.*field); }) == "saved prefix cache: keys and values are of another format");
  CHECK(headed([](header& h) { ++h.kinds; }) == "saved prefix cache: its layers see less or more of a text");
  CHECK(headed([](header& h) { h.nodes = ~0u; }).find("saved prefix cache: bytes: expected ") == 0);
  CHECK(headed([](header& h) { h.nodes = 0; }).find("saved prefix cache: bytes: expected ") == 0);
  CHECK(said_of(*other, saved, model + 1) == "saved prefix cache: it is of another model");
  CHECK(said_of(*other, memory(20)) == "saved prefix cache: bytes of its header: expected 48, found 20");

  using kind = saved_prefixes::kind;
  for (std::size_t i = 0; i < 3; ++i) {
    const std::size_t at = sizeof(header) + i * sizeof(kind);
    for (auto field : {&kind::window, &kind::bytes}) {
      CHECK(said_of(*other, with<kind>(saved, at, [&](kind& k) { ++(k.*field); })) ==
            "saved prefix cache: its layers see less or more of a text");
    }
    for (const std::uint64_t count : {std::uint64_t{0}, ~std::uint64_t{0}, std::uint64_t{1} << 62}) {
      CHECK(said_of(*other, with<kind>(saved, at, [&](kind& k) { k.count = count; })).find("bytes: expected") !=
            std::string::npos);
    }
  }
  using node = saved_prefixes::node;
  const std::size_t nodes = sizeof(header) + 3 * sizeof(kind), holders = nodes + 3 * sizeof(node);
  for (const std::uint64_t parent : {std::uint64_t{1}, ~std::uint64_t{0}}) {
    CHECK(said_of(*other, with<node>(saved, nodes, [&](node& n) { n.parent = parent; })) ==
          "saved prefix cache: a page before its parent");
  }
  for (const std::uint32_t wrong : {0u, 4u, ~0u}) {
    CHECK(said_of(*other, with<std::uint32_t>(saved, holders, [&](std::uint32_t& n) { n = wrong; })) ==
          "saved prefix cache: a page that is not there");
  }
  memory damaged = saved;
  damaged[saved.size() / 2] ^= std::byte{1};
  CHECK(said_of(*other, damaged) == "saved prefix cache: it is damaged: its checksum is another");
  memory head(saved.begin(), saved.begin() + sizeof(header) + 8);
  CHECK(said_of(*other, with<header>(head, 0, [&](header& h) { h.bytes = head.size(); })).find("bytes: expected ") !=
        std::string::npos);
  CHECK(saved_of(*other) == before);

  kv_room narrow = room_of(2), none = room_of(2);
  narrow.context = 90, none.prefix_cache = false;  // the window of 100 sees all
  CHECK(said_of(*kv_pool::create(layers, narrow), saved) == "saved prefix cache: its layers see less or more of a text");
  const auto without = kv_pool::create(layers, none);
  CHECK(said_of(*without, saved) == "saved prefix cache: there is no prefix cache to load it into");
  CHECK(saved_of(*without).size() < 200);
}

TEST_CASE("a file that names a page twice, or pages without those before them, loses no memory") {
  const auto& layers = kinds_of_layers[1];
  const auto pool = kv_pool::create(layers, room_of(2)), other = kv_pool::create(layers, room_of(2));
  read(layers, *pool, text_of(200));
  const memory saved = saved_of(*pool);
  using node = saved_prefixes::node;
  const std::size_t nodes = sizeof(header) + 3 * sizeof(saved_prefixes::kind), holders = nodes + 3 * sizeof(node);
  node first;
  std::memcpy(&first, saved.data() + nodes, sizeof(first));
  for (const memory& odd : {with<node>(saved, nodes + sizeof(node), [&](node& n) { n = first; }),
                            with<node>(saved, nodes + 2 * sizeof(node), [&](node& n) { n.parent = 0; }),
                            with<std::uint32_t>(saved, holders, [](std::uint32_t& n) { n = 3; }),
                            with<std::uint32_t>(saved, holders + 4, [](std::uint32_t& n) { n = 1; })}) {
    saved_prefixes::load(*other, model, odd);
    CHECK(other->used().pages == 0);
    for (token t = 10; t < 20; ++t) {  // everyone's memory still: more than there is
      reader r{layers, sequence::create(*other)};
      r.read(text_of(650, t * 100));
      REQUIRE(r.whole());
    }
  }
}

TEST_CASE("what a sink refuses is not saved, wherever that is") {
  struct narrow_sink final : byte_sink {
    std::size_t room;
    explicit narrow_sink(std::size_t bytes) : room(bytes) {}
    result<void> try_write(std::span<const std::byte> bytes) override {
      if (bytes.size() > room) return error(errc::io, "full");
      room -= bytes.size();
      return {};
    }
  };
  const auto& layers = kinds_of_layers[1];
  const auto pool = kv_pool::create(layers, room_of(2));
  read(layers, *pool, text_of(200));
  const std::size_t all = saved_of(*pool).size();
  for (std::size_t room = 0; room < all; room += 100) {
    narrow_sink sink(room);
    REQUIRE(!saved_prefixes::try_save(*pool, model, sink));
  }
  narrow_sink enough(all), almost(all - 1);
  CHECK(!saved_prefixes::try_save(*pool, model, almost));
  CHECK(saved_prefixes::try_save(*pool, model, enough));
}
