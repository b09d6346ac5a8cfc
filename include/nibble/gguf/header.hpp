/// header: the part of one GGUF file before its tensor data, parsed and validated. Use gguf_file, which adds files and shards.
///
///     magic "GGUF", version, number of tensors, number of keys
///     key, value type, value             for each key
///     name, dimensions, type, offset     for each tensor
///     zeros up to the alignment, then the data that the offsets count from
///
/// What passes here can be trusted: every value is whole, every tensor lies inside the file and overlaps no other.
/// @source  the GGUF specification, section "File Structure"
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/error.hpp"
#include "nibble/file/limits.hpp"
#include "nibble/gguf/metadata.hpp"
#include "nibble/gguf/tensor_type.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// One tensor of a file: what it is and where its bytes lie.
struct tensor_info {
  std::string_view name;  ///< points into the file
  tensor_type type{};
  std::array<std::uint64_t, 4> dims{1, 1, 1, 1};  ///< dims[0] is contiguous; unused ones are 1
  std::uint32_t n_dims = 1;
  std::uint64_t offset = 0;  ///< from the beginning of its file
  std::uint64_t bytes = 0;
  std::uint32_t shard = 0;  ///< which file of a split model

  /// As a matrix: rows() rows of cols() contiguous elements.
  std::uint64_t cols() const noexcept { return dims[0]; }
  std::uint64_t rows() const noexcept { return dims[1] * dims[2] * dims[3]; }
  /// "(256, 2048)", contiguous dimension first.
  std::string shape() const;
};

namespace detail {

struct gguf_header {
  std::uint32_t version = 0;
  std::uint64_t alignment = 32;
  std::uint64_t data_offset = 0;  // where tensor offsets count from
  metadata meta;
  std::vector<tensor_info> tensors;
};

constexpr std::uint64_t align_up(std::uint64_t n, std::uint64_t unit) noexcept { return (n + unit - 1) & ~(unit - 1); }

/// Bytes of a tensor of this type and shape.
/// @errors  malformed: a dimension of 0, a row that is no multiple of the block, a size beyond 64 bits; unknown_format
result<std::uint64_t> tensor_bytes(tensor_type type, std::span<const std::uint64_t> dims, const limits& most);

/// Parses the header at the beginning of `bytes`, of a file that is file_bytes long.
/// @errors  not_gguf, unsupported_version, truncated, malformed, limit_exceeded, unknown_format
result<gguf_header> parse_header(std::span<const std::byte> bytes, std::uint64_t file_bytes, const limits& most);

/// Sorts the places of tensors by name.
/// @errors  malformed: a name that stands there twice
result<std::vector<std::uint32_t>> index_tensors(std::span<const tensor_info> tensors);

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
