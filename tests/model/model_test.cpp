#include "nibble/model/model.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "nibble/model/any_model.hpp"
#include "nibble/model/evaluator.hpp"
#include "nibble/model/model.hpp"
#include "nibble/model/registry.hpp"
#include "support/files.hpp"

namespace {
const auto llama = nibble_test::golden("models/llama.gguf");

std::vector<float> logits_of(const nibble::any_model& model) {
  auto e = nibble::evaluator::try_create(model, {.context = 16}).value();
  const nibble::token ids[] = {1, 403, 407};
  REQUIRE(e.feed(ids) == nibble::feed_outcome::done);
  return {e.logits().begin(), e.logits().end()};
}

/// Counts tasks, and runs them one after the other.
struct counting_executor {
  std::size_t tasks = 0;
  std::size_t concurrency() const noexcept { return 3; }
  template <std::invocable<std::size_t> F>
  void run(std::size_t n, F&& f) {
    tasks += n;
    for (std::size_t i = n; i > 0; --i) f(i - 1);
  }
};
}  // namespace

TEST_CASE("a file and its bytes give one model, whose copies share everything, and which outlives both") {
  auto bytes = nibble_test::read_all(llama);
  const auto of_bytes = nibble::any_model::load(bytes, {.threads = 1});
  std::fill(bytes.begin(), bytes.end(), std::byte{0});
  const auto of_file = nibble::any_model::load(llama, {.threads = 2});
  const auto typed = nibble::model<nibble::arch::llama>::load(llama, {.threads = 1});
  const auto copy = of_bytes;
  CHECK(&copy.tokenizer() == &of_bytes.tokenizer());
  const auto logits = logits_of(of_bytes);
  CHECK(logits_of(of_file) == logits);
  CHECK(logits_of(typed) == logits);
  CHECK(logits_of(copy) == logits);
  CHECK(typed.config().layers == of_file.kv().size());
  CHECK(of_file.vocabulary() == 512);
  CHECK(of_file.context() == 512);
  CHECK(of_file.chat_template().empty());
}

TEST_CASE("a file that cannot be opened is named, and the throwing twin throws the same") {
  const auto missing = nibble::any_model::try_load(nibble_test::golden("models/none.gguf"));
  REQUIRE(!missing);
  CHECK(missing.failure().code() == nibble::errc::io);
  CHECK(std::string(missing.failure().what()).find("none.gguf") != std::string::npos);
  CHECK_THROWS_AS(nibble::any_model::load(nibble_test::golden("models/none.gguf")), nibble::error);
  CHECK_THROWS_AS(nibble::model<nibble::arch::llama>::load(std::vector<std::byte>(3)), nibble::error);
}

TEST_CASE("work runs where the caller wants it") {
  counting_executor executor;
  const auto model = nibble::any_model::load(llama, {.executor = executor});
  const auto of_loading = executor.tasks;
  CHECK(of_loading > 0);
  CHECK(logits_of(model) == logits_of(nibble::any_model::load(llama, {.threads = 1})));
  CHECK(executor.tasks > of_loading);
}

TEST_CASE("loading tells how far it is, up to everything, and can be given up at any tensor") {
  std::vector<std::pair<std::size_t, std::size_t>> seen;
  const auto model = nibble::any_model::load(llama, {.threads = 1, .progress = [&](std::size_t done, std::size_t total) {
                                                       seen.push_back({done, total});
                                                       return true;
                                                     }});
  REQUIRE(seen.size() > 2);
  for (std::size_t i = 1; i < seen.size(); ++i) CHECK(seen[i - 1].first < seen[i].first);
  CHECK(seen.back().first == seen.back().second);
  CHECK(seen.back().second == model.weight_bytes());

  for (std::size_t give_up = 0; give_up < seen.size(); give_up += 5) {
    std::size_t calls = 0;
    const auto cancelled = nibble::any_model::try_load(
        llama, {.threads = 1, .progress = [&](std::size_t, std::size_t) { return calls++ < give_up; }});
    REQUIRE(!cancelled);
    CHECK(cancelled.failure().code() == nibble::errc::cancelled);
    CHECK(calls == give_up + 1);
  }
}

TEST_CASE("weights that stay in the file give the same bits, and leave the cap and the plan to what is the host's") {
  for (const auto& entry : std::filesystem::directory_iterator(nibble_test::golden("models"))) {
    if (entry.path().extension() != ".gguf") continue;
    INFO(entry.path().string());
    const auto packed = nibble::any_model::load(entry.path(), {.threads = 2});
    const auto mapped = nibble::any_model::load(entry.path(), {.threads = 2, .mapped = true});
    CHECK(logits_of(mapped) == logits_of(packed));
    CHECK(mapped.weight_bytes() < packed.weight_bytes() / 10);
    const auto plan = nibble::any_model::try_plan(nibble::gguf_file::open(entry.path()), {}, {.mapped = true});
    CHECK(plan->weights == mapped.weight_bytes());
    CHECK(nibble::any_model::try_load(entry.path(), {.memory_cap = plan->of_model(), .mapped = true}));
    CHECK(!nibble::any_model::try_load(entry.path(), {.memory_cap = plan->of_model()}));
  }
}

TEST_CASE("a mapped model keeps the file that it opened, and reads the bytes or the file that it was lent") {
  const auto expected = logits_of(nibble::any_model::load(llama, {.threads = 1}));
  const nibble::load_options options{.threads = 1, .mapped = true};
  const auto typed = nibble::model<nibble::arch::llama>::load(llama, options);
  CHECK(logits_of(typed) == expected);
  const auto lent = nibble::gguf_file::open(llama);
  const auto copy = nibble::any_model::try_load(lent, options).value();
  CHECK(logits_of(copy) == expected);
  auto bytes = nibble_test::read_all(llama);
  const auto of_bytes = nibble::any_model::load(bytes, options);
  CHECK(logits_of(of_bytes) == expected);
  std::fill(bytes.begin(), bytes.end(), std::byte{0});
  CHECK(logits_of(of_bytes) != expected);
}

#if defined(__linux__)
TEST_CASE("weights that were laid out are not in memory a second time, as pages of their file") {
  for (const auto& entry : std::filesystem::directory_iterator(nibble_test::golden("models"))) {
    if (entry.path().extension() != ".gguf") continue;
    INFO(entry.path().string());
    const auto lent = nibble::gguf_file::open(entry.path());
    CHECK(nibble_test::resident_bytes(entry.path()) > 0);
    const auto model = nibble::any_model::try_load(lent, {.threads = 2});
    CHECK(model);
    constexpr long metadata = 128 << 10;  // at most, of these files: it may lie apart from all weights
    CHECK(nibble_test::resident_bytes(entry.path()) <= metadata);
  }
}
#endif

TEST_CASE("a list of architectures of one's own replaces the registry") {
  using only_gemma = nibble::basic_any_model<nibble::type_list<nibble::arch::gemma3>>;
  CHECK(only_gemma::try_load(nibble_test::golden("models/gemma3.gguf")));
  const auto refused = only_gemma::try_load(llama);
  REQUIRE(!refused);
  CHECK(std::string(refused.failure().what()).find("expected gemma3, found 'llama'") != std::string::npos);
}
