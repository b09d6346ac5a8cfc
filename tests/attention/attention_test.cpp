#include "nibble/attention/attention.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstring>

#include "kernels/tables.hpp"
#include "nibble/core/thread_pool.hpp"

using namespace nibble;
using namespace nibble_test;

namespace {
/// Attention of one layer over fresh caches: `lengths[i]` tokens of sequence i, in steps of `step` tokens each.
std::vector<float> run(const attention_spec& spec, std::vector<std::size_t> lengths, std::size_t step, executor_ref executor) {
  const std::size_t window = spec.mask.before == attention_mask::all ? 0 : spec.mask.before + 1;
  const std::vector<kv_shape> shapes{{spec.kv_heads, spec.key_dim, spec.value_dim, window}};
  std::size_t tokens = 0, longest = 0;
  for (std::size_t n : lengths) {
    tokens += n;
    longest = std::max(longest, n);
  }
  const auto pool = *kv_pool::try_create(shapes, {find_kv_format(tensor_type::f16), 256, step, lengths.size()});
  std::vector<sequence> sequences;
  for (std::size_t i = 0; i < lengths.size(); ++i) sequences.push_back(*sequence::try_create(*pool));
  const std::size_t qw = spec.heads * spec.key_dim, kw = spec.kv_heads * spec.key_dim;
  const auto q = gaussian(tokens * qw, 1), k = gaussian(tokens * kw, 2), v = gaussian(tokens * kw, 3);
  std::vector<float> out(tokens * qw);
  auto arena = *scratch_arena::try_create(4 * (tokens * (2 * qw + 2 * kw)) * sizeof(float));
  compute c(kernels(), executor, arena);
  for (std::size_t position = 0; position < longest; position += step) {
    std::vector<token_run> runs;
    std::vector<std::size_t> rows;  // where the step's tokens stand among all
    std::size_t first_row = 0;
    for (std::size_t s = 0; s < lengths.size(); ++s) {
      if (position < lengths[s]) {
        const std::size_t count = std::min(step, lengths[s] - position);
        REQUIRE(sequences[s].begin(count));
        runs.push_back({rows.size(), count, position, s});
        for (std::size_t i = 0; i < count; ++i) rows.push_back(first_row + position + i);
      }
      first_row += lengths[s];
    }
    const scratch_scope scope(c);
    const auto gather = [&](const std::vector<float>& from, std::size_t width) {
      const activations a = c.scratch(rows.size(), width);
      for (std::size_t i = 0; i < rows.size(); ++i) std::memcpy(a.row(i), from.data() + rows[i] * width, width * sizeof(float));
      return a;
    };
    const activations y = c.scratch(rows.size(), qw);
    const auto layers = [&](std::size_t s) { return sequences[s].layer(0); };
    store_kv(c, spec, runs, layers, gather(k, kw), gather(v, kw));
    attend(c, spec, runs, layers, gather(q, qw), {}, y);
    for (const token_run& r : runs) sequences[r.sequence].commit();
    for (std::size_t i = 0; i < rows.size(); ++i) std::memcpy(out.data() + rows[i] * qw, y.row(i), qw * sizeof(float));
  }
  return out;
}
}  // namespace

TEST_CASE("attention has the same bits for any step, any threads, with and without other sequences beside it") {
  for (std::size_t window : {0, 20, 100}) {
    const attention_spec spec{6, 2, 32, 32, window ? attention_mask::window(window) : attention_mask::causal(), 0.2f, 0, {}};
    inline_executor nobody;
    const auto expected = run(spec, {150, 90}, 150, nobody);
    for (std::size_t step : {1, 7, 64}) CHECK(run(spec, {150, 90}, step, nobody) == expected);
    thread_pool pool(3);
    CHECK(run(spec, {150, 90}, 33, pool) == expected);
    const auto alone = run(spec, {150}, 11, nobody);
    CHECK(std::memcmp(alone.data(), expected.data(), alone.size() * sizeof(float)) == 0);
  }
}

TEST_CASE("query heads of one key-value head may be shared out between threads, with the same bits") {
  const attention_spec spec{5, 1, 32, 32, attention_mask::causal(), 0.2f, 0, {}};
  inline_executor nobody;
  const auto expected = run(spec, {90}, 90, nobody);
  for (std::size_t threads : {2, 3, 8}) {
    thread_pool pool(threads);
    for (std::size_t step : {1, 64}) CHECK(run(spec, {90}, step, pool) == expected);
  }
}

TEST_CASE("any number of query heads may share a key-value head") {
  inline_executor nobody;
  const attention_spec many{71, 1, 16, 16, attention_mask::causal(), 0.25f, 0, {}};
  const auto out = run(many, {5}, 5, nobody);
  // At the first position a query sees one key: the output of every head is that value, as F16 keeps it.
  const auto v = gaussian(5 * 16, 3);
  for (std::size_t h = 0; h < 71; ++h) {
    for (std::size_t i = 0; i < 16; ++i) CHECK(out[h * 16 + i] == doctest::Approx(float(to_half(v[i]))).epsilon(1e-6));
  }
}
