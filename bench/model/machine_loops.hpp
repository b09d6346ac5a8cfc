/// The loops whose speed is a limit of the machine, as one SIMD target compiles them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bench {

/// A block of independent multiply-adds, repeated.
struct product_loop {
  std::int32_t (*run)(std::size_t steps) = nullptr;  ///< null where the target has no such instruction
  std::size_t multiply_adds = 0;                     ///< of a step
};

/// See machine_limits for what each multiplies.
struct machine_loops {
  const char* target;  ///< the instruction set, named as kernel_table names it
  /// A sum of what `bytes`, a multiple of 4 KiB, hold, read as 1 or 4 streams side by side.
  std::uint64_t (*read)(const std::byte* data, std::size_t bytes, std::size_t streams);
  product_loop pairs, pairs_16bit, pairs_16bit_broadcast, quads, floats;
};

}  // namespace bench
