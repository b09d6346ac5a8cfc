/// gguf_file: a model file, or a model split over several, validated once and then trusted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/core/aligned.hpp"
#include "nibble/error.hpp"
#include "nibble/file/byte_source.hpp"
#include "nibble/file/limits.hpp"
#include "nibble/file/mapped_file.hpp"
#include "nibble/file/readable_file.hpp"
#include "nibble/gguf/header.hpp"
#include "nibble/gguf/metadata.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// The metadata and tensors of a GGUF file, version 2 or 3. Move-only; whatever points into it stays valid when it moves.
///
/// @errors   io, not_gguf, unsupported_version, truncated, malformed, limit_exceeded, unknown_format, bad_value, missing_key;
///           the sentence names the file, and the key, tensor or offset
/// @cost     O(header): tensor data is neither read nor copied
/// @example  auto file = nibble::gguf_file::open("model.gguf");
///           for (const auto& [key, value] : file.meta()) show(key, value.type_name());
///           for (const auto& tensor : file.tensors()) show(tensor.name, tensor.shape(), name_of(tensor.type));
class gguf_file {
 public:
  gguf_file(gguf_file&&) noexcept;
  gguf_file& operator=(gguf_file&&) noexcept;
  ~gguf_file();

  /// Opens a file. The first of a split model, `name-00001-of-0000N.gguf`, brings the others, which must lie beside it.
  ///
  /// If it is read, its header stands in memory of its own, and tensors are read when they are asked for: see try_read().
  static result<gguf_file> try_open(const std::filesystem::path& path, const limits& most = {},
                                    file_access access = file_access::mapped);
  /// Opens a file that is kept elsewhere. As one that is read, it is asked for its header, and for tensors when they are.
  static result<gguf_file> try_open(byte_source source, const limits& most = {});
  /// The same of a split model: all of its shards, in order, whatever their names.
  static result<gguf_file> try_open(std::vector<byte_source> shards, const limits& most = {});
  /// Uses a file that is already in memory, without copying: the bytes must outlive this object. Tensors are aligned as far as
  /// the memory is.
  static result<gguf_file> try_parse(std::span<const std::byte> bytes, const limits& most = {});
#if NIBBLE_EXCEPTIONS
  static gguf_file open(const std::filesystem::path& path, const limits& most = {}, file_access access = file_access::mapped) {
    return try_open(path, most, access).value();
  }
  static gguf_file open(byte_source source, const limits& most = {}) { return try_open(std::move(source), most).value(); }
  static gguf_file open(std::vector<byte_source> shards, const limits& most = {}) {
    return try_open(std::move(shards), most).value();
  }
  static gguf_file parse(std::span<const std::byte> bytes, const limits& most = {}) { return try_parse(bytes, most).value(); }
#endif

  /// Metadata of the (first) file; it points into it. A split model shows itself as whole: without the keys of its splitting.
  const metadata& meta() const& noexcept { return meta_; }
  /// Of a temporary file: a copy that does not point into it.
  metadata meta() const&& { return meta_.owned(); }
  /// Every tensor, in file order.
  std::span<const tensor_info> tensors() const& noexcept { return tensors_; }
  std::span<const tensor_info> tensors() const&& = delete;
  /// The tensor of this name, or null.
  /// @cost  O(log tensors)
  const tensor_info* find(std::string_view name) const& noexcept;
  const tensor_info* find(std::string_view name) const&& = delete;
  /// Whether bytes() are there, or only try_read().
  file_access access() const noexcept { return access_; }
  /// The data of a tensor of this file; empty in a file that is read.
  /// @errors  none; precondition for this and release(): the tensor is one of tensors()
  std::span<const std::byte> bytes(const tensor_info& tensor) const NIBBLE_NOEXCEPT;
  /// Copies a part of a tensor's data, however the file is accessed.
  /// @errors  invalid_argument: it is not inside of the tensor; truncated, io: only in a file that is read; and whatever a
  ///          byte_source returns
  result<void> try_read(const tensor_info& tensor, std::uint64_t offset, std::span<std::byte> out) const;
#if NIBBLE_EXCEPTIONS
  void read(const tensor_info& tensor, std::uint64_t offset, std::span<std::byte> out) const {
    try_read(tensor, offset, out).value();
  }
#endif
  /// Gives the mapped pages inside a part of a tensor back to the system; reading them again brings them back.
  /// @errors  none: a hint, without effect on memory that the caller owns
  void release(const tensor_info& tensor, std::size_t offset, std::size_t length) const NIBBLE_NOEXCEPT;

  /// What keeps bytes() where they are when the file itself is gone: a mapping for each shard, empty where the bytes are the
  /// caller's or read.
  std::vector<mapped_file> mappings() &&;

  /// The version of GGUF that it is written in.
  std::uint32_t version() const noexcept { return version_; }
  /// How many files it consists of.
  std::size_t shards() const noexcept { return parts_.size(); }
  /// Size of all shards together.
  std::uint64_t file_bytes() const noexcept;

 private:
  struct part {
    std::string name;                  // of a shard
    mapped_file map;                   // empty where the file is read, or the memory is the caller's
    std::span<const std::byte> bytes;  // all of them; of a file that is read, the header
    byte_source source = {};           // where it is read
    aligned_buffer header = {};
    std::uint64_t size = bytes.size();
  };

  gguf_file() noexcept;
  result<metadata> try_add(part p, const limits& most);
  result<metadata> try_add_file(const std::filesystem::path& path, const limits& most);
  result<metadata> try_add_source(byte_source source, const limits& most);
  result<void> try_add_shards(std::uint32_t count, const limits& most,
                              const std::function<result<metadata>(std::uint32_t index)>& add);
  result<void> try_index();
  bool holds(const tensor_info& tensor) const noexcept;

  std::vector<part> parts_;
  metadata meta_;
  std::vector<tensor_info> tensors_;
  std::vector<std::uint32_t> sorted_;  // places in tensors_, by name
  std::uint32_t version_ = 0;
  file_access access_ = file_access::mapped;
};

namespace detail {
/// A part of a tensor's bytes: where they are in memory, or read into `copy`.
/// @errors  as gguf_file::try_read
result<std::span<const std::byte>> part_of(const gguf_file& file, const tensor_info& tensor, std::uint64_t offset,
                                           std::size_t bytes, std::vector<std::byte>& copy);
}  // namespace detail

}  // namespace NIBBLE_ABI
}  // namespace nibble
