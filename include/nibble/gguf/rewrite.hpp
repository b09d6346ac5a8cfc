/// rewrite: model files with other metadata, cut into shards, and put together again. Tensors stay as they are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string_view>
#include <vector>

#include "nibble/error.hpp"
#include "nibble/file/limits.hpp"
#include "nibble/gguf/metadata.hpp"
#include "nibble/gguf/reader.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// How far a copy has come, in bytes of tensors.
struct copy_progress {
  std::uint64_t done_bytes, total_bytes;
  std::string_view tensor;  ///< the one being written
};

/// How a file is copied.
struct copy_options {
  nibble::limits limits = {};  ///< those with which the source was opened, where they were not the usual ones
  /// Asked after each tensor and each MiB of one, on the calling thread; false gives up: errc::cancelled.
  std::function<bool(const copy_progress&)> progress = {};
};

/// Writes the tensors of a file, or of all its shards, into one file with this metadata, which replaces an old one of that name
/// when it is whole. The source may be the file that is replaced, where the system lets a mapped file be.
/// @errors  those of gguf_writer; cancelled; of a source that is read, truncated and io, and those of its reader
/// @cost    one pass over the source, and 1 MiB of memory beside the header
/// @example  nibble::metadata meta = file.meta();
///           meta.set("general.name", nibble::value("Mine"));
///           nibble::copy_gguf(file, meta, "mine.gguf");
result<void> try_copy_gguf(const gguf_file& source, const metadata& meta, const std::filesystem::path& path,
                           const copy_options& options = {});

/// Writes all shards of a split model into one file: what it was before it was split, to the byte if tensors lay in it as this
/// library and llama.cpp lay them out: one behind the other, each at the next multiple of the alignment.
/// @errors  as try_copy_gguf
result<void> try_merge_gguf(const gguf_file& source, const std::filesystem::path& path, const copy_options& options = {});

/// Puts other metadata into a file itself, without writing its tensors again: for files that are too large for that.
///
/// The new header has to end where the old one does, give or take the gap before the tensors: numbers always fit, and texts of
/// about the same length. It is not for files that are mapped meanwhile. If the write fails, the old header is put back; if the
/// machine stops within it, the header is lost.
/// @errors  invalid_argument: the tensors would have to move; io; those of gguf_file::open and gguf_writer
/// @cost    O(header)
result<void> try_edit_gguf(const std::filesystem::path& path, const std::function<result<void>(metadata&)>& edit,
                           const limits& most = {});

/// What a shard of a split model may hold.
struct shard_limits {
  std::uint64_t tensors = 0;    ///< 0: any number
  std::uint64_t bytes = 0;      ///< of tensors, each up to a multiple of 32; a larger one stands alone. 0: any number
  bool metadata_alone = false;  ///< the first shard has all of it, and no tensor
};

/// How many tensors stand in each shard, in file order.
/// @errors  invalid_argument: neither of the limits is set; limit_exceeded: more shards than 65,535
result<std::vector<std::size_t>> try_plan_shards(const gguf_file& source, const shard_limits& each);

/// Writes a file as shards "<stem>-00001-of-0000N.gguf", of which the first has all metadata: names, keys and bytes are those
/// of llama-gguf-split. None is there if any fails, and none may be there before.
/// @returns the paths of all shards
/// @errors  as try_copy_gguf and try_plan_shards; invalid_argument: a file of that name is there
result<std::vector<std::filesystem::path>> try_split_gguf(const gguf_file& source, const std::filesystem::path& stem,
                                                          const shard_limits& each, const copy_options& options = {});

#if NIBBLE_EXCEPTIONS
inline void copy_gguf(const gguf_file& source, const metadata& meta, const std::filesystem::path& path,
                      const copy_options& options = {}) {
  try_copy_gguf(source, meta, path, options).value();
}
inline void merge_gguf(const gguf_file& source, const std::filesystem::path& path, const copy_options& options = {}) {
  try_merge_gguf(source, path, options).value();
}
inline void edit_gguf(const std::filesystem::path& path, const std::function<result<void>(metadata&)>& edit,
                      const limits& most = {}) {
  try_edit_gguf(path, edit, most).value();
}
inline std::vector<std::size_t> plan_shards(const gguf_file& source, const shard_limits& each) {
  return try_plan_shards(source, each).value();
}
inline std::vector<std::filesystem::path> split_gguf(const gguf_file& source, const std::filesystem::path& stem,
                                                     const shard_limits& each, const copy_options& options = {}) {
  return try_split_gguf(source, stem, each, options).value();
}
#endif

}  // namespace NIBBLE_ABI
}  // namespace nibble
