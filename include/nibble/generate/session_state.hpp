/// What a session and its generations share.
#pragma once

#include <cstddef>
#include <utility>

#include "nibble/generate/event_builder.hpp"
#include "nibble/generate/stats.hpp"
#include "nibble/generate/transcript.hpp"
#include "nibble/model/any_model.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

struct session_state {
  session_state(const any_model& m, detail::transcript said)
      : model(m), transcript(std::move(said)), scratch(transcript.tokenizer().size()) {}

  any_model model;
  detail::transcript transcript;
  sampling_scratch scratch;
  std::size_t generations = 0;  // grows when one begins, and when tokens are cut off: only the latest may go on
  generation_stats stats;       // of the latest
};

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
