/// What tests of texts share that outgrow their context, by whatever they forget then.
#pragma once

#include <doctest/doctest.h>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "model/toys.hpp"
#include "nibble/model/any_model.hpp"
#include "nibble/model/batch_evaluator.hpp"
#include "support/smallest_model.hpp"

namespace nibble_test {

inline std::vector<token> some(std::size_t count) {
  std::vector<token> ids;
  for (std::size_t i = 0; i < count; ++i) ids.push_back(static_cast<token>(i * i * 7919 % 37 + i % 2));
  return ids;
}

/// A text of `length` tokens has the same bits in any chunks, on any threads, beside others, and forked, saved or cut back.
/// Returns what was cut back and went on.
inline evaluator check_bits_of_outgrown(const char* name, session_options options, std::size_t length) {
  const auto bytes = smallest_model(name, 32, 4).bytes();
  const any_model model = any_model::load(bytes, {.threads = 1});
  const auto ids = some(length);
  const auto begin = std::span(ids).first(length - 30), end = std::span(ids).subspan(length - 30);
  options.forks = 1;
  const auto in_chunks = [&](std::size_t chunk) {
    session_options o = options;
    o.prefill_chunk = chunk;
    return o;
  };
  auto first = evaluator_of(model, in_chunks(1));
  const auto expected = row_after(first, ids);
  for (const std::size_t threads : {1u, 2u, 3u}) {
    const any_model shared = any_model::load(bytes, {.threads = threads});
    for (const std::size_t chunk : {7u, 64u, 80u}) {
      auto e = evaluator_of(shared, in_chunks(chunk));
      CHECK(row_after(e, ids) == expected);
      CHECK(e.scratch_peak() <= e.memory().scratch);
    }
  }
  auto e = evaluator_of(model, in_chunks(16));
  row_after(e, begin);
  auto fork = e.fork();
  row_after(fork, some(options.context * 3 / 4));
  std::vector<std::byte> state(e.saved_bytes(begin.size()));
  e.save(state);
  CHECK(row_after(e, end) == expected);
  auto loaded = evaluator_of(model, in_chunks(30));
  row_after(loaded, some(9));
  loaded.load(begin.size(), state, {});
  CHECK(row_after(loaded, end) == expected);
  const std::size_t back = e.resumable(length - 1);
  REQUIRE(e.truncate(back));
  CHECK(row_after(e, std::span(ids).subspan(back)) == expected);
  auto batch = batch_evaluator::create(model, 2, in_chunks(16));
  REQUIRE(batch.feed(1, some(30)) == feed_outcome::done);
  REQUIRE(batch.feed(0, std::span(ids).first(length - 60)) == feed_outcome::done);
  floats last;
  for (std::size_t i = length - 60; i < length; ++i) {
    const batch_evaluator::entry entries[] = {{1, ids[i - 7]}, {0, ids[i]}};
    REQUIRE(batch.step(entries) == feed_outcome::done);
    last.assign(batch.logits(1).begin(), batch.logits(1).end());
  }
  CHECK(last == expected);
  return e;
}

}  // namespace nibble_test
