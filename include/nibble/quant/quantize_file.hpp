/// Model files into smaller model files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "nibble/core/executor.hpp"
#include "nibble/error.hpp"
#include "nibble/file/limits.hpp"
#include "nibble/gguf/metadata.hpp"
#include "nibble/gguf/reader.hpp"
#include "nibble/quant/recipe.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// How far a file has come, in bytes of the source.
struct quantize_progress {
  std::uint64_t done_bytes, total_bytes;
  std::string_view tensor;  ///< the one being worked on
};

/// How a file is quantized: where work runs, who watches it, what is known of columns.
struct quantize_options {
  executor_ref executor;  ///< a thread_pool, for one; by itself work runs on the calling thread alone
  /// Asked now and then, on the calling thread; false ends the work. Optional.
  std::function<bool(const quantize_progress&)> progress;
  /// One weight for each column of a tensor, or for each column of each of its matrices (dims[0] * dims[2]: those of experts),
  /// or nothing: all columns count alike. Optional.
  std::function<std::span<const float>(std::string_view tensor)> importance;
  /// Keys to set, replacing those of the source: general.name, for one.
  std::vector<metadata_entry> keys;
  nibble::limits limits = {};  ///< those with which the source was opened, where they were not the usual ones
};

/// What became of it. `finished` is false where progress said so: then there is no file.
struct quantize_report {
  bool finished = false;
  std::uint64_t source_bytes = 0, result_bytes = 0;  ///< of tensor data
};

/// Writes a model with its tensors in the formats of a recipe; metadata stays, but for general.file_type,
/// general.quantization_version and options.keys. The source may be quantized itself.
///
/// The file appears whole or not at all, and does not depend on the executor.
/// A weight that is infinite or no number is never written: this holds for tensors that keep their format, too, such as a mask
/// of F32 in which -inf stands. Only tables of integers are copied as they are.
/// @errors  io; unknown_format: a source that this library cannot decode; invalid_argument: importance of the wrong length, an
///          override that matches no matrix, a weight that is no number, or beyond the range of its format (F16: 65504; an
///          override with BF16 or F32 keeps it), told with tensor and row; what the executor throws
/// @cost    as try_quantize_rows; a few MiB of memory however large the model
/// @example  auto report = nibble::try_quantize_file(source, "model-Q4_K_M.gguf", nibble::quantize_recipe::named("Q4_K_M"));
result<quantize_report> try_quantize_file(const gguf_file& source, const std::filesystem::path& path,
                                          const quantize_recipe& recipe, const quantize_options& options = {});
#if NIBBLE_EXCEPTIONS
inline quantize_report quantize_file(const gguf_file& source, const std::filesystem::path& path, const quantize_recipe& recipe,
                                     const quantize_options& options = {}) {
  return try_quantize_file(source, path, recipe, options).value();
}
#endif

}  // namespace NIBBLE_ABI
}  // namespace nibble
