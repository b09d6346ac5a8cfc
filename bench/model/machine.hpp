/// What this machine can read and multiply: the limits beside which a model's figures are shown.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "nibble/model/roofline.hpp"

namespace bench {

/// 8-bit products summed in 32 bits, in 10^9 operations a second: a multiplication and an addition each count.
struct int8_peaks {
  std::optional<double> pairs;                  ///< multiply two bytes and add, widen, add: what sums of any width need
  std::optional<double> pairs_16bit;            ///< the same with eight such products summed in 16 bits before they are widened
  std::optional<double> pairs_16bit_broadcast;  ///< the same with one operand broadcast from memory for every two products
  std::optional<double> quads;  ///< multiply four bytes and add, in one instruction, where there is one; operands as before

  /// What no product of this instruction set can pass: of those whose operands can be had, the highest. pairs_16bit is none:
  /// products do not find both operands in registers.
  double limit() const;
};

struct machine_limits {
  std::string target;  ///< the instruction set of what was measured: that of nibble::kernels()
  std::size_t threads;
  double read_gb_s;
  int8_peaks int8;
  std::optional<double> float_gops;  ///< products of floats, with one operand broadcast from memory for every two of them

  nibble::machine_speed speed() const;
};

/// Best of a few tries of some milliseconds each, by so many threads at once.
/// @errors  std::runtime_error: there are no loops for the instruction set of nibble::kernels()
/// @param  buffer_bytes  what is read, in large pages where the system gives them: see buffer_for
machine_limits measure_machine(std::size_t threads, std::size_t buffer_bytes);

/// A buffer that caches do not hold: the size of the model, or 512 MiB if caches hold much of that.
std::size_t buffer_for(std::size_t model_bytes);

nlohmann::ordered_json to_json(const machine_limits& m);

}  // namespace bench
