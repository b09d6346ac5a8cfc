/// step_output: what a forward pass gives for each row that is wanted.
#pragma once

#include <cstdint>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

enum class step_output : std::uint8_t {
  logits,  ///< (vocabulary)
  hidden,  ///< (width): what the logits would be made of, behind the last norm
  draft    ///< (vocabulary): logits of the token after the next, by a block that some files have for that, see
           ///< evaluator::draft_each
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
