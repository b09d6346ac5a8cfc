/// What tests of prefix caches share: sequences whose memory says what it should hold.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <vector>

#include "nibble/kv/sequence.hpp"

namespace nibble_test {
using namespace nibble;
using tokens = std::vector<token>;
inline constexpr std::size_t context = 700, chunk = 80;

inline const std::vector<std::vector<kv_shape>> kinds_of_layers{
    {{1, 32, 32, 0}},                                         // all is seen
    {{1, 32, 32, 100}, {2, 32, 16, 0}, {1, 32, 32, 100, 5}},  // windows, and a state in a layer
    {{1, 32, 32, 100}},                                       // windows alone
    {{.state = 3}},                                           // states alone
};

inline kv_room room_of(std::size_t sequences, std::size_t page_bytes = 0, std::size_t states = 8) {
  return {.types = find_kv_format(tensor_type::f16),
          .context = context,
          .prefill_chunk = chunk,
          .sequences = sequences,
          .page_bytes = page_bytes,
          .prefix_cache = true,
          .prefix_states = states};
}

/// What every layer has to hold for the last of these tokens: a number that depends on all of them.
inline std::uint32_t number_of(std::span<const token> text) {
  std::uint32_t h = 2166136261u;
  for (const token t : text) h = (h ^ static_cast<std::uint32_t>(t)) * 16777619u;
  return h;
}

/// A sequence, and the tokens that it holds.
struct reader {
  const std::vector<kv_shape>& layers;
  nibble::sequence s;
  tokens held = {};

  std::byte* at(std::size_t layer, std::size_t head, std::size_t position) const {
    return s.layer(layer).page(head, position) + position % page_positions * 4;
  }
  std::uint32_t number(std::size_t position) const { return number_of(std::span(held).first(position + 1)); }
  bool add(std::span<const token> more) {
    if (!s.begin(more.size())) return false;
    held.insert(held.end(), more.begin(), more.end());
    for (std::size_t layer = 0; layer < layers.size(); ++layer) {
      const auto state = s.layer_state(layer);
      std::copy(state.before.begin(), state.before.end(), state.after.begin());
      for (std::size_t p = s.length(); p < held.size(); ++p) {
        const std::uint32_t n = number(p);
        for (std::size_t head = 0; head < layers[layer].heads; ++head) std::memcpy(at(layer, head, p), &n, sizeof(n));
        for (float& x : state.after) x += float(n % 1000);
      }
    }
    s.commit();
    return true;
  }
  bool whole() const {
    if (held.size() != s.length()) return false;
    std::vector<std::uint32_t> numbers;
    float sum = 0;
    for (std::size_t p = 0; p < held.size(); ++p) sum += float(numbers.emplace_back(number(p)) % 1000);
    for (std::size_t layer = 0; layer < layers.size(); ++layer) {
      const std::size_t w = layers[layer].window, next = s.length() + 1;
      for (std::size_t p = w > 0 && next > w ? next - w : 0; p < s.length(); ++p) {
        for (std::size_t head = 0; head < layers[layer].heads; ++head) {
          if (std::memcmp(at(layer, head, p), &numbers[p], sizeof(numbers[p])) != 0) return false;
        }
      }
      const auto state = s.layer_state(layer).before;
      if (std::count(state.begin(), state.end(), sum) != std::ptrdiff_t(state.size())) return false;
    }
    return true;
  }
  void forget() {
    s.truncate(0);
    held.clear();
  }
  std::size_t recall(const tokens& text) {
    const std::size_t found = s.recall(text);
    held.assign(text.begin(), text.begin() + std::ptrdiff_t(found));
    return found;
  }
  /// Adds what of `text` is missing, in steps that end with a page.
  void read(const tokens& text) {
    while (held.size() < text.size()) {
      const std::size_t count = std::min(page_positions - held.size() % page_positions, text.size() - held.size());
      REQUIRE(add(std::span(text).subspan(held.size(), count)));
      s.remember(held);
    }
  }
};
inline tokens text_of(std::size_t count, token first = 0) {
  tokens out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(first + static_cast<token>(i % 50));
  return out;
}
}  // namespace nibble_test
