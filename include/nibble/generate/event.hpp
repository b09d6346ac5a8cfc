/// What generating yields: one event a token, and at the end the reason why it ended.
#pragma once

#include <cstddef>
#include <limits>
#include <span>
#include <string_view>

#include "nibble/core/token.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Why a generation ended. All of these are normal endings.
enum class finish {
  none,          ///< it has not ended
  end_of_text,   ///< the model said that it is done
  stop_string,   ///< one of the caller's stop strings came
  max_tokens,    ///< the caller's limit was reached
  context_full,  ///< the session's context has no room for another token
  cancelled,     ///< the caller's stop_token was triggered, the callback returned false, or the session was changed
  stop_token,    ///< one of the caller's stop tokens came
  grammar_end,   ///< a grammar_constraint allows nothing more
  no_candidate,  ///< a grammar_constraint wants more, and none of the tokens that it may choose from can be it
  not_a_number,  ///< the model gave no logit above -infinity: what it computed is broken, see event_builder
  too_late,      ///< the request's deadline has passed: see scheduler
  memory_full,   ///< other sequences have what the next step needs of session_options::kv_bytes, or there is no memory for it
};

/// How many there are.
inline constexpr std::size_t finish_count = static_cast<std::size_t>(finish::memory_full) + 1;

/// "end_of_text" and so on.
constexpr std::string_view name_of(finish reason) noexcept {
  switch (reason) {
    case finish::none:
      return "none";
    case finish::end_of_text:
      return "end_of_text";
    case finish::stop_string:
      return "stop_string";
    case finish::max_tokens:
      return "max_tokens";
    case finish::context_full:
      return "context_full";
    case finish::cancelled:
      return "cancelled";
    case finish::stop_token:
      return "stop_token";
    case finish::grammar_end:
      return "grammar_end";
    case finish::no_candidate:
      return "no_candidate";
    case finish::not_a_number:
      return "not_a_number";
    case finish::too_late:
      return "too_late";
    case finish::memory_full:
      return "memory_full";
  }
  return "?";
}

/// A token and its log probability.
struct token_logprob {
  token id = no_token;
  float logprob = std::numeric_limits<float>::quiet_NaN();
};

/// One generated token and the text that became certain with it.
///
/// The text is whole UTF-8 and may be empty: while a character is incomplete, or while it may be the beginning of a stop
/// string.
struct token_event {
  token id = 0;                                             ///< no_token (-1) where only held-back text was left
  std::string_view text;                                    ///< valid until the next event
  float logprob = std::numeric_limits<float>::quiet_NaN();  ///< what the model gave the token, if generate_options asked
  /// The most likely tokens in its place, best first, whatever the sampler made of them: as many as generate_options asked for.
  /// Valid until the next event.
  std::span<const token_logprob> alternatives = {};
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
