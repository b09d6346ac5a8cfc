/// Schedulers that begin with what another has saved of its prefix cache: their answers are the same, and come sooner.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "file/temporary_folder.hpp"
#include "generate/scheduled.hpp"
#include "nibble/file/byte_sink.hpp"
#include "nibble/model/evaluator.hpp"
#include "support/full_disk.hpp"
#include "support/smallest_model.hpp"

using namespace nibble_test;
using nibble::errc;
using nibble::scheduler;
using memory = std::vector<std::byte>;

namespace {
std::vector<nibble::any_model> models() {
  std::vector<nibble::any_model> out{stories(), windowed()};
  for (const char* name : {"qwen35", "mamba2", "falcon-h1"})
    out.push_back(nibble::any_model::load(smallest_model(name, 32, 4).bytes(), {.threads = 2}));
  return out;
}
nibble::scheduler_options options(std::size_t running = 4) {
  return {.running = running, .room = {.context = 300, .prefill_chunk = 100}};
}
void answer(scheduler& s, tokens prompt, std::size_t count) {
  auto one = s.submit({.prompt = std::move(prompt), .options = {.max_tokens = count}});
  run_all(s);
  CHECK(one.ids().size() == count);
}
/// What a scheduler has saved that read a prompt.
memory saved_by(const nibble::any_model& model, std::size_t prompt) {
  scheduler s(model, options());
  answer(s, some_tokens(prompt, 5, model.vocabulary()), 3);
  return s.save_prefixes();
}
}  // namespace

TEST_CASE("a scheduler that has loaded what another read begins behind it, with the answers of one that read all") {
  for (const auto& model : models()) {
    INFO(std::string(model.architecture_name()));
    const memory saved = saved_by(model, 235);
    for (const std::size_t same : {235, 192, 130, 64, 63}) {
      tokens prompt = some_tokens(235, 5, model.vocabulary());
      for (std::size_t i = same; i < prompt.size(); ++i) prompt[i] = prompt[i] == 3 ? 4 : 3;
      const auto one = asked_of(model, 300, prompt, drawing(9, same));
      scheduler s(model, {.running = 2, .room = {.context = 280, .prefill_chunk = 64}});
      s.load_prefixes(saved);
      auto found = s.submit(one.asked);
      run_all(s);
      check(found, one.expected);
      CHECK(found.stats().cached_tokens == same / 64 * 64);
    }
  }
}

TEST_CASE("a prefix cache is saved to a file that appears whole or not at all") {
  const temporary_folder folder;
  const auto path = folder / "prefixes.bin";
  scheduler s(stories(), options()), other(stories(), options());
  answer(s, some_tokens(200, 5, 512), 3);
  s.save_prefixes(path);
  CHECK(folder.files() == 1);
  CHECK(read_all(path) == s.save_prefixes());
  other.load_prefixes(path);
  CHECK(other.save_prefixes() == s.save_prefixes());
  CHECK(s.try_save_prefixes(folder / "nowhere/prefixes.bin").failure().code() == errc::io);
  scheduler third(stories(), options());
  const auto before = third.save_prefixes();
  const auto whole = read_all(path);
  for (const std::size_t size : {std::size_t{0}, std::size_t{30}, std::size_t{60}, whole.size() - 1}) {
    const auto shorter = folder.put("shorter.bin", std::span(whole).first(size));
    const auto done = third.try_load_prefixes(shorter);
    REQUIRE(!done);
    CHECK(done.failure().code() == errc::truncated);
    CHECK(std::string(done.failure().what()).find("shorter.bin: saved prefix cache: bytes") != std::string::npos);
  }
  CHECK(third.try_load_prefixes(path.parent_path()).failure().code() == errc::io);
  const auto missing = (folder / "none").string();
  const std::string said = third.try_load_prefixes(folder / "none").failure().what();
  CHECK(said.find(missing) != std::string::npos);
  CHECK(said.find(missing) == said.rfind(missing));
  CHECK(third.try_load_prefixes(folder / "none").failure().code() == errc::io);
  CHECK(third.save_prefixes() == before);
}

TEST_CASE("what another model or format has saved, or what is damaged, is an error, and a scheduler goes on as before") {
  const memory saved = saved_by(stories(), 200);
  const auto foreign = nibble::any_model::load(golden("models/llama.gguf"), {.threads = 1});
  auto other_format = options();
  other_format.room.kv = nibble::tensor_type::q8_0;
  auto none = options();
  none.room.prefix_cache = false;
  for (auto* one : {&other_format, &none}) {
    scheduler s(stories(), *one);
    CHECK(s.try_load_prefixes(saved).failure().code() == errc::invalid_argument);
  }
  const temporary_folder folder;
  scheduler without(stories(), none);
  CHECK(without.try_save_prefixes(folder / "none").failure().code() == errc::invalid_argument);
  CHECK(folder.files() == 0);
  CHECK_THROWS_AS(without.save_prefixes(), nibble::error);
  scheduler s(foreign, options());
  CHECK(s.try_load_prefixes(saved).failure().code() == errc::invalid_argument);

  scheduler own(stories(), options());
  answer(own, some_tokens(100, 9, 512), 2);
  const memory before = own.save_prefixes();
  memory damaged = saved;
  damaged[saved.size() / 2] ^= std::byte{4};
  CHECK(own.try_load_prefixes(damaged).failure().code() == errc::malformed);
  CHECK(own.save_prefixes() == before);
  const auto one = asked_of(stories(), 300, some_tokens(100, 9, 512), drawing(9, 1));
  auto found = own.submit(one.asked);
  run_all(own);
  check(found, one.expected);
  CHECK(found.stats().cached_tokens == 64);
}

TEST_CASE("a prefix cache is loaded while answers are on their way, which stay as they are, within the same memory") {
  const memory saved = saved_by(stories(), 235);
  auto room = options();
  room.room.kv_bytes = stories().plan({.context = 300}).kv * 2;
  scheduler s(stories(), room);
  std::vector<pair> asked;
  std::vector<nibble::answer> found;
  for (std::size_t i = 0; i < 6; ++i) {
    asked.push_back(asked_of(stories(), 300, some_tokens(120 + i, 5 * (i % 2), 512), drawing(60, i)));
    found.push_back(s.submit(asked.back().asked));
    for (int k = 0; k < 9; ++k) s.run_once();
    s.load_prefixes(saved);
    CHECK(s.stats().page_bytes + s.stats().cached_bytes <= s.stats().most_page_bytes);
  }
  run_all(s);
  for (std::size_t i = 0; i < found.size(); ++i) check(found[i], asked[i].expected);
}

TEST_CASE("an evaluator saves and loads the prefix cache that it shares with its forks") {
  const nibble::session_options room{.context = 300, .prefix_cache = true};
  const auto text = some_tokens(200, 5, 512);
  auto one = nibble::evaluator::create(stories(), room), other = nibble::evaluator::create(stories(), room);
  REQUIRE(one.feed(text) == nibble::feed_outcome::done);
  one.remember(text);
  memory saved;
  nibble::vector_sink sink(saved);
  one.save_prefixes(sink);
  other.load_prefixes(saved);
  REQUIRE(other.recall(text) == 192);
  REQUIRE(other.feed(std::span(text).subspan(192)) == nibble::feed_outcome::done);
  const auto a = one.logits(), b = other.logits();
  CHECK(std::equal(a.begin(), a.end(), b.begin(), b.end()));
  const temporary_folder folder;
  auto third = nibble::evaluator::create(stories(), room);
  third.load_prefixes(folder.put("prefixes.bin", saved));
  CHECK(third.recall(text) == 192);
}

#if !defined(_WIN32)
TEST_CASE("where the disk is full, a prefix cache is not saved, the old file stays, and the scheduler goes on") {
  const temporary_folder folder;
  scheduler s(stories(), options());
  answer(s, some_tokens(200, 5, 512), 3);
  const memory saved = s.save_prefixes();
  const auto old = folder.put("prefixes.bin", memory(10, std::byte{7}));
  saves_whole_or_not_at_all(
      saved.size(), [&] { return s.try_save_prefixes(old); },
      [&] { return read_all(old).size() == 10 && folder.files() == 1 && s.save_prefixes() == saved; });
}
#endif
