/// What a transcript asks of an evaluator.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "nibble/core/checked.hpp"
#include "nibble/core/stop_token.hpp"
#include "nibble/core/token.hpp"
#include "nibble/error.hpp"
#include "nibble/file/byte_sink.hpp"
#include "nibble/gguf/tensor_type.hpp"
#include "nibble/kv/heavy_hitters.hpp"
#include "nibble/kv/sliding_context.hpp"
#include "nibble/model/feed_outcome.hpp"
#include "nibble/tensor/scratch.hpp"
#include "nibble/text/tokenizer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

struct evaluation {
  virtual ~evaluation() = default;
  virtual const nibble::tokenizer& tokenizer() const noexcept = 0;
  virtual std::size_t context() const noexcept = 0;
  virtual std::size_t position() const noexcept = 0;
  /// What it forgets of a text that is longer than its context: see context_policy.
  virtual sliding_context sliding() const noexcept { return {}; }
  virtual heavy_hitters hitters() const noexcept { return {}; }
  /// Processes tokens; logits(0) to logits(ahead) are then those after the last ones. Guesses are all in one step.
  virtual feed_outcome feed(std::span<const token> tokens, std::size_t ahead, stop_token cancel) = 0;
  virtual std::span<float> logits(std::size_t i) noexcept = 0;
  /// The hidden states of these rows, where they are kept; else without rows.
  virtual activations hidden() const noexcept { return {}; }
  /// Guesses that a step may have which adds so many tokens anyhow.
  virtual std::size_t most_ahead(std::size_t pending) const noexcept = 0;
  /// Tells that the evaluator may be cut back to here: see evaluator::mark.
  virtual void mark() noexcept = 0;
  virtual bool has_mark() const noexcept = 0;
  /// The largest position at or before the given one that truncate() can cut back to.
  virtual std::size_t resumable(std::size_t position) noexcept = 0;
  virtual void truncate(std::size_t position) noexcept = 0;
  /// Goes on behind what others have processed of these tokens, where it is empty: see evaluator::recall.
  virtual void recall(std::span<const token> /*tokens*/) noexcept {}
  /// Leaves what it has processed, which are these tokens, to others.
  virtual void remember(std::span<const token> /*tokens*/) noexcept {}
  /// Tokens to feed before that.
  virtual std::size_t tokens_to_remember() const noexcept { return largest_size; }
  /// One that goes on from the same place: see evaluator::try_fork.
  virtual result<std::unique_ptr<evaluation>> try_fork() const = 0;

  // What it is, and what it needs to go on from a position: see saved_session.
  virtual std::uint64_t fingerprint() const noexcept = 0;
  /// How it keeps keys and values.
  struct stored_types {
    tensor_type keys, values;
    std::uint32_t rotated = 0;  ///< 1: keys, 2: values; see session_options::rotated_keys
    friend bool operator==(const stored_types&, const stored_types&) = default;
  };
  virtual stored_types kv() const noexcept = 0;
  virtual std::size_t saved_bytes(std::size_t position) const noexcept = 0;
  virtual void save(std::span<std::byte> out) const = 0;
  virtual result<void> try_save(byte_sink& out) const = 0;
  virtual result<void> try_load(std::size_t position, std::span<const std::byte> state, std::span<const float> logits) = 0;
};

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
