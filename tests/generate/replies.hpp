/// What tests of generations share: two small models, a sampler that says what it is told to, and all that a range gave.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/generate/session.hpp"
#include "nibble/text/utf8.hpp"
#include "support/files.hpp"

namespace nibble_test {

using nibble::finish;
using nibble::token;
using tokens = std::vector<token>;

inline const nibble::any_model& stories() {
  static const auto model = nibble::any_model::load(golden("models/stories260K-q8_0.gguf"), {.threads = 2});
  return model;
}
/// Six of its seven layers have a sliding window of four positions.
inline const nibble::any_model& windowed() {
  static const auto model = nibble::any_model::load(golden("models/gemma3.gguf"), {.threads = 2});
  return model;
}

/// A sampler that leaves one token at a time, as written.
struct script {
  tokens ids;
  std::size_t at = 0;
  void operator()(nibble::candidates& c) {
    const token id = ids.at(at++);
    c.remove_if([id](const nibble::candidate& x) { return x.id != id; });
  }
};
/// A sampler that leaves some of the tokens, which follow from all that it is shown of the text, but never one.
struct attentive {
  token never = nibble::no_token;
  void operator()(nibble::candidates& c, nibble::sample_context& context) const {
    std::uint32_t sum = 0;
    for (const token id : context.recent) sum = sum * 31 + static_cast<std::uint32_t>(id);
    c.remove_if([&](const nibble::candidate& x) { return x.id == never || (sum + static_cast<std::uint32_t>(x.id)) % 3 == 0; });
  }
};
/// The vocabulary's tokens of single bytes.
inline tokens bytes(std::string_view text) {
  tokens out;
  for (const char c : text) out.push_back(3 + static_cast<unsigned char>(c));
  return out;
}

struct reply {
  tokens ids;
  std::vector<std::string> texts;
  std::vector<float> logprobs;
  finish reason = finish::none;

  std::string text() const {
    std::string all;
    for (const auto& t : texts) all += t;
    return all;
  }
};
inline reply read(nibble::generation generation) {
  reply r;
  for (const auto& event : generation) {
    CHECK(nibble::is_utf8(event.text));
    if (event.id != nibble::no_token) {
      r.ids.push_back(event.id);
      r.logprobs.push_back(event.logprob);
    }
    r.texts.emplace_back(event.text);
  }
  r.reason = generation.reason();
  CHECK(r.reason != finish::none);
  return r;
}
inline tokens to_vector(std::span<const token> ids) { return {ids.begin(), ids.end()}; }

}  // namespace nibble_test
