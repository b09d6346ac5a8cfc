/// around_layers: what a decoder does before its first layer and at the end of each.
#pragma once

#include <cstddef>

#include "nibble/model/decoder/config.hpp"
#include "nibble/model/step.hpp"
#include "nibble/model/tensor_source.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// A class of these is made of (decoder_config, tensor_source&), and may have memory_bytes() for what it allocates.
class around_layers {
 public:
  /// @shape   x (tokens, width): the embeddings
  /// @returns what end_layer() is given
  virtual activations begin(step& s, activations x) const NIBBLE_NOEXCEPT = 0;
  /// @shape   y (rows.count, width): a layer's output, which may be changed
  virtual void end_layer(step& s, std::size_t i, const activations& prepared, const step_rows& rows,
                         activations y) const NIBBLE_NOEXCEPT = 0;

 protected:
  ~around_layers() = default;
};

/// Nothing.
struct nothing_around {
  nothing_around(const decoder_config&, tensor_source&) noexcept {}
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
