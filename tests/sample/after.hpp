/// What a step leaves of some logits, and logits that other languages can compute, too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "nibble/sample/registry.hpp"

namespace nibble_test {

template <class Step>
std::vector<nibble::candidate> after(Step step, std::vector<float> logits, std::vector<nibble::token> recent = {},
                                     std::uint64_t seed = 1) {
  nibble::candidates c;
  c.assign(logits);
  nibble::rng random(seed);
  nibble::sample_context context{recent, random};
  nibble::run_step(step, c, context);
  const auto items = c.items();
  return {items.begin(), items.end()};
}

template <class Step>
std::vector<nibble::token> ids_after(Step step, std::vector<float> logits, std::vector<nibble::token> recent = {},
                                     std::uint64_t seed = 1) {
  std::vector<nibble::token> ids;
  for (const nibble::candidate& x : after(step, std::move(logits), std::move(recent), seed)) ids.push_back(x.id);
  return ids;
}

/// Integers of 24 bits.
inline std::vector<std::uint32_t> integers(std::size_t n, std::uint32_t seed) {
  std::vector<std::uint32_t> out(n);
  for (std::uint32_t& x : out) {
    seed = seed * 1664525u + 1013904223u;
    x = seed >> 8;
  }
  return out;
}

/// Logits within 8 of 0, or 2^23 times another scale.
inline std::vector<float> plain_logits(std::size_t n, std::uint32_t seed, float scale = 0x1p-20f) {
  std::vector<float> out;
  for (const std::uint32_t x : integers(n, seed)) out.push_back(float(std::int32_t(x) - (1 << 23)) * scale);
  return out;
}

}  // namespace nibble_test
