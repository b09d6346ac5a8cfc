/// roofline: the least time that a step can take on a machine, from what it must read and what it must multiply.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "nibble/gguf/reader.hpp"
#include "nibble/kv/shape.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// One forward pass: some tokens of each of some sequences.
struct step_shape {
  std::size_t tokens = 1;             ///< of each sequence
  std::size_t sequences = 1;          ///< that go through the weights together
  std::size_t depth = 0;              ///< positions in front of the tokens
  std::size_t logits = 1;             ///< tokens of each sequence whose logits are wanted: 0 inside of a prompt
  tensor_type kv = tensor_type::f16;  ///< f32, f16, bf16, q8_0 or q4_0
};

/// What steps cost. A sum of them is what they cost one after the other.
struct step_work {
  std::uint64_t tokens = 0;         ///< of all sequences
  std::uint64_t weight_bytes = 0;   ///< of matrices, in the layout of the kernels
  std::uint64_t kv_bytes = 0;       ///< keys and values that the tokens see, and states, each once a sequence
  std::uint64_t multiply_adds = 0;  ///< in matrices and in attention
  /// Of these, those of floats: with weights in F32, F16 and BF16, with all values of attention, and with keys but in q8_0 and
  /// q4_0. The others are of 8-bit numbers.
  std::uint64_t float_multiply_adds = 0;

  /// One after the other.
  step_work& operator+=(const step_work& o) noexcept {
    tokens += o.tokens, weight_bytes += o.weight_bytes, kv_bytes += o.kv_bytes;
    multiply_adds += o.multiply_adds, float_multiply_adds += o.float_multiply_adds;
    return *this;
  }
};

/// What a machine reaches, measured: see bench/.
struct machine_speed {
  double bytes_per_second = 0;
  double multiply_adds_per_second = 0;        ///< of 8-bit numbers
  double float_multiply_adds_per_second = 0;  ///< 0: as many as of 8-bit numbers, which is more than there are
};

/// What a step waits for.
enum class bound : std::uint8_t { memory, compute };
/// "memory" or "compute".
constexpr std::string_view name_of(bound b) noexcept { return b == bound::memory ? "memory" : "compute"; }

/// What no implementation can pass that reads weights and cache from memory in every step.
struct step_limit {
  std::chrono::duration<double> time;
  nibble::bound bound;  ///< what takes this time
  double tokens_per_second;
};

/// What a step costs, from the shapes of a model: every matrix is read once, and of experts as many as the tokens choose if no
/// two choose the same. From the last layer on that keeps something, only tokens count whose logits are wanted, but for what
/// makes what is kept. Vectors, activations and the rows that are looked up in tables are too small to count. Layers that
/// keep nothing and attend to another's keys are counted as if they did not attend.
/// @shape   kv: a layer each, as model.kv() gives them
/// @errors  none
/// @cost    O(tensors + layers * tokens)
/// @source  Williams et al. 2009, "Roofline"
/// @example  auto file = nibble::gguf_file::open("model.gguf");
///           auto work = nibble::work_of(file, model.kv(), {.depth = 4096});
///           auto limit = nibble::roofline(work, {.bytes_per_second = 30e9, .multiply_adds_per_second = 300e9,
///                                                .float_multiply_adds_per_second = 100e9});
///           show(limit.tokens_per_second, name_of(limit.bound));
step_work work_of(const gguf_file& file, std::span<const kv_shape> kv, const step_shape& s);

/// The least time that it can take on a machine.
step_limit roofline(const step_work& work, const machine_speed& machine) noexcept;

}  // namespace NIBBLE_ABI
}  // namespace nibble
