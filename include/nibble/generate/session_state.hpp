/// What a session and its generations share.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "nibble/generate/evaluation.hpp"
#include "nibble/generate/event_builder.hpp"
#include "nibble/generate/stats.hpp"
#include "nibble/generate/transcript.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

struct session_state {
  explicit session_state(std::unique_ptr<evaluation> e) : transcript(std::move(e)), scratch(transcript.tokenizer().size()) {}

  detail::transcript transcript;
  sampling_scratch scratch;
  std::size_t generations = 0;  // how many have begun: only the latest may go on
  generation_stats stats;       // of the latest
};

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
