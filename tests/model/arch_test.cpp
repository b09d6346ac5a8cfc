/// Every architecture against logits that others computed from the same files.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "nibble/model/any_model.hpp"
#include "nibble/model/evaluator.hpp"
#include "nibble/quant/registry.hpp"
#include "support/files.hpp"
#include "support/golden_models.hpp"

namespace {
using nibble::token;
using any_evaluator = nibble::evaluator;

/// The tokens after which the goldens have logits.
constexpr token golden_ids[] = {1, 403, 407, 261, 378, 300, 40, 265, 282, 293, 441, 7};

/// Logits after each of the golden ids, one row a token.
std::vector<float> logits_of(const nibble::any_model& model, bool one_by_one) {
  auto e = any_evaluator::try_create(model, {.output_rows = 12, .kv = nibble::tensor_type::f32}).value();
  std::vector<float> out;
  const auto add = [&](std::size_t, std::span<const float> row) { out.insert(out.end(), row.begin(), row.end()); };
  if (!one_by_one) {
    CHECK(e.feed_each(golden_ids, add) == nibble::feed_outcome::done);
    return out;
  }
  for (const token id : golden_ids) {
    CHECK(e.feed({&id, 1}) == nibble::feed_outcome::done);
    add(0, e.logits());
  }
  return out;
}

void check_golden(const nibble_test::golden_model& golden) {
  INFO(golden.file.filename().string());
  const auto model = nibble::any_model::load(golden.file, {.threads = 2});
  CHECK(model.architecture_name() == golden.architecture);
  const auto expected = nibble_test::read_all<float>(golden.logits), found = logits_of(model, false);
  REQUIRE(found.size() == expected.size());
  REQUIRE(found.size() == std::size(golden_ids) * model.vocabulary());
  double worst = 0;
  for (std::size_t i = 0; i < found.size(); ++i) worst = std::max(worst, std::abs(double(found[i]) - double(expected[i])));
  CHECK(worst <= 1e-4);
  CHECK(logits_of(model, true) == found);
}

/// Root of the mean square difference, relative to the expected.
double relative_rmse(const std::vector<float>& found, const std::vector<float>& expected) {
  REQUIRE(found.size() == expected.size());
  double error = 0, size = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    error += std::pow(double(found[i]) - double(expected[i]), 2);
    size += std::pow(double(expected[i]), 2);
  }
  return std::sqrt(error / size);
}

/// A format's name as files of the data set spell it: bf16, q8_0, q4_K.
std::string spelled_in_goldens(std::string_view format) {
  std::string name(format);
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z' && c != 'K') c = static_cast<char>(c - 'A' + 'a');
  }
  return name;
}

std::vector<token> greedy(const nibble::any_model& model, std::size_t count) {
  auto e = any_evaluator::try_create(model, {.kv = nibble::tensor_type::f32}).value();
  std::vector<token> out;
  token last = *model.tokenizer().bos();
  while (out.size() < count) {
    e.feed({&last, 1});
    last = static_cast<token>(std::max_element(e.logits().begin(), e.logits().end()) - e.logits().begin());
    out.push_back(last);
  }
  return out;
}
}  // namespace

TEST_CASE("every registered architecture has a golden, and one that has none is named") {
  for (const auto& name : nibble_test::without_golden(nibble_test::architecture_names())) {
    FAIL_CHECK("no tests/golden/models/", name, ".gguf and ", name, ".numpy.logits.f32");
  }
  CHECK(nibble_test::without_golden({"llama", "of-nobody"}) == std::vector<std::string>{"of-nobody"});
}

TEST_CASE("logits of every golden are those of a float64 forward pass, to 1e-4, fed at once or one by one") {
  for (const auto& golden : nibble_test::golden_models()) {
    CHECK_MESSAGE(golden.named_after_architecture(), golden.name, " is of the architecture '", golden.architecture, "'");
    if (golden.registered()) {
      check_golden(golden);
    } else {
      MESSAGE("skipped: ", golden.name, ": the architecture '", golden.architecture, "' is not registered");
    }
  }
}

TEST_CASE("weights in every registered format give logits as near to exact ones as llama.cpp's are") {
  nibble::any_type(nibble::quant_formats{}, []<class Q>(std::type_identity<Q>) {
    INFO(Q::name);
    const auto name = "models/synth-quant/llama-e256-" + spelled_in_goldens(Q::name);
    const auto file = nibble_test::shared(name + ".gguf");
    if (file.empty()) {
      MESSAGE("skipped: needs the shared data set");
      return false;
    }
    const auto exact = nibble_test::read_all<float>(nibble_test::shared(name + ".f64deq.logits.f32"));
    const auto theirs = nibble_test::read_all<float>(nibble_test::shared(name + ".llamacpp.logits.f32"));
    const auto ours = logits_of(nibble::any_model::load(file, {.threads = 2}), false);

    CHECK(relative_rmse(ours, exact) <= relative_rmse(theirs, exact));
    return false;
  });
}

TEST_CASE("the most likely tokens of a published model in F32, F16 and Q8_0 are those of the golden") {
  for (const std::string format : {"q8_0", "f32", "f16"}) {
    const auto file = format == "q8_0" ? nibble_test::golden("models/stories260K-q8_0.gguf")
                                       : nibble_test::shared("models/stories260K-" + format + ".gguf");
    NIBBLE_NEEDS(file);
    const auto golden = nibble_test::read_all<token>(nibble_test::golden("models/stories260K-" + format + ".greedy.i32"));
    REQUIRE(golden.size() == 199);
    INFO(format);
    CHECK(greedy(nibble::any_model::load(file, {.threads = 2}), 199) == golden);
  }
}
