/// Random schedules of sixteen sequences: steps of any mix, forks, beginnings that others have read, memory that ends, copies
/// and prefix caches that were saved, steps that are given up, adapters, and texts longer than their context. Whatever happens
/// to a sequence, it has the bits of one alone.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "nibble/core/rng.hpp"
#include "nibble/core/stop_token.hpp"
#include "nibble/kv/saved_sequence.hpp"
#include "nibble/model/any_model.hpp"
#include "nibble/model/batch_evaluator.hpp"
#include "nibble/model/step_runner.hpp"
#include "support/adapters.hpp"
#include "support/smallest_model.hpp"

using namespace nibble;
using nibble_test::four_layers;

namespace {
using tokens = std::vector<token>;
using floats = std::vector<float>;
constexpr std::size_t sequences = 16, context = 224, chunk = 80;

/// How often a schedule did what it is there for.
struct counts {
  std::size_t mixed = 0, forks = 0, hits = 0, preempted = 0, loaded = 0, cancelled = 0, checked = 0, prefixes = 0;
};

class schedule {
 public:
  schedule(const any_model& m, const session_options& own, std::uint64_t seed, counts& done)
      : runner_(step_runner::create(m, options(m, own), sequences)),
        alone_(batch_evaluator::create(m, 1, own)),
        adapters_(own.adapters.size()),
        random_(seed),
        done_(done),
        held_(sequences),
        wanted_text_(sequences),
        scales_(sequences),
        prefix_cache_(!own.when_full.slides),
        longest_(own.when_full.weighs ? 400 : context) {
    for (std::size_t s = 0; s < sequences; ++s) wanted_text_[s] = some_text(), adapt(s, some_scales());
  }

  void run(std::size_t steps) {
    for (std::size_t i = 0; i < steps; ++i) {
      step();
      const std::size_t s = below(sequences), other = below(sequences);
      switch (below(7)) {
        case 0:
          runner_.fork(s, other);
          held_[other] = held_[s];
          scales_[other] = scales_[s];
          wanted_text_[other] = held_[s];
          append(wanted_text_[other], below(60));
          ++done_.forks;
          break;
        case 1:
          cut(s, below(held_[s].size() + 1));
          break;
        case 2:
          save_and_load(s, other);
          break;
        case 3:
          begin_anew(s);
          break;
        case 4:
          if (!prefix_cache_) break;
          save_or_load_prefixes();
          break;
        default:
          break;
      }
    }
    for (std::size_t s = 0; s < sequences; ++s) check_next(s);
  }

 private:
  static session_options options(const any_model& m, session_options o) {
    o.prefill_chunk = chunk, o.marks = false;
    o.kv_bytes = m.plan(o, sequences).kv / 4;
    o.marks = true, o.state_interval = 50, o.prefix_cache = true;
    return o;
  }
  /// Of each adapter often nothing, or one of few amounts: others shall have the same.
  floats some_scales() {
    floats out(adapters_);
    for (float& scale : out) scale = float(below(3)) * 0.5f;
    return out;
  }
  void adapt(std::size_t s, floats scales) {
    runner_.adapt(s, scales);
    scales_[s] = std::move(scales);
  }
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(random_.uniform() * double(n)); }
  token some_token() { return static_cast<token>(below(39)); }
  void append(tokens& text, std::size_t count) {
    for (std::size_t i = 0; i < count && text.size() < longest_ - 1; ++i) text.push_back(some_token());
  }
  /// One of two beginnings, up to anywhere, and then tokens of its own.
  tokens some_text() {
    tokens text;
    const std::size_t base = below(2);
    for (std::size_t i = 0; i < 180; ++i) text.push_back(static_cast<token>((i * 7 + base * 13 + i * i) % 39));
    text.resize(below(180));
    append(text, 1 + below(40 + longest_ - context));
    return text;
  }

  /// A step for some of those that have something left, which is given up now and then.
  void step() {
    std::vector<token_run> runs;
    std::vector<std::uint32_t> wanted;
    tokens ids;
    std::vector<std::size_t> who;
    const std::size_t first = below(sequences);
    for (std::size_t k = 0; k < sequences; ++k) {
      const std::size_t s = (first + k) % sequences;
      const std::size_t left = wanted_text_[s].size() - held_[s].size();
      const std::size_t most = std::min({left, chunk - ids.size(), runner_.tokens_of_step(s)});
      if (most == 0 || below(3) == 0) continue;
      std::size_t count = below(2) == 0 ? 1 : 1 + below(most);
      if (below(2) == 0) count = std::min(most, 64 - held_[s].size() % 64);  // to the end of a page, where states are kept
      ids.insert(ids.end(), wanted_text_[s].begin() + std::ptrdiff_t(held_[s].size()),
                 wanted_text_[s].begin() + std::ptrdiff_t(held_[s].size() + count));
      runs.push_back({0, count, 0, s});
      wanted.push_back(static_cast<std::uint32_t>(ids.size() - 1));
      who.push_back(s);
    }
    if (runs.empty()) return begin_anew(first);
    done_.mixed += runs.size() > 1;
    if (below(8) == 0) {
      stop_source stop;
      stop.request_stop();
      const auto how = runner_.run(ids, runs, wanted, stop.get_token()).how;
      REQUIRE((how == feed_outcome::cancelled || how == feed_outcome::memory_full));
      done_.cancelled += how == feed_outcome::cancelled;
      return;
    }
    const auto [how, rows] = runner_.run(ids, runs, wanted, {});
    if (how == feed_outcome::memory_full) return make_room(who.back());
    REQUIRE(how == feed_outcome::done);
    for (std::size_t i = 0; i < runs.size(); ++i) {
      const std::size_t s = who[i];
      held_[s].insert(held_[s].end(), wanted_text_[s].begin() + std::ptrdiff_t(held_[s].size()),
                      wanted_text_[s].begin() + std::ptrdiff_t(held_[s].size() + runs[i].count));
      runner_.remember(s, held_[s]);
      if (below(4) == 0) check(s, {rows.row(i), rows.width});
    }
  }

  /// Gives up what a sequence has, and reads it again later.
  void make_room(std::size_t s) {
    REQUIRE(runner_.truncate(s, 0));
    held_[s].clear();
    recall(s);
    ++done_.preempted;
  }
  void begin_anew(std::size_t s) {
    REQUIRE(runner_.truncate(s, 0));
    held_[s].clear();
    wanted_text_[s] = some_text();
    adapt(s, some_scales());
    recall(s);
  }
  void recall(std::size_t s) {
    const std::size_t found = runner_.recall(s, wanted_text_[s]);
    held_[s].assign(wanted_text_[s].begin(), wanted_text_[s].begin() + std::ptrdiff_t(found));
    done_.hits += found > 0;
  }
  void cut(std::size_t s, std::size_t position) {
    const std::size_t to = runner_.resumable(s, position);
    REQUIRE(runner_.truncate(s, to));
    held_[s].resize(to);
    wanted_text_[s] = held_[s];
    append(wanted_text_[s], 1 + below(50));
  }
  void save_and_load(std::size_t from, std::size_t to) {
    std::vector<std::byte> bytes(saved_sequence::bytes(runner_.sequence(from), held_[from].size()));
    saved_sequence::save(runner_.sequence(from), bytes);
    if (runner_.fingerprint(from) != runner_.fingerprint(to)) return;
    if (!runner_.try_load(to, held_[from].size(), bytes)) return;  // no memory: nothing has changed
    held_[to] = held_[from];
    wanted_text_[to] = held_[to];
    append(wanted_text_[to], 1 + below(50));
    ++done_.loaded;
  }

  /// What is loaded is what was given up since it was saved, and as it was.
  void save_or_load_prefixes() {
    if (prefixes_.empty()) {
      vector_sink sink(prefixes_);
      return runner_.save_prefixes(sink);
    }
    const auto used = runner_.used(), cached = runner_.cached();
    runner_.load_prefixes(prefixes_);
    REQUIRE(runner_.used().pages == used.pages);
    done_.prefixes += runner_.cached().pages > cached.pages;
    if (below(3) == 0) prefixes_.clear();
  }

  void check(std::size_t s, std::span<const float> row) {
    REQUIRE(alone_.truncate(0, 0));
    alone_.adapt(0, scales_[s]);
    REQUIRE(alone_.feed(0, held_[s]) == feed_outcome::done);
    const auto expected = alone_.logits(0);
    REQUIRE(floats(row.begin(), row.end()) == floats(expected.begin(), expected.end()));
    ++done_.checked;
  }
  /// The logits behind one more token.
  void check_next(std::size_t s) {
    if (held_[s].size() == longest_) return;
    const token next = some_token();
    token_run run{0, 1, 0, s};
    const std::uint32_t wanted = 0;
    const auto [how, rows] = runner_.run({&next, 1}, {&run, 1}, {&wanted, 1}, {});
    if (how == feed_outcome::memory_full) return make_room(s);
    held_[s].push_back(next);
    check(s, {rows.row(0), rows.width});
  }

  step_runner runner_;
  batch_evaluator alone_;
  std::size_t adapters_;
  rng random_;
  counts& done_;
  std::vector<tokens> held_, wanted_text_;
  std::vector<floats> scales_;
  std::vector<std::byte> prefixes_;
  bool prefix_cache_;
  std::size_t longest_;  // of texts
};

counts run_schedules(const any_model& m, const session_options& own, std::uint64_t seeds) {
  counts done;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    INFO(seed);
    schedule(m, own, seed, done).run(120);
  }
  return done;
}
}  // namespace

TEST_CASE("each of sixteen sequences has the bits of one alone, over twenty schedules with all that can happen to it") {
  for (const char* name : {"llama", "gemma3", "lfm2", "qwen35", "falcon-h1"}) {
    INFO(name);
    const auto m = any_model::load(four_layers(name).bytes(), {.threads = 2});
    const counts done = run_schedules(m, {.context = context}, 20);
    CHECK(done.mixed > 300);
    CHECK(done.forks > 60);
    CHECK(done.hits > 60);
    CHECK(done.preempted > 20);
    CHECK(done.loaded > 60);
    CHECK(done.prefixes > 20);
    CHECK(done.cancelled > 60);
    CHECK(done.checked > 400);
  }
}

TEST_CASE("so it has with adapters on some, keys and values in formats of their own, and rotated") {
  for (const char* name : {"llama", "gemma3", "qwen35"}) {
    INFO(name);
    auto file = four_layers(name);
    const auto m = any_model::load(file.bytes(), {.threads = 2});
    const auto is_last = [](const auto& t) {
      return t.name == "blk.3.ffn_down.weight";
    };  // of which only wanted rows are computed
    const auto& last = *std::find_if(file.tensors.begin(), file.tensors.end(), is_last);
    const std::vector<adapter_use> both{{nibble_test::control_vector(m, 1)}, {nibble_test::low_rank(m, last, 2)}};
    const counts done = run_schedules(
        m, {.context = context, .keys = tensor_type::q8_0, .values = tensor_type::q4_0, .rotated_keys = true, .adapters = both},
        6);
    CHECK(done.mixed > 100);
    CHECK(done.hits > 10);
    CHECK(done.preempted > 5);
    CHECK(done.loaded > 5);
    CHECK(done.prefixes > 5);
    CHECK(done.checked > 120);
  }
}

TEST_CASE("so it has where texts outgrow their context, and where each step ends at a choice of what is kept") {
  struct outgrown {
    std::size_t context;
    context_policy policy;
    std::uint64_t seeds;
    std::size_t mixed;
  };
  const outgrown all[] = {{192, context_policy::heavy_hitters(64), 10, 150},
                          {100, context_policy::sinks(4), 6, 100},
                          {100, context_policy::shift(70), 6, 100}};
  for (const char* name : {"llama", "gemma3"}) {
    const auto m = any_model::load(four_layers(name).bytes(), {.threads = 2});
    for (const outgrown& o : all) {
      INFO(name << ", " << o.context << ", " << o.policy.kept);
      const counts done = run_schedules(m, {.context = o.context, .when_full = o.policy}, o.seeds);
      CHECK(done.mixed > o.mixed);
      CHECK(done.hits == 0);
      CHECK(done.forks > 15);
      CHECK(done.preempted > 5);
      CHECK(done.loaded > 15);
      CHECK(done.checked > 120);
    }
  }
}
