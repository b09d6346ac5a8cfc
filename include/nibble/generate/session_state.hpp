/// What a session and its generations share.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "nibble/generate/event_builder.hpp"
#include "nibble/generate/speculator.hpp"
#include "nibble/generate/stats.hpp"
#include "nibble/generate/transcript.hpp"
#include "nibble/grammar/token_trie.hpp"
#include "nibble/model/any_model.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

struct session_state {
  session_state(const any_model& m, detail::transcript said, std::unique_ptr<speculator> who)
      : model(m), transcript(std::move(said)), scratch(transcript.tokenizer().size()), guesses(std::move(who)) {}

  /// The vocabulary as constraints see it: made when it is first asked for.
  const std::shared_ptr<const token_trie>& trie() {
    if (!known_trie) known_trie = std::make_shared<const token_trie>(transcript.tokenizer());
    return known_trie;
  }

  any_model model;
  detail::transcript transcript;
  sampling_scratch scratch;
  std::unique_ptr<speculator> guesses;  // or none
  std::size_t generations = 0;          // grows when one begins, and when tokens are cut off: only the latest may go on
  generation_stats stats;               // of the latest
  std::shared_ptr<const token_trie> known_trie;
};

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
