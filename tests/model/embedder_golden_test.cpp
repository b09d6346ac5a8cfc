/// Vectors and scores of the goldens.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "model/toys.hpp"
#include "nibble/model/embedder.hpp"

namespace {
using namespace nibble;
using nibble_test::floats, nibble_test::some_tokens;
namespace fs = std::filesystem;

/// The tokens whose vectors the goldens hold.
const std::vector<token> golden_ids{1, 403, 407, 261, 378, 300, 40, 265, 282, 293, 441, 7};

/// The embedding models of the shared data set, without the ending of their files.
std::vector<std::string> goldens() {
  std::vector<std::string> names;
  const auto folder = nibble_test::shared("models/synth");
  if (folder.empty()) return names;
  constexpr std::string_view ending = ".numpy.embd.f32";
  for (const auto& entry : fs::directory_iterator(folder)) {
    std::string name = entry.path().filename().string();
    if (name.ends_with(ending)) names.push_back((folder / name.substr(0, name.size() - ending.size())).string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

double furthest(const floats& found, const floats& expected) {
  REQUIRE(found.size() == expected.size());
  double worst = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const double apart = std::abs(double(found[i]) - double(expected[i]));
    worst = apart <= worst ? worst : apart;  // or NaN
  }
  return worst;
}

/// Some texts of several lengths.
std::vector<std::vector<token>> some_texts(std::size_t vocabulary) {
  std::vector<std::vector<token>> texts;
  for (const std::size_t n : {5, 1, 12, 3, 20, 9, 2}) {
    texts.push_back(some_tokens(n, 31 * texts.size()));
    for (token& id : texts.back()) id %= static_cast<token>(vocabulary);
  }
  return texts;
}
std::vector<floats> all_of(embedder& e, const std::vector<std::vector<token>>& texts) {
  const std::vector<std::span<const token>> spans(texts.begin(), texts.end());
  std::vector<floats> out(texts.size());
  const auto done = e.try_embed_each(spans, [&](std::size_t i, std::span<float> x) { out[i].assign(x.begin(), x.end()); });
  CHECK(done.has_value());
  return out;
}
}  // namespace

TEST_CASE("vectors of every golden are those of a float64 forward pass, to 1e-4") {
  const auto names = goldens();
  NIBBLE_NEEDS(names);
  for (const std::string& name : names) {
    INFO(name);
    const auto model = any_model::try_load(fs::path(name + ".gguf"), {.threads = 2});
    if (!model && model.failure().code() == errc::unknown_architecture) {
      MESSAGE("not registered: ", name);
      continue;
    }
    REQUIRE_MESSAGE(model, model.failure().what());
    auto pooled = embedder::create(*model), rows = embedder::create(*model, {.pooling = pooling::none});
    CHECK(furthest(rows.embed(golden_ids), nibble_test::read_all<float>(name + ".numpy.embd.f32")) <= 1e-4);
    CHECK(furthest(pooled.embed(golden_ids), nibble_test::read_all<float>(name + ".numpy.pooled.f32")) <= 1e-4);
  }
}

TEST_CASE("a text's vector has the same bits alone, among others, in steps of any size and on any number of threads") {
  const auto names = goldens();
  NIBBLE_NEEDS(names);
  for (const std::string& name : names) {
    INFO(name);
    const auto first = any_model::try_load(fs::path(name + ".gguf"), {.threads = 1});
    if (!first) continue;
    const auto texts = some_texts(first->vocabulary());
    std::vector<floats> expected;
    auto alone = embedder::create(*first);
    for (const auto& text : texts) expected.push_back(alone.embed(text));
    for (const std::size_t threads : {1, 2, 3}) {
      const auto model = any_model::load(fs::path(name + ".gguf"), {.threads = threads});
      for (const auto& [context, together] : {std::pair<std::size_t, std::size_t>{0, 32}, {20, 3}, {33, 2}, {64, 1}}) {
        auto e = embedder::create(model, {.context = context, .texts = together});
        CHECK(all_of(e, texts) == expected);
        CHECK(all_of(e, texts) == expected);
      }
    }
  }
}
