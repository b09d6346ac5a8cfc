/// feed_outcome: how feeding tokens to a model ended.
#pragma once

#include <cstdint>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Ignored, it is a fault: logits are those of other tokens where these were not fed.
enum class [[nodiscard]] feed_outcome : std::uint8_t;
enum class feed_outcome : std::uint8_t {
  done,
  context_full,  ///< there is no room for all of them: none was fed
  cancelled,     ///< the caller gave up
  memory_full    ///< other sequences have what a step needs of session_options::kv_bytes: it was not begun
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
