/// rotations: the rotary embeddings of a decoder, and their angles once a step.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "nibble/layers/rope.hpp"
#include "nibble/model/decoder/config.hpp"
#include "nibble/model/step.hpp"
#include "nibble/model/tensor_source.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// One for each rope_config, with the frequency factors that a file has for it: of sessions whose context is longer than the
/// model was trained on these may be others.
class rotations {
 public:
  static constexpr std::size_t most = 4;

  rotations() = default;
  /// Of a config that has no more than `most` kinds: a decoder has looked, see detail::wrong_with().
  rotations(const decoder_config& c, tensor_source& t);

  std::span<const rope> ropes() const noexcept { return ropes_; }
  /// Bytes that it has allocated.
  std::size_t memory_bytes() const noexcept;
  /// Of the step's tokens at some positions, for each kind.
  std::array<rope_angles, most> angles(step& s, std::span<const std::uint32_t> positions) const NIBBLE_NOEXCEPT;

 private:
  static constexpr std::size_t never = SIZE_MAX;
  struct longer {
    rope by;
    std::size_t above = never;  ///< positions of a session's context
  };
  std::vector<rope> ropes_;
  std::vector<longer> longer_;
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
