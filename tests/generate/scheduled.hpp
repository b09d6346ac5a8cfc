/// What tests of schedulers share: requests, and what sessions alone answer to them.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "generate/replies.hpp"
#include "nibble/generate/scheduler.hpp"
#include "nibble/sample/temperature.hpp"

namespace nibble_test {

inline tokens some_tokens(std::size_t count, std::size_t from, std::size_t vocabulary) {
  tokens out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(static_cast<token>(3 + (from + i) * 7919 % (vocabulary - 3)));
  return out;
}
inline nibble::generate_options drawing(std::size_t count, std::uint64_t seed) {
  return {.max_tokens = count, .sampler = nibble::temperature{1.2f}, .seed = seed, .logprobs = seed % 3 == 0};
}
/// A request, and what a session answers to it.
struct pair {
  nibble::request asked;
  reply expected;
};
inline pair asked_of(const nibble::any_model& model, std::size_t context, tokens prompt, nibble::generate_options options) {
  nibble::session alone(model, {.context = context});
  auto expected = read(alone.try_generate(prompt, options).value());
  return {{.prompt = std::move(prompt), .options = std::move(options)}, std::move(expected)};
}
inline void check(const nibble::answer& found, const reply& expected) {
  CHECK(found.ids() == expected.ids);
  CHECK(found.text() == expected.text());
  CHECK(found.reason() == expected.reason);
  const bool reports = !expected.logprobs.empty() && !std::isnan(expected.logprobs.front());
  CHECK(found.logprobs() == (reports ? expected.logprobs : std::vector<float>()));
}
inline void run_all(nibble::scheduler& s) {
  while (s.run_once()) continue;
  CHECK(s.running() == 0);
  CHECK(s.waiting() == 0);
}

}  // namespace nibble_test
