/// gguf_file: a model file, or a model split over several, validated once and then trusted.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/error.hpp"
#include "nibble/file/limits.hpp"
#include "nibble/file/mapped_file.hpp"
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
  gguf_file(gguf_file&&) noexcept = default;
  gguf_file& operator=(gguf_file&&) noexcept = default;

  /// Maps a file. The first of a split model, `name-00001-of-0000N.gguf`, brings the others, which must lie beside it.
  static result<gguf_file> try_open(const std::filesystem::path& path, const limits& most = {});
  /// Uses a file that is already in memory, without copying: the bytes must outlive this object. Tensors are aligned as far as
  /// the memory is.
  static result<gguf_file> try_parse(std::span<const std::byte> bytes, const limits& most = {});
#if NIBBLE_EXCEPTIONS
  static gguf_file open(const std::filesystem::path& path, const limits& most = {}) { return try_open(path, most).value(); }
  static gguf_file parse(std::span<const std::byte> bytes, const limits& most = {}) { return try_parse(bytes, most).value(); }
#endif

  /// Metadata of the (first) file; it points into it. A split model shows itself as whole: without the keys of its splitting.
  const metadata& meta() const noexcept { return meta_; }
  /// Every tensor, in file order.
  std::span<const tensor_info> tensors() const noexcept { return tensors_; }
  /// The tensor of this name, or null.
  /// @cost  O(log tensors)
  const tensor_info* find(std::string_view name) const noexcept;
  /// The data of a tensor of this file.
  std::span<const std::byte> bytes(const tensor_info& tensor) const noexcept {
    return parts_[tensor.shard].bytes.subspan(static_cast<std::size_t>(tensor.offset), static_cast<std::size_t>(tensor.bytes));
  }
  /// Gives the mapped pages inside a part of a tensor back to the system; reading them again brings them back.
  /// @errors  none: a hint, without effect on memory that the caller owns
  void release(const tensor_info& tensor, std::size_t offset, std::size_t length) const noexcept {
    if (offset > tensor.bytes || length > tensor.bytes - offset) return;
    parts_[tensor.shard].map.release(static_cast<std::size_t>(tensor.offset) + offset, length);
  }

  std::uint32_t version() const noexcept { return version_; }
  std::size_t shards() const noexcept { return parts_.size(); }
  /// Size of all shards together.
  std::uint64_t file_bytes() const noexcept;

 private:
  struct part {
    mapped_file map;  // empty where the memory is the caller's
    std::span<const std::byte> bytes;
  };

  gguf_file() = default;
  result<metadata> try_add(part p, const limits& most);
  result<void> try_add_shards(const std::filesystem::path& first, std::uint32_t count, const limits& most);
  result<void> try_index();

  std::vector<part> parts_;
  metadata meta_;
  std::vector<tensor_info> tensors_;
  std::vector<std::uint32_t> sorted_;  // places in tensors_, by name
  std::uint32_t version_ = 0;
};

namespace detail {

/// Sorts the places of tensors by name.
/// @errors  malformed: a name that stands there twice
inline result<std::vector<std::uint32_t>> index_tensors(std::span<const tensor_info> tensors) {
  std::vector<std::uint32_t> sorted(tensors.size());
  for (std::size_t i = 0; i < sorted.size(); ++i) sorted[i] = static_cast<std::uint32_t>(i);
  std::sort(sorted.begin(), sorted.end(), [&](auto a, auto b) { return tensors[a].name < tensors[b].name; });
  for (std::size_t i = 1; i < sorted.size(); ++i)
    if (tensors[sorted[i]].name == tensors[sorted[i - 1]].name)
      return error(errc::malformed, "tensor " + quoted(tensors[sorted[i]].name) + " stands there twice");
  return sorted;
}

/// "-00002-of-00005.gguf" for index 1 of 5: how the name of a shard ends.
inline std::string shard_suffix(std::uint32_t index, std::uint32_t count) {
  const auto five = [](std::uint32_t n) {
    const std::string digits = std::to_string(n);
    return std::string(digits.size() < 5 ? 5 - digits.size() : 0, '0') + digits;
  };
  return "-" + five(index + 1) + "-of-" + five(count) + ".gguf";
}

/// Whether a file says that it is shard `index` of `count`.
inline result<void> check_shard(const metadata& meta, std::uint32_t index, std::uint32_t count) {
  const auto no = meta.try_get<std::uint32_t>("split.no");
  if (!no) return no.failure();
  if (*no != index)
    return error(errc::bad_value, "key 'split.no': expected " + std::to_string(index) + ", found " + std::to_string(*no));
  const auto found = meta.try_get<std::uint32_t>("split.count");
  if (!found) return found.failure();
  if (*found != count)
    return error(errc::bad_value, "key 'split.count': expected " + std::to_string(count) + ", found " + std::to_string(*found));
  return {};
}

}  // namespace detail

inline result<gguf_file> gguf_file::try_parse(std::span<const std::byte> bytes, const limits& most) {
  gguf_file file;
  auto meta = file.try_add({{}, bytes}, most);
  if (!meta) return std::move(meta).failure();
  file.meta_ = *std::move(meta);
  const auto count = file.meta_.try_get<std::uint32_t>("split.count", 1);
  if (!count) return count.failure();
  if (*count > 1)
    return error(errc::invalid_argument,
                 "one of " + std::to_string(*count) + " shards: a split model is opened by the path of its first");
  NIBBLE_TRY(file.try_index());
  return file;
}

inline result<gguf_file> gguf_file::try_open(const std::filesystem::path& path, const limits& most) {
  auto map = mapped_file::try_open(path);
  if (!map) return std::move(map).failure();
  const auto open = [&]() -> result<gguf_file> {
    gguf_file file;
    const auto bytes = map->bytes();
    auto meta = file.try_add({*std::move(map), bytes}, most);
    if (!meta) return std::move(meta).failure();
    file.meta_ = *std::move(meta);
    const auto count = file.meta_.try_get<std::uint32_t>("split.count", 1);
    if (!count) return count.failure();
    if (*count > 1) NIBBLE_TRY(file.try_add_shards(path, *count, most));
    NIBBLE_TRY(file.try_index());
    return file;
  };
  auto file = open();
  if (!file) return std::move(file).failure().in(detail::path_text(path));
  return file;
}

inline const tensor_info* gguf_file::find(std::string_view name) const noexcept {
  const auto at = std::lower_bound(sorted_.begin(), sorted_.end(), name,
                                   [this](std::uint32_t i, std::string_view wanted) { return tensors_[i].name < wanted; });
  return at != sorted_.end() && tensors_[*at].name == name ? &tensors_[*at] : nullptr;
}

inline std::uint64_t gguf_file::file_bytes() const noexcept {
  std::uint64_t sum = 0;
  for (const auto& p : parts_) sum += p.bytes.size();
  return sum;
}

/// Appends the tensors of one file; its metadata is the caller's to use.
inline result<metadata> gguf_file::try_add(part p, const limits& most) {
  auto header = detail::parse_header(p.bytes, p.bytes.size(), most);
  if (!header) return std::move(header).failure();
  if (parts_.empty()) version_ = header->version;
  for (auto& tensor : header->tensors) tensor.shard = static_cast<std::uint32_t>(parts_.size());
  tensors_.insert(tensors_.end(), header->tensors.begin(), header->tensors.end());
  parts_.push_back(std::move(p));
  return std::move(header->meta);
}

/// Opens the other files of a split model. Their names differ from the first's in the number alone, so none lies elsewhere.
inline result<void> gguf_file::try_add_shards(const std::filesystem::path& first, std::uint32_t count, const limits& most) {
  NIBBLE_TRY(detail::check_shard(meta_, 0, count));
  const std::filesystem::path suffix = detail::shard_suffix(0, count);
  const auto& name = first.native();
  if (!name.ends_with(suffix.native()))
    return error(errc::invalid_argument, "the first of " + std::to_string(count) + " shards: expected a name that ends in " +
                                             detail::path_text(suffix));
  for (std::uint32_t i = 1; i < count; ++i) {
    std::filesystem::path path = name.substr(0, name.size() - suffix.native().size());
    path += detail::shard_suffix(i, count);
    const auto add = [&]() -> result<void> {
      auto map = mapped_file::try_open(path);
      if (!map) return std::move(map).failure();
      const auto bytes = map->bytes();
      auto meta = try_add({*std::move(map), bytes}, most);
      if (!meta) return std::move(meta).failure().in(detail::path_text(path.filename()));
      if (auto same = detail::check_shard(*meta, i, count); !same)
        return std::move(same).failure().in(detail::path_text(path.filename()));
      return {};
    };
    NIBBLE_TRY(add());
    if (tensors_.size() > most.tensors)
      return error(errc::limit_exceeded, std::to_string(tensors_.size()) + " tensors in " + std::to_string(i + 1) +
                                             " shards, above the limit of " + std::to_string(most.tensors));
  }
  const auto total = meta_.try_get<std::uint64_t>("split.tensors.count");
  if (!total) return total.failure();
  if (*total != tensors_.size())
    return error(errc::bad_value, "key 'split.tensors.count': expected " + std::to_string(tensors_.size()) +
                                      ", as many as the shards hold, found " + std::to_string(*total));
  for (const auto* key : {"split.no", "split.count", "split.tensors.count"}) meta_.erase(key);
  return {};
}

inline result<void> gguf_file::try_index() {
  auto sorted = detail::index_tensors(tensors_);
  if (!sorted) return std::move(sorted).failure();
  sorted_ = *std::move(sorted);
  return {};
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
