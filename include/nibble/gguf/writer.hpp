/// gguf_writer: metadata and tensors into a GGUF file, streamed: no tensor needs to be in memory whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/error.hpp"
#include "nibble/file/byte_sink.hpp"
#include "nibble/file/limits.hpp"
#include "nibble/gguf/metadata.hpp"
#include "nibble/gguf/tensor_type.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Collects what a file shall hold, then writes it: version 3, keys and tensors in the order given, data aligned to
/// general.alignment (32 where the key is missing). What it wrote, gguf_file reads: the header is checked by the same code.
///
/// @errors   malformed, limit_exceeded, unknown_format, bad_value: names, shapes and keys that gguf_file would refuse;
///           invalid_argument: a tensor's producer gave too few or too many bytes; io; and whatever a producer returns
/// @example  nibble::metadata meta;
///           meta.set("general.architecture", nibble::value("llama"));
///           nibble::gguf_writer writer(std::move(meta));
///           writer.add("output.weight", nibble::tensor_type::f32, {{64, 512}}, bytes);
///           writer.write("model.gguf");
class gguf_writer {
 public:
  /// Writes a tensor's bytes to the sink it is given, in as many pieces as it likes.
  using producer = std::function<result<void>(byte_sink&)>;

  /// A file with this metadata, and no tensors yet.
  explicit gguf_writer(metadata meta);

  /// A tensor whose bytes are made when the file is written. dims[0] is the contiguous one.
  void add(std::string_view name, tensor_type type, std::span<const std::uint64_t> dims, producer produce);
  /// A tensor whose bytes are there, and stay there until the file is written.
  void add(std::string_view name, tensor_type type, std::span<const std::uint64_t> dims, std::span<const std::byte> bytes);

  /// Writes a file that appears whole or not at all: an old one of this name stays as it was if anything fails.
  result<void> try_write(const std::filesystem::path& path, const limits& most = {}) const;
  /// The file in memory.
  result<std::vector<std::byte>> try_bytes(const limits& most = {}) const;
#if NIBBLE_EXCEPTIONS
  void write(const std::filesystem::path& path, const limits& most = {}) const { try_write(path, most).value(); }
  std::vector<std::byte> bytes(const limits& most = {}) const { return try_bytes(most).value(); }
#endif

 private:
  struct tensor {
    std::string name;
    tensor_type type;
    std::vector<std::uint64_t> dims;
    producer produce;
  };
  result<std::vector<std::byte>> header(std::uint64_t alignment, const limits& most) const;
  result<void> write_to(byte_sink& out, const limits& most) const;

  metadata meta_;
  std::vector<tensor> tensors_;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
