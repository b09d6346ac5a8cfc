/// How a model is loaded and a session made, and what both will take.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>

#include "nibble/core/checked.hpp"
#include "nibble/core/executor.hpp"
#include "nibble/file/limits.hpp"
#include "nibble/file/readable_file.hpp"
#include "nibble/gguf/tensor_type.hpp"
#include "nibble/model/step_output.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

struct load_options {
  std::size_t threads = 0;                    ///< of the model's own pool; 0: see thread_pool. Not used with an executor
  std::optional<executor_ref> executor = {};  ///< where work runs instead; must outlive the model
  std::size_t memory_cap = 0;                 ///< bytes that weights, and weights and a session, may take; 0: no cap
  nibble::limits limits = {};                 ///< what a file may ask for
  /// Weights stay in the pages of the file, which processes share and the system may drop: loading reads only what is small,
  /// and the cap and plans leave them out. The file must not change: shortening it ends in a fault of the system, see
  /// mapped_file. One that was given as an object or as bytes must outlive the model. Every product then packs them on its way,
  /// to the same bits: prompts are a little slower, single tokens several times.
  bool mapped = false;
  /// How a file that is given by its path is opened. A file that is read is immune to what happens to it meanwhile, an error at
  /// worst, and takes no address space; weights are laid out as they are read, a few MiB at a time. Not with `mapped`.
  file_access access = file_access::mapped;
  /// Called while weights are made ready, with bytes done and of all; returning false gives up.
  std::function<bool(std::size_t done, std::size_t total)> progress = {};
};

/// The longest context that a session may have.
inline constexpr std::size_t most_positions = std::size_t{16} << 20;
/// The most sequences that advance together.
inline constexpr std::size_t most_sequences = 4096;

/// A model whose tokens see what comes behind them takes a text in one step: prefill_chunk and output_rows are then the
/// context.
struct session_options {
  std::size_t context = 0;             ///< positions that are kept; 0: the model's, but no more than 4096
  std::size_t prefill_chunk = 128;     ///< tokens of a prompt that are processed at once: more is no faster, and takes scratch
  std::size_t output_rows = 1;         ///< tokens of a step whose output may be asked for: 1 to generate, more to score
  std::optional<tensor_type> kv = {};  ///< f32, f16, bf16 or q8_0; the model type's own where it is empty
  step_output output = step_output::logits;  ///< what a step gives for them
  /// Room in which layers with a window keep what they saw at a mark, such as the end of a prompt: another reply to it costs no
  /// second reading. Takes no more than the windows do; see evaluator::mark. Sessions mark their prompts.
  bool marks = true;
};

/// Exact bytes, before anything is allocated.
struct memory_plan {
  std::size_t weights = 0;  ///< once a model
  std::size_t kv = 0;       ///< keys and values, once a session
  std::size_t states = 0;   ///< of recurrent layers, once a session
  std::size_t scratch = 0;  ///< once a session

  /// largest_size where the sum does not fit.
  std::size_t total() const noexcept { return sum_of_sizes(sum_of_sizes(weights, kv), sum_of_sizes(states, scratch)); }
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
