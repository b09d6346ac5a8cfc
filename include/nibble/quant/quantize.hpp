/// Matrices of floats into any weight format and back, in parallel.
#pragma once

#include <cstddef>
#include <span>

#include "nibble/core/executor.hpp"
#include "nibble/error.hpp"
#include "nibble/gguf/tensor_type.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Bytes of a matrix in a format.
/// @errors  unknown_format; invalid_argument: cols is no multiple of the format's block, or the size passes the address space
result<std::size_t> try_quantized_bytes(tensor_type type, std::size_t rows, std::size_t cols);
#if NIBBLE_EXCEPTIONS
inline std::size_t quantized_bytes(tensor_type type, std::size_t rows, std::size_t cols) {
  return try_quantized_bytes(type, rows, cols).value();
}
#endif

/// Encodes a matrix, row by row, on the calling thread unless an executor is given. The bytes do not depend on it.
/// @shape   values (rows, cols); importance (cols), or empty: all columns count alike;
///          out try_quantized_bytes(type, rows, cols)
/// @errors  unknown_format; invalid_argument: sizes that do not fit together, a value that is no number or beyond the range of
///          the format, told with its row (out is written then, too); what the executor throws
/// @cost    O(rows * cols), a few hundred operations a value for integer formats; no allocation
/// @example  std::vector<std::byte> packed(*nibble::try_quantized_bytes(nibble::tensor_type::q4_k, rows, cols));
///           auto done = nibble::try_quantize_rows(nibble::tensor_type::q4_k, values, rows, cols, {}, packed);
result<void> try_quantize_rows(tensor_type type, std::span<const float> values, std::size_t rows, std::size_t cols,
                               std::span<const float> importance, std::span<std::byte> out, executor_ref executor = {});

/// Decodes a matrix.
/// @shape   bytes try_quantized_bytes(type, rows, cols); out (rows, cols)
/// @errors  unknown_format; invalid_argument: sizes that do not fit together
result<void> try_dequantize_rows(tensor_type type, std::span<const std::byte> bytes, std::size_t rows, std::size_t cols,
                                 std::span<float> out, executor_ref executor = {});

#if NIBBLE_EXCEPTIONS
inline void quantize_rows(tensor_type type, std::span<const float> values, std::size_t rows, std::size_t cols,
                          std::span<const float> importance, std::span<std::byte> out, executor_ref executor = {}) {
  try_quantize_rows(type, values, rows, cols, importance, out, executor).value();
}
inline void dequantize_rows(tensor_type type, std::span<const std::byte> bytes, std::size_t rows, std::size_t cols,
                            std::span<float> out, executor_ref executor = {}) {
  try_dequantize_rows(type, bytes, rows, cols, out, executor).value();
}
#endif

}  // namespace NIBBLE_ABI
}  // namespace nibble
