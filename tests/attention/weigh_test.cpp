#include "nibble/attention/weigh.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/tables.hpp"
#include "nibble/core/thread_pool.hpp"

using namespace nibble;
using namespace nibble_test;

namespace {
constexpr std::size_t places = 192;

/// Sums of what each of `length` positions receives, in steps of `step` tokens.
std::vector<float> run(const kernel_table& table, const attention_spec& spec, std::size_t format, std::size_t length,
                       std::size_t step, executor_ref executor, std::vector<float>* keys = nullptr) {
  const std::vector<kv_shape> shapes{{spec.kv_heads, spec.key_dim, spec.value_dim}};
  const auto pool = *kv_pool::try_create(shapes, {format, places, step});
  auto s = *sequence::try_create(*pool);
  const std::size_t qw = spec.heads * spec.key_dim, kw = spec.kv_heads * spec.key_dim;
  const auto q = gaussian(length * qw, 1), k = gaussian(length * kw, 2);
  auto arena = *scratch_arena::try_create(std::size_t{48} << 20);
  compute c(table, executor, arena);
  std::vector<float> before(places), after(places, 1e9f);
  for (std::size_t position = 0; position < length; position += step) {
    const scratch_scope scope(c);
    const token_run runs[] = {{0, std::min(step, length - position), position, 0}};
    REQUIRE(s.begin(runs[0].count));
    const activations queries = c.scratch(runs[0].count, qw), own = c.scratch(runs[0].count, kw);
    std::memcpy(queries.data, q.data() + position * qw, runs[0].count * qw * sizeof(float));
    std::memcpy(own.data, k.data() + position * kw, runs[0].count * kw * sizeof(float));
    const auto layers = [&](std::size_t) { return s.layer(0); };
    store_kv(c, spec, runs, layers, own, own);
    weigh(
        c, spec, runs, layers,
        [&](const token_run&) {
          return sequence::state{before, after};
        },
        places, queries);
    s.commit();
    std::swap(before, after);
  }
  if (keys) {
    const kv_layer l = s.layer(0);
    visit_kv_format(format, [&]<class F>(std::type_identity<F>) {
      for (std::size_t p = 0; p < length; ++p)
        for (std::size_t h = 0; h < spec.kv_heads; ++h)
          for (std::size_t i = 0; i < spec.key_dim; ++i)
            keys->push_back(read_kv<F, kv_role::key>(l.page(h, p), spec.key_dim, p % page_positions, i));
    });
  }
  return before;
}

/// The same in double precision, of keys as they are stored.
std::vector<double> plain(const attention_spec& spec, const std::vector<float>& keys, std::size_t length) {
  const auto q = gaussian(length * spec.heads * spec.key_dim, 1);
  std::vector<double> sums(places);
  for (std::size_t t = 0; t < length; ++t) {
    for (std::size_t h = 0; h < spec.heads; ++h) {
      std::vector<double> p;
      double total = spec.sinks.empty() ? 0 : std::exp(double(spec.sinks[h]));
      for (std::size_t s = 0; s <= t; ++s) {
        double score = 0;
        for (std::size_t i = 0; i < spec.key_dim; ++i) {
          score += double(q[(t * spec.heads + h) * spec.key_dim + i]) *
                   double(keys[(s * spec.kv_heads + h / (spec.heads / spec.kv_heads)) * spec.key_dim + i]);
        }
        score *= double(spec.scale);
        if (spec.softcap > 0) score = double(spec.softcap) * std::tanh(score / double(spec.softcap));
        p.push_back(std::exp(score)), total += p.back();
      }
      for (std::size_t s = 0; s <= t; ++s) sums[s] += p[s] / total;
    }
  }
  return sums;
}
}  // namespace

TEST_CASE("what keys receive is the sum of their weights, of every format and width, with caps and sinks, on every target") {
  inline_executor nobody;
  const float sinks[6] = {0.5f, -1.0f, 2.0f, 3.0f, 0.1f, -2.0f};
  for (std::size_t format = 0; format < kv_formats::size; ++format) {
    for (const std::size_t dim : {16, 40, 64, 80, 128}) {
      for (const int variant : {0, 1, 2}) {
        attention_spec spec{6, 2, dim, dim};
        spec.scale = 1 / std::sqrt(float(dim));
        if (variant == 1) spec.softcap = 1.5f;
        if (variant == 2) spec.sinks = sinks;
        std::vector<float> keys;
        const auto found = run(kernels(), spec, format, 150, 50, nobody, &keys);
        const auto expected = plain(spec, keys, 150);
        const double most =
            format < find_kv_format(tensor_type::q8_0) ? 1e-4 : 0.03;  // queries have 8 bits where keys are codes
        double total = 0;
        for (std::size_t p = 0; p < places; ++p) {
          total += double(found[p]);
          REQUIRE(std::fabs(double(found[p]) - expected[p]) <= most * expected[p]);
        }
        if (variant != 2) CHECK(total == doctest::Approx(150.0 * 6));
        for_each_table(
            [&](const kernel_table& table) { CHECK(agree(table, found, run(table, spec, format, 150, 64, nobody))); });
      }
    }
  }
}

TEST_CASE("what keys receive has the same bits in any steps and on any threads") {
  inline_executor nobody;
  for (const tensor_type type : {tensor_type::f16, tensor_type::q8_0}) {
    const attention_spec spec{5, 1, 80, 80, attention_mask::causal(), 0.2f};
    const std::size_t format = find_kv_format(type);
    const auto expected = run(kernels(), spec, format, 170, 1, nobody);
    for (const std::size_t step : {7, 40, 64, 170}) CHECK(run(kernels(), spec, format, 170, step, nobody) == expected);
    for (const std::size_t threads : {2, 3}) {
      thread_pool pool(threads);
      for (const std::size_t step : {1, 50}) CHECK(run(kernels(), spec, format, 170, step, pool) == expected);
    }
  }
}
