/// short_convolution: the mixer of LFM2: a convolution over a few tokens between two gates.
#pragma once

#include <cstddef>

#include "nibble/layers/linear.hpp"
#include "nibble/layers/recurrent.hpp"
#include "nibble/model/decoder/config.hpp"
#include "nibble/model/decoder/step_context.hpp"
#include "nibble/model/step.hpp"
#include "nibble/model/tensor_source.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// out = output(c * convolution(b * u)), where b, c and u are the rows of one matrix ("shortconv.in_proj").
/// @source  Liquid AI 2025, "LFM2 Technical Report"
class short_convolution {
 public:
  short_convolution(const decoder_config& c, std::size_t layer, tensor_source& t);

  /// The last inputs of the convolution.
  kv_shape keeps() const noexcept { return {.state = convolution_.state()}; }

  /// @shape   x (tokens, width); out (rows.count, width)
  void forward(step& s, std::size_t layer, const step_context& context, const layer_input& x, const step_rows& rows,
               layer_output out) const NIBBLE_NOEXCEPT;

 private:
  weight input_, output_;
  convolution_weights convolution_;
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
