/// recurrent_config: the sizes of recurrent layers, as files state them under "ssm." and "shortconv.".
#pragma once

#include <cstddef>

#include "nibble/model/hyperparameters.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

struct recurrent_config {
  std::size_t taps = 1;       ///< tokens that a convolution sees
  std::size_t inner = 0;      ///< numbers of all heads' values
  std::size_t heads = 0;      ///< of inner / heads values each
  std::size_t groups = 0;     ///< heads that share a key and a query
  std::size_t state = 0;      ///< numbers of a key, and of a query
  bool always_normed = true;  ///< what the heads of Mamba-2 give, where the file has ssm_norm if this is false
  bool interleaved = false;   ///< head h has the key of group h mod groups, else h * groups / heads

  /// @errors  of the hyperparameters: missing or out of bounds, heads that share nothing evenly
  static recurrent_config read(hyperparameters& h);
  /// The same where keys, queries and values of a head are of one size.
  static recurrent_config read_square(hyperparameters& h);
  /// Of short convolutions, which are as wide as the model.
  static recurrent_config read_short(hyperparameters& h, std::size_t width);
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
