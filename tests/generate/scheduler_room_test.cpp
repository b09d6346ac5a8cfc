/// Who gets room in a scheduler, who makes room, and what of it is others'.
#include <doctest/doctest.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "generate/scheduled.hpp"
#include "nibble/generate/prompt_lookup.hpp"
#include "support/adapters.hpp"
#include "support/smallest_model.hpp"

using namespace nibble_test;
using namespace std::chrono_literals;
using nibble::request;
using nibble::scheduler;

namespace {
/// Room for so many pages of 64 positions, of a model whose layers see all.
std::size_t pages(std::size_t count) { return stories().plan({.context = 64 * count, .marks = false}).kv; }
constexpr auto for_ever = std::chrono::nanoseconds::max();
}  // namespace

TEST_CASE("a request is given room where there is memory for all that others have not read yet, so none makes room at once") {
  scheduler s(stories(), {.running = 8, .room = {.context = 200, .prefill_chunk = 16, .kv_bytes = pages(5)}});
  std::vector<pair> all;
  std::vector<nibble::answer> answers;
  for (std::size_t i = 0; i < 5; ++i) {
    all.push_back(asked_of(stories(), 200, some_tokens(100, i * 50, 512), drawing(10, i)));
    answers.push_back(s.submit(all[i].asked));
  }
  s.run_once();
  CHECK(s.running() == 2);
  run_all(s);
  for (std::size_t i = 0; i < 5; ++i) check(answers[i], all[i].expected);
  CHECK(s.stats().preemptions == 0);
}

TEST_CASE("memory that requests share counts once, so many run that begin alike") {
  scheduler s(stories(), {.running = 8, .room = {.context = 300, .prefill_chunk = 128, .kv_bytes = pages(9)}});
  const tokens start = some_tokens(192, 0, 512);
  for (token last = 5; last < 8; ++last) {  // four pages each, three of which are the same
    tokens prompt = start;
    prompt.push_back(last);
    s.submit({.prompt = std::move(prompt), .options = {.max_tokens = 20}});
    for (int i = 0; i < 3; ++i) s.run_once();
  }
  CHECK(s.running() == 3);
  run_all(s);
  CHECK(s.stats().preemptions == 0);
}

TEST_CASE("a prompt that fits nowhere ends at once, and holds nobody up") {
  scheduler s(stories(), {.running = 8, .room = {.context = 300, .prefill_chunk = 16, .kv_bytes = pages(2)}});
  auto one = s.submit({.prompt = some_tokens(20, 0, 512), .options = {.max_tokens = 30}});
  s.run_once();
  auto large = s.submit({.prompt = some_tokens(129, 0, 512), .priority = 9});
  auto small = s.submit({.prompt = some_tokens(20, 9, 512), .options = {.max_tokens = 30}});
  s.run_once();
  CHECK(large.reason() == finish::memory_full);
  CHECK(s.running() == 2);
  auto exact = s.submit({.prompt = some_tokens(128, 0, 512), .options = {.max_tokens = 1}});
  run_all(s);
  CHECK(exact.reason() == finish::max_tokens);
}

TEST_CASE("the least urgent makes room, whoever came last") {
  scheduler s(stories(), {.running = 3, .room = {.context = 300, .prefill_chunk = 64, .kv_bytes = pages(5)}, .aging = 1h});
  std::vector<nibble::answer> low;
  for (std::size_t i = 0; i < 2; ++i)
    low.push_back(s.submit({.prompt = some_tokens(50, i * 60, 512), .options = {.max_tokens = 100}}));
  for (int i = 0; i < 4; ++i) s.run_once();
  const auto urgent = asked_of(stories(), 300, some_tokens(50, 200, 512), {.max_tokens = 100});
  request asked = urgent.asked;
  asked.priority = 1;
  auto first = s.submit(asked);
  run_all(s);
  check(first, urgent.expected);
  CHECK(first.stats().preemptions == 0);
  CHECK(low[0].stats().preemptions + low[1].stats().preemptions > 0);
  for (auto& answer : low) CHECK((answer.reason() == finish::max_tokens || answer.reason() == finish::end_of_text));
}

TEST_CASE("times and priorities may be as large as numbers are") {
  for (const auto aging : {for_ever, std::chrono::nanoseconds(std::chrono::hours(24 * 365))}) {
    scheduler s(stories(), {.running = 1, .room = {.context = 100}, .aging = aging});
    std::vector<int> order;
    constexpr int most = std::numeric_limits<int>::max();
    for (const int priority : {0, 2, -most, 2, most, 1000, 0}) {
      request r{.prompt = some_tokens(3, 0, 512), .options = {.max_tokens = 1}, .priority = priority};
      r.on_event = [&order, priority](const nibble::token_event&) { order.push_back(priority); };
      s.submit(r);
    }
    CHECK(!s.run_for(for_ever));
    CHECK(order == std::vector{most, 1000, 2, 2, 0, 0, -most});
  }
  scheduler s(stories(), {.running = 1, .room = {.context = 100}});
  auto answer = s.submit({.prompt = some_tokens(3, 0, 512), .options = {.max_tokens = 60}});
  std::thread other([&] { run_all(s); });
  CHECK(answer.wait_for(for_ever));
  other.join();
  CHECK(!s.submit({.prompt = some_tokens(3, 0, 512)}).wait_for(-1ns));
}

TEST_CASE("requests take what they shall of adapters, also behind what others with the same have read") {
  for (const char* name : {"llama", "gemma3", "qwen35"}) {
    INFO(name);
    const auto model = nibble::any_model::load(smallest_model(name, 32, 4).bytes(), {.threads = 2});
    const std::vector<nibble::adapter_use> both{{control_vector(model, 1)}, {control_vector(model, 2), 0}};
    scheduler s(model, {.running = 4, .room = {.context = 200, .prefill_chunk = 64, .adapters = both}});
    const tokens prompt = some_tokens(130, 0, model.vocabulary());
    std::set<tokens> different;
    for (int round = 0; round < 3; ++round) {
      for (const std::vector<float>& scales : {std::vector<float>{}, {0, 0}, {1, 0}, {0, 1}, {0.5f, -1}}) {
        auto room = nibble::session_options{.context = 200, .adapters = both};
        for (std::size_t i = 0; i < scales.size(); ++i) room.adapters[i].scale = scales[i];
        nibble::session alone(model, room);
        const auto expected = read(alone.try_generate(prompt, drawing(12, 3)).value());
        request r{.prompt = prompt, .options = drawing(12, 3), .adapters = scales, .coalesce = true};
        auto answer = s.submit(r);
        if (round == 2) s.submit({.prompt = prompt, .options = drawing(12, 3), .adapters = {2, 2}, .coalesce = true});
        run_all(s);
        check(answer, expected);
        const bool as_options_say = scales.empty() || scales == std::vector<float>{1, 0};
        const bool hit = round > 0 || (as_options_say && !scales.empty());
        CHECK(answer.stats().cached_tokens == (hit ? 128 : 0));
        if (round == 0 && !hit) different.insert(expected.ids);
      }
    }
    CHECK(s.stats().coalesced == 0);
    CHECK(different.size() == 4);
  }
}

TEST_CASE("scales of adapters that make no sense are refused") {
  const auto refused = [](scheduler& made, std::vector<float> scales) {
    auto answer = made.try_submit({.prompt = {3}, .adapters = std::move(scales)});
    return answer ? std::string() : std::string(answer.failure().what());
  };
  scheduler plain(stories(), {.room = {.context = 100}});
  CHECK(refused(plain, {1}) == "request::adapters: expected 0 scales, found 1");
  scheduler tuned(stories(), {.room = {.context = 100, .adapters = {{control_vector(stories(), 1)}}}});
  CHECK(refused(tuned, {1, 2}) == "request::adapters: expected 1 scales, found 2");
  CHECK(refused(tuned, {std::numeric_limits<float>::infinity()}) == "request::adapters: expected finite scales");
  CHECK(refused(tuned, {0.5f}).empty());
}

TEST_CASE("a cap of memory counts what a scheduler has to choose tokens") {
  for (const auto policy : {nibble::context_policy::stop(), nibble::context_policy::sinks(4)}) {
    const nibble::scheduler_options few{.running = 2, .room = {.context = 100, .when_full = policy}};
    const auto plan = scheduler(stories(), few).memory();
    CHECK(plan.sampling >= 12 * 512 + (policy.slides ? 400 : 0));
    for (const std::size_t cap : {plan.total(), plan.total() - 1}) {
      const auto model = nibble::any_model::load(golden("models/stories260K-q8_0.gguf"), {.threads = 2, .memory_cap = cap});
      CHECK(scheduler::try_create(model, few).has_value() == (cap == plan.total()));
    }
  }
}

TEST_CASE("one that has made room does not wait for others to begin with again") {
  scheduler s(
      stories(),
      {.running = 2, .room = {.context = 300, .prefill_chunk = 64, .kv_bytes = pages(3)}, .batch_wait = std::chrono::hours(1)});
  auto one = s.submit({.prompt = some_tokens(50, 0, 512), .options = {.max_tokens = 100}});
  auto other = s.submit({.prompt = some_tokens(50, 60, 512), .options = {.max_tokens = 60}});
  for (int i = 0; i < 1000 && s.run_once(); ++i) continue;
  CHECK(other.stats().preemptions > 0);
  for (auto* answer : {&one, &other}) CHECK(answer->reason() != finish::none);
}

TEST_CASE("pages count by the layers that they are of: what windows leave is no room for those that see all") {
  const auto keys = {std::pair("attention.sliding_window", nibble::value(40)),
                     std::pair("attention.sliding_window_pattern", nibble::value(6))};
  for (const std::string name : {"gemma3", "gpt-oss"}) {
    INFO(name);
    auto file = name == "gemma3" ? made(name, keys, 6) : made(name, {*keys.begin()}, 6);
    const auto model = nibble::any_model::load(file.bytes(), {.threads = 2});
    const std::size_t page = model.plan({.context = 64, .marks = false}).kv;  // of each layer
    std::vector<pair> all;
    for (std::size_t i = 0; i < 6; ++i)  // four pages of layers that see all, two of the others
      all.push_back(asked_of(model, 300, some_tokens(200, i * 50, model.vocabulary()), drawing(20, i)));
    for (const std::size_t at_once : {1u, 2u, 3u}) {
      for (const std::size_t more : {0u, 3u}) {
        const std::size_t bytes = page * (4 * at_once + more);
        scheduler s(model, {.running = 8, .room = {.context = 300, .prefill_chunk = 16, .kv_bytes = bytes}});
        std::vector<nibble::answer> answers;
        for (const pair& one : all) answers.push_back(s.submit(one.asked));
        s.run_once();
        CHECK(s.running() == at_once);
        run_all(s);
        for (std::size_t i = 0; i < all.size(); ++i) check(answers[i], all[i].expected);
        CHECK(s.stats().preemptions == 0);
      }
    }
  }
}

TEST_CASE("a plan foretells what a scheduler takes") {
  for (const std::size_t running : {1u, 3u}) {
    const nibble::session_options room{.context = 200, .kv = nibble::tensor_type::q8_0};
    auto alike = room;
    alike.prefix_cache = true, alike.marks = false, alike.state_interval = 0;
    auto planned = stories().plan(alike, running), taken = scheduler(stories(), {.running = running, .room = room}).memory();
    planned.sampling = taken.sampling = 0;
    CHECK(planned.total() == taken.total());
  }
}

TEST_CASE("schedules that cannot be are refused in a sentence that names the option") {
  using std::chrono::nanoseconds;
  const auto said = [](const nibble::scheduler_options& options) {
    const auto made = scheduler::try_create(stories(), options);
    REQUIRE(!made);
    CHECK(made.failure().code() == nibble::errc::invalid_argument);
    return std::string(made.failure().what());
  };
  const nibble::session_options room{.context = 100};
  const std::string option = "scheduler_options::";
  CHECK(said({.running = 0, .room = room}) == option + "running: expected 1 to 4096, found 0");
  CHECK(said({.running = 4097, .room = room}) == option + "running: expected 1 to 4096, found 4097");
  CHECK(said({.room = room, .pace = -1}).starts_with(option + "pace: expected 0 or more, found "));
  CHECK(said({.room = room, .pace = std::nan("")}).starts_with(option + "pace: expected 0 or more, found "));
  CHECK(said({.room = room, .aging = nanoseconds(-1)}).starts_with(option + "aging: "));
  CHECK(said({.room = room, .batch_wait = nanoseconds(-1)}).starts_with(option + "batch_wait: "));
  CHECK(scheduler::try_create(stories(), {.running = 2, .room = room, .aging = nanoseconds(0), .pace = 0}));
  CHECK(said({.running = 1, .room = {.context = 100, .kv_bytes = 1}}).find("kv_bytes: expected at least ") !=
        std::string::npos);
}

TEST_CASE("memory for a whole context is enough for any one request, however many may run") {
  auto file = made("gemma3", {std::pair("attention.sliding_window", nibble::value(40))}, 6);
  const auto model = nibble::any_model::load(file.bytes(), {.threads = 2});
  const std::size_t bytes = model.plan({.context = 512, .prefill_chunk = 16, .marks = false}).kv;
  for (const std::size_t running : {1u, 2u, 16u}) {
    std::vector<pair> all;
    for (std::size_t i = 0; i < 3; ++i)
      all.push_back(asked_of(model, 512, some_tokens(30 + 100 * i, i * 50, model.vocabulary()), drawing(600, i)));
    scheduler s(model, {.running = running, .room = {.context = 512, .prefill_chunk = 16, .kv_bytes = bytes}});
    std::vector<nibble::answer> answers;
    for (const pair& one : all) answers.push_back(s.submit(one.asked));
    run_all(s);
    for (std::size_t i = 0; i < all.size(); ++i) {
      check(answers[i], all[i].expected);
      CHECK(answers[i].reason() == nibble::finish::context_full);
    }
  }
}

TEST_CASE("how far a request comes with little memory does not depend on the steps that it is given") {
  const auto model = nibble::any_model::load(golden("models/llama-window.gguf"), {.threads = 1});
  const nibble::session_options room{.context = 256, .prefill_chunk = 100};
  const std::size_t all = model.plan(room).kv;
  for (std::size_t percent = 40; percent <= 100; percent += 5) {
    std::vector<nibble::finish> reasons;
    std::vector<tokens> said;
    for (const int small : {0, 1, 99}) {  // steps of as little as there can be, before those of any size
      auto tight = room;
      tight.kv_bytes = all * percent / 100;
      auto s = scheduler::try_create(model, {.running = 1, .room = tight});
      if (!s) break;  // too little for a step
      const auto answer = s->submit({.prompt = some_tokens(209, 0, model.vocabulary()), .options = {.max_tokens = 5}});
      for (int i = 0; i < small && s->run_for(0ns); ++i) continue;
      run_all(*s);
      reasons.push_back(answer.reason());
      said.push_back(answer.ids());
    }
    INFO(percent, "% of what the context takes");
    for (std::size_t i = 1; i < reasons.size(); ++i) {
      CHECK(reasons[i] == reasons[0]);
      CHECK(said[i] == said[0]);
    }
    if (percent == 100) CHECK(reasons.size() == 3);
  }
}

TEST_CASE("what no request has a use of is refused, and everything else that makes a room is not") {
  const nibble::session_options plain{.context = 192};
  const auto with = [&](auto change) {
    nibble::session_options room = plain;
    change(room);
    return room;
  };
  using options = nibble::session_options;
  const std::vector<std::pair<const char*, options>> useless{
      {"output_rows: expected 1, ", with([](options& o) { o.output_rows = 2; })},
      {"marks: expected none, ", with([](options& o) { o.marks = true; })},
      {"state_interval: expected none, ", with([](options& o) { o.state_interval = 64; })},
      {"forks: expected none, ", with([](options& o) { o.forks = 1; })},
      {"prefix_cache: expected none where ",
       with([](options& o) { o.prefix_cache = true, o.when_full = nibble::context_policy::sinks(); })},
      {"speculation: expected none, ", with([](options& o) { o.speculation = nibble::prompt_lookup{}; })},
      {"keep_hidden: expected none, ", with([](options& o) { o.keep_hidden = true; })}};
  for (const auto& [sentence, room] : useless) {
    const auto made = scheduler::try_create(stories(), {.running = 2, .room = room});
    REQUIRE(!made);
    CHECK(made.failure().code() == nibble::errc::invalid_argument);
    CHECK(std::string(made.failure().what()).starts_with("scheduler_options::room." + std::string(sentence)));
  }
  for (const options& room :
       {plain, with([](options& o) { o.marks = false, o.state_interval = 0, o.prefix_cache = false, o.prefix_states = 2; }),
        with([](options& o) { o.prefix_cache = true, o.kv = nibble::tensor_type::q8_0, o.values = nibble::tensor_type::f16; }),
        with([](options& o) { o.rotated_keys = true, o.when_full = nibble::context_policy::heavy_hitters(); })}) {
    auto made = scheduler::try_create(stories(), {.running = 2, .room = room});
    REQUIRE(made);
    auto answer = made->submit({.prompt = some_tokens(9, 0, 512), .options = {.max_tokens = 3}});
    run_all(*made);
    CHECK(answer.ids().size() == 3);
  }
}
