/// What a scheduler has done so far, as numbers, and as text for those that collect such numbers.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include "nibble/generate/event.hpp"
#include "nibble/generate/time_histogram.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Counts since it was made, but for what says "now".
struct scheduler_stats {
  std::size_t submitted = 0, coalesced = 0;          ///< requests, and those of them that share the answer of another
  std::array<std::size_t, finish_count> ended{};     ///< by their finish
  std::size_t running = 0, waiting = 0;              ///< now
  std::size_t prompt_tokens = 0, cached_tokens = 0;  ///< given, and those of them that were not processed for they were there
  std::size_t processed_tokens = 0;                  ///< in steps
  std::size_t generated_tokens = 0;
  std::size_t steps = 0, preemptions = 0;
  std::size_t page_bytes = 0, cached_bytes = 0,
              most_page_bytes = 0;  ///< now: of sequences, of the prefix cache, of all there are

  time_histogram queue_time;        ///< until a request was first given room
  time_histogram first_token_time;  ///< from when it was submitted
  time_histogram token_time;        ///< between tokens of an answer
  time_histogram step_time;
};

/// The text format of Prometheus, version 0.0.4. A bucket counts times below its bound, to the microsecond: whether one that is
/// equal to it counts as well cannot be told.
/// @param model  what the label `model` says; none where it is empty
std::string prometheus_text(const scheduler_stats& stats, std::string_view model = {});

}  // namespace NIBBLE_ABI
}  // namespace nibble
