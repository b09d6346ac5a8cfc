/// How rows become vectors, and what files may say of it.
#include <doctest/doctest.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "model/small_embedder.hpp"
#include "nibble/model/embedder.hpp"

namespace {
using namespace nibble;
using namespace nibble_test;
}  // namespace

TEST_CASE("pooling takes the rows that it names") {
  const auto model = small_embedder().load();
  const auto ids = std::vector<token>{3, 9, 27, 1};
  const std::size_t width = model.width();
  const floats rows = embedder::create(model, {.pooling = pooling::none}).embed(ids);
  REQUIRE(rows.size() == 4 * width);
  CHECK(embedder::create(model, {.pooling = pooling::first}).embed(ids) == floats(rows.begin(), rows.begin() + 32));
  CHECK(embedder::create(model, {.pooling = pooling::last}).embed(ids) == floats(rows.end() - 32, rows.end()));
  const floats mean = embedder::create(model).embed(ids);
  for (std::size_t i = 0; i < width; ++i) {
    const double sum = double(rows[i]) + double(rows[i + 32]) + double(rows[i + 64]) + double(rows[i + 96]);
    CHECK(mean[i] == doctest::Approx(sum / 4).epsilon(1e-6));
  }
}

TEST_CASE("vectors of unit length point where they did, and rows each have it") {
  const auto model = small_embedder().load();
  const auto ids = some_tokens(5);
  std::vector<token> small;
  for (const token id : ids) small.push_back(id % 40);
  auto unit = embedder::create(model, {.unit_length = true});
  const floats plain = embedder::create(model).embed(small), vector = unit.embed(small);
  CHECK(cosine(plain, vector) == doctest::Approx(1).epsilon(1e-6));
  double squares = 0;
  for (const float x : vector) squares += double(x) * double(x);
  CHECK(squares == doctest::Approx(1).epsilon(1e-6));
  const floats rows = embedder::create(model, {.pooling = pooling::none, .unit_length = true}).embed(small);
  for (std::size_t row = 0; row < 5; ++row) {
    squares = 0;
    for (std::size_t i = 0; i < 32; ++i) squares += double(rows[row * 32 + i]) * double(rows[row * 32 + i]);
    CHECK(squares == doctest::Approx(1).epsilon(1e-6));
  }
  CHECK(cosine(floats{0, 0}, floats{1, 2}) == 0);
  CHECK(cosine(floats{1, 0}, floats{0, 3}) == 0);
}

TEST_CASE("what contradicts itself in poolings, classifiers and products behind them is refused in a sentence") {
  CHECK_SAYS(small_embedder().set("pooling_type", 5u).refusal(), "key 'eurobert.pooling_type': expected 0 to 4, found 5");
  CHECK_SAYS(small_embedder().set("pooling_type", "mean").refusal(), "eurobert.pooling_type");
  CHECK_SAYS(small_embedder().set("pooling_type", 4u).refusal(), "cls.weight: expected a classifier, for pooling_type is rank");
  CHECK_SAYS(small_embedder().set("attention.causal", true).refusal(), "expected false, for this is an encoder");
  CHECK_SAYS(small_embedder().add("cls.weight", {32, 7}).refusal(), "cls.weight: expected (32), found (7, 32)");
  CHECK_SAYS(small_embedder().add("cls.weight", {32, 31}).add("cls.output.weight", {32}).refusal(),
             "cls.weight: expected (32, 32), found (31, 32)");
  CHECK_SAYS(small_embedder().add("cls.output.weight", {32, 3}).refusal(), "cls.output.weight: expected (32), found (3, 32)");
  const std::vector<std::string> labels{"yes", "no"};
  CHECK_SAYS(small_embedder().set("classifier.output_labels", labels).add("cls.output.weight", {32, 3}).refusal(),
             "cls.output.weight: expected (2, 32), found (3, 32)");
  CHECK_SAYS(small_embedder().add("cls.output.weight", {32}).add("cls.output.bias", {2}).refusal(),
             "cls.output.bias: expected");
  CHECK_SAYS(small_embedder().add("cls.weight", {32, 32}).add("cls.output.weight", {32}).add("cls.bias", {1}).refusal(),
             "cls.bias: expected");
  CHECK_SAYS(small_embedder().add("cls.norm.weight", {31}).refusal(), "cls.norm.weight: expected");
  CHECK_SAYS(small_embedder().set("dense_2_feat_out", 64u).refusal(), "dense_2.weight: the tensor is missing");
  CHECK_SAYS(small_embedder().set("dense_2_feat_in", 33u).add("dense_2.weight", {32, 64}).refusal(),
             "dense_2.weight: expected 32 columns, and dense_*_feat_in says 33");
  CHECK_SAYS(small_embedder().set("dense_2_feat_out", 63u).add("dense_2.weight", {32, 64}).refusal(),
             "dense_2.weight: expected (63, 32), found (64, 32)");
  CHECK_SAYS(small_embedder().add("dense_2.weight", {31, 64}).refusal(), "dense_2.weight: expected (64, 32), found (64, 31)");
  CHECK_SAYS(small_embedder().add("dense_2.weight", {32, 64}).add("dense_3.weight", {32, 32}).refusal(),
             "dense_3.weight: expected (32, 64), found (32, 32)");
  CHECK_SAYS(small_embedder().set("dense_2_feat_out", std::uint64_t{1} << 40).refusal(), "dense_2_feat_out");
  // of a model that makes text they are no part
  const auto stray = [](const char* tensor) {
    nibble_test::smallest_model text("llama");
    text.tensors.push_back({tensor, tensor_type::f32, {32, 32}, {}});
    return refusal_of(any_model::try_load(text.bytes()));
  };
  CHECK_SAYS(stray("cls.weight"), "cls.weight: llama does not read this tensor");
  CHECK_SAYS(stray("dense_2.weight"), "dense_2.weight: llama does not read this tensor");
}
