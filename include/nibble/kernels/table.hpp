/// kernel_table: every SIMD entry point of the library, for one instruction set. Chosen once, then plain function pointers.
///
/// This header and its users see no SIMD library: the kernels are compiled once, by the one translation unit that includes
/// kernels/compile.hpp (the CMake target nibble::kernels is that file). A link error that names `kernels` below means that it
/// is missing. The table stands outside of the versioned inline namespace, for its one definition serves every caller.
///
/// All functions are reentrant, allocate nothing and cannot fail. A row's sum has one order, whatever the number of tokens, so
/// a table gives the same bits for any batch, chunk or split of the rows. Tables of targets that fuse multiplication and
/// addition (AVX2 and better, NEON of 64 bits) give those of the scalar reference (kernels/reference.hpp), whatever the
/// compiler and its level of optimization. x86 before AVX2 (SSE4, SSSE3, SSE2), WASM and 32-bit NEON do not fuse: their last
/// bits are their own, and where two scales of a block of activations are nearly as good, they may choose the other, which
/// changes its codes. NaN is one result, whatever its bits.
#pragma once

#include <cstddef>
#include <cstdint>

#include "nibble/config.hpp"
#include "nibble/kernels/attention_mask.hpp"
#include "nibble/kv/sliding_context.hpp"

namespace nibble::NIBBLE_KERNELS_ABI {

/// An activation function. silu_clamped is min(x, 7) * sigmoid(1.702 * min(x, 7)), and as a gate it multiplies with
/// clamp(y, -7, 7) + 1; relu_squared is relu(x)^2. What each is to the bit: kernels/reference_activation.hpp.
enum class activation : std::uint8_t { silu, gelu_tanh, gelu, silu_clamped, relu, relu_squared, sigmoid, softplus, tanh, exp };

/// xIELU, as a file states it: with p = softplus(alpha_p) and m = beta + softplus(alpha_n), x (p x + beta) for x > 0, and
/// m (expm1(min(x, eps)) - x) + beta x otherwise.
/// @source  Huang and Schlag 2025
struct xielu_numbers {
  float alpha_p, alpha_n, beta, eps;
};
/// What becomes of a product's sums, each rounded first: out = sum; out += sum; out = f(out) * sum.
enum class epilogue : std::uint8_t { replace, add, gate };

/// out(token, row) = scale * sum over columns of weight(row, column) * in(token, column), for the rows of groups [first, last).
struct matmul_args {
  // the product
  std::size_t first = 0, last = 0;  ///< groups to compute
  const void* input = nullptr;   ///< integer formats: activation_of<Q>, see place_of(); float formats: float[columns] a token
  std::size_t input_stride = 0;  ///< float formats: elements from one token's input to the next
  std::size_t tokens = 0;
  float* output = nullptr;  ///< element (token, row) at output[token * output_stride + row]
  std::size_t output_stride = 0;
  epilogue how = epilogue::replace;
  activation gate = activation::silu;  ///< f of epilogue::gate
  // the weight, filled in by weight::multiply(): either in panels or as a file holds it
  std::size_t rows = 0, columns = 0;  ///< the last group may be partly padding
  const std::byte* groups = nullptr;  ///< panels, see quant/panel.hpp
  std::size_t group_bytes = 0;        ///< from one group of sixteen rows to the next
  const std::byte* stored = nullptr;  ///< rows as a file holds them, packed on the way, to the same bits
  std::size_t row_bytes = 0;          ///< from one stored row to the next
  float scale = 1;                    ///< every sum is multiplied by it, and rounded, before the epilogue
};

/// Attention of some query heads, that share one key-value head, over one sequence.
struct attention_args {
  const float* query;  ///< (tokens, heads * head_dim), rows query_stride apart; starts at the first head of this call
  std::size_t query_stride;
  float* output;  ///< (tokens, heads * value_dim), rows output_stride apart
  std::size_t output_stride;
  std::size_t tokens, heads;  ///< tokens * heads <= max_queries
  std::size_t head_dim, value_dim;
  std::size_t position;    ///< of the first token; the others follow it one by one
  std::size_t positions;   ///< that the pages hold: none past them is seen; >= position + tokens
  attention_mask mask;     ///< which of them a query sees
  float scale, softcap;    ///< score = scale * q k; then softcap * tanh(score / softcap) if softcap > 0
  const float* sinks;      ///< one logit a head in the denominator only, or null
  const float* slopes;     ///< one a head, or null: score -= slope * |distance| (ALiBi), which is exact below 2^24
  const std::byte* pages;  ///< page p of this key-value head begins at pages + p * page_bytes; on a cache line
  std::size_t page_bytes;  ///< in whole cache lines: its keys, and behind value_offset bytes its values
  std::size_t value_offset;
  const std::uint32_t* page_of;       ///< page_of[(position - origin) / page_positions], see kv/tile.hpp
  std::size_t origin;                 ///< the position of the first of these pages
  std::size_t value_format;           ///< of the values, by index in kv_formats; that of the keys is the kernel's
  sliding_context sliding;            ///< what is forgotten of a text that is longer than its context
  const float* kept_query;            ///< where it slides: the queries as they are `forgotten` positions nearer
  const std::uint32_t* kept_page_of;  ///< and the pages of what is kept, from position 0 on
};
/// Queries (tokens x heads) that one attention call may hold.
inline constexpr std::size_t max_queries = 32;

/// A causal convolution of tokens that follow each other, each channel on its own. In place: what comes behind it needs the
/// inputs in `after` only, which may not be the memory of `before`.
struct convolution_args {
  float* x;  ///< (tokens, channels), rows x_stride apart
  std::size_t x_stride, tokens, channels;
  std::size_t taps;     ///< tokens that an output sees, at least 1
  const float* weight;  ///< (taps, channels), rows weight_stride apart; the last row meets the newest token
  std::size_t weight_stride;
  const float* bias;    ///< (channels) or null
  const float* before;  ///< (taps - 1, channels), rows state_stride apart: the inputs of the tokens before, oldest first
  float* after;         ///< the same behind the last token
  std::size_t state_stride;
  bool silu;  ///< of the output
};

/// The recurrence of a state S (rows, columns): for each token,
///
///     d = step * value, or with `delta` d = step * (value - decay * (S^T key))
///     S = decay * S + key d^T
///     output = S^T query + skip * value
///
/// S stands in strips of sixteen columns, the last one filled up: element (r, c) at (c / 16 * rows + r) * 16 + c % 16.
struct scan_args {
  static constexpr std::size_t strip = 16;

  const float* before;  ///< S
  float* after;         ///< S behind the last token; may not be the memory of `before`
  std::size_t rows;
  std::size_t first, last;   ///< columns to compute; `first` begins a strip
  std::size_t tokens;        ///< at least 1
  const float *key, *query;  ///< (tokens, rows), rows key_stride apart
  std::size_t key_stride;
  const float* value;  ///< (tokens, columns), rows value_stride apart
  std::size_t value_stride;
  const float* step;  ///< (tokens), step_stride apart
  std::size_t step_stride;
  const float* decay;  ///< (tokens), decay_stride apart
  std::size_t decay_stride;
  float* output;  ///< (tokens, columns), rows output_stride apart
  std::size_t output_stride;
  float skip;
  bool delta;
};

/// Which two numbers of a head are turned together.
enum class rope_pairs : std::uint8_t { halves, interleaved };

/// How many formats the arrays below have room for.
inline constexpr std::size_t max_formats = 32, max_kv_formats = 8;

/// The kernels of one weight format.
struct format_kernels {
  /// Up to sixteen rows as a file holds them into one group of panels; see pack_group in quant/panel.hpp.
  void (*pack)(const std::byte* rows, std::size_t count, std::size_t row_bytes, std::size_t columns, std::byte* group) noexcept;
  /// One row of a group as floats; see unpack_row in quant/panel.hpp.
  void (*unpack_row)(const std::byte* group, std::size_t row, std::size_t columns, float* out) noexcept;
  /// One row as a file holds it, as floats; see decode_row in quant/format.hpp.
  void (*decode_row)(const std::byte* row, std::size_t columns, float* out) noexcept;
  void (*matmul)(const matmul_args&);
};

/// The functions of one instruction set, each with the meaning of its twin in kernels/reference.hpp.
struct kernel_table {
  const char* target;  ///< the instruction set's name, as the SIMD library gives it

  format_kernels formats[max_formats];  ///< by index in quant_formats

  /// One token's activations, quantized: columns / 32 x activation_block, `step` blocks apart.
  void (*quantize)(const float* in, std::size_t columns, void* out, std::size_t step);
  /// And in super-blocks: columns / 256 x activation_super_block.
  void (*quantize_super)(const float* in, std::size_t columns, void* out, std::size_t step);

  /// out = in / sqrt(mean(in^2) + eps) * gain. in == out is allowed.
  void (*rms_norm)(const float* in, const float* gain, float eps, std::size_t n, float* out);
  /// x += y.
  void (*add)(float* x, const float* y, std::size_t n);
  /// x += factor * y, fused.
  void (*add_scaled)(float* x, const float* y, float factor, std::size_t n);
  /// The sums of x and of its squares, each number's in double precision: eight sums side by side, added up one after the
  /// other.
  double (*sum)(const float* x, std::size_t n);
  double (*squared_length)(const float* x, std::size_t n);
  /// x *= factor.
  void (*scale)(float* x, float factor, std::size_t n);
  /// x = cap * tanh(x / cap).
  void (*softcap)(float* x, float cap, std::size_t n);
  /// x = f(x).
  void (*activate)(float* x, std::size_t n, activation f);
  /// x = f(x) * y.
  void (*gate)(float* x, const float* y, std::size_t n, activation f);
  /// x = xielu(x).
  void (*xielu)(float* x, std::size_t n, const xielu_numbers& k);
  /// x *= y.
  void (*multiply)(float* x, const float* y, std::size_t n);
  /// x *= factor / max(|x|, least), where |x| is the length of the vector.
  void (*normalize)(float* x, float least, float factor, std::size_t n);
  /// step = softplus(step + bias), decay = e^(step * rate).
  void (*step_decay)(const float* bias, const float* rate, std::size_t n, float* step, float* decay);
  void (*convolve)(const convolution_args&);
  void (*scan)(const scan_args&);
  /// Rotates the first 2 * pairs elements of a head by the angles whose cosines and sines are given.
  void (*rope)(float* head, const float* cosines, const float* sines, std::size_t pairs, rope_pairs order);

  /// By index in kv_formats: writes one position's key and value of one head into its tiles.
  void (*store_key[max_kv_formats])(const float* key, std::size_t head_dim, std::size_t slot, std::byte* tile);
  void (*store_value[max_kv_formats])(const float* value, std::size_t value_dim, std::size_t slot, std::byte* tile);
  /// By the format of keys.
  void (*attention[max_kv_formats])(const attention_args&);
  /// Multiplies blocks of numbers that follow each other with the Walsh-Hadamard matrix of their size, over its root: that is
  /// its own inverse. `size` is a power of two, at most max_head_dim.
  void (*hadamard)(float* x, std::size_t size, std::size_t count);
};

/// The table of the best instruction set of this CPU. Defined in kernels/compile.hpp.
const kernel_table& kernels() noexcept;

/// Every table that this CPU can run, best first, for tests: nullptr past the last.
const kernel_table* kernels_at(std::size_t index) noexcept;

}  // namespace nibble::NIBBLE_KERNELS_ABI

namespace nibble {
inline namespace NIBBLE_ABI {
using NIBBLE_KERNELS_ABI::activation;
using NIBBLE_KERNELS_ABI::attention_args;
using NIBBLE_KERNELS_ABI::attention_mask;
using NIBBLE_KERNELS_ABI::convolution_args;
using NIBBLE_KERNELS_ABI::epilogue;
using NIBBLE_KERNELS_ABI::format_kernels;
using NIBBLE_KERNELS_ABI::kernel_table;
using NIBBLE_KERNELS_ABI::kernels;
using NIBBLE_KERNELS_ABI::kernels_at;
using NIBBLE_KERNELS_ABI::matmul_args;
using NIBBLE_KERNELS_ABI::max_queries;
using NIBBLE_KERNELS_ABI::rope_pairs;
using NIBBLE_KERNELS_ABI::scan_args;
using NIBBLE_KERNELS_ABI::xielu_numbers;
}  // namespace NIBBLE_ABI
}  // namespace nibble
