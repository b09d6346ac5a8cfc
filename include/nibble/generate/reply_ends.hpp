/// Where a reply ends before it has a token: what sessions and generate_each ask alike, in this order.
#pragma once

#include <cstddef>
#include <optional>

#include "nibble/core/token.hpp"
#include "nibble/generate/event.hpp"
#include "nibble/model/feed_outcome.hpp"
#include "nibble/text/tokenizer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// How a reply ends whose tokens were fed to this end; finish::none where they are.
inline finish finish_of(feed_outcome how) noexcept {
  switch (how) {
    case feed_outcome::done:
      return finish::none;
    case feed_outcome::context_full:
      return finish::context_full;
    case feed_outcome::cancelled:
      return finish::cancelled;
    case feed_outcome::memory_full:
      return finish::memory_full;
  }
  return finish::cancelled;
}

/// What stands before the first token of a text that is empty; nothing where a vocabulary has neither.
inline std::optional<token> beginning_of_text(const tokenizer& t) noexcept { return t.bos() ? t.bos() : t.eos(); }

/// Why a reply ends before its prompt is processed; finish::none where it does not.
/// @param  held, added  tokens before the prompt, and of it
inline finish end_before_prompt(const tokenizer& t, std::size_t context, std::size_t held, std::size_t added,
                                std::size_t max_tokens) noexcept {
  if (added > context - held) return finish::context_full;
  if (held + added > 0) return finish::none;
  if (max_tokens == 0) return finish::max_tokens;
  return beginning_of_text(t) ? finish::none : finish::end_of_text;
}

/// Why it ends when its prompt is processed.
/// @param  room  positions that are left
inline finish end_behind_prompt(std::size_t room, std::size_t max_tokens) noexcept {
  if (max_tokens == 0) return finish::max_tokens;
  return room == 0 ? finish::context_full : finish::none;
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
