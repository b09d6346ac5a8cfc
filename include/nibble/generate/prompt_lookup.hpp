/// prompt_lookup: guesses what comes next from what was said before.
#pragma once

#include <cstddef>

#include "nibble/model/speculation.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// The longest end of the session that stands in it once more, prompt and answers alike: what came behind it there may come
/// again. For texts that repeat their prompt, as edits, summaries and answers from documents do; elsewhere it costs nothing.
/// @cost     12 to 16 bytes for each position of the context; some microseconds a token
/// @source   Saxena 2023, "Prompt Lookup Decoding"; Oliaro et al. 2024, "SuffixDecoding"
/// @example  nibble::session session(model, {.speculation = nibble::prompt_lookup{}});
struct prompt_lookup {
  std::size_t guesses = 15;  ///< of a step, at most: 1 to most_guesses; each takes a row of logits
  std::size_t shortest = 2;  ///< tokens that must be the same, 1 to 16
  bool always = false;       ///< checks all guesses, whether that has saved time so far or not: to measure what they are worth

  /// For session_options::speculation.
  operator speculation() const;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
