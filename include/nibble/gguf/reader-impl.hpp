/// The definitions behind reader.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/core/checked.hpp"
#include "nibble/file/os.hpp"
#include "nibble/gguf/reader.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

inline constexpr const char* split_keys[] = {"split.no", "split.count", "split.tensors.count"};

/// "-00002-of-00005.gguf" for index 1 of 5: how the name of a shard ends.
inline std::string shard_suffix(std::uint32_t index, std::uint32_t count) {
  const auto five = [](std::uint32_t n) {
    const std::string digits = std::to_string(n);
    return std::string(digits.size() < 5 ? 5 - digits.size() : 0, '0') + digits;
  };
  return "-" + five(index + 1) + "-of-" + five(count) + ".gguf";
}

/// The path of a shard, by that of the first: they differ in the number alone, so none lies elsewhere.
inline result<std::filesystem::path> shard_path(const std::filesystem::path& first, std::uint32_t index, std::uint32_t count) {
  const std::filesystem::path suffix = shard_suffix(0, count);
  const auto& name = first.native();
  if (!name.ends_with(suffix.native()))
    return error(errc::invalid_argument,
                 "the first of " + std::to_string(count) + " shards: expected a name that ends in " + path_text(suffix));
  std::filesystem::path path = name.substr(0, name.size() - suffix.native().size());
  path += shard_suffix(index, count);
  return path;
}

/// Whether a file says that it is shard `index` of `count`.
inline result<void> check_shard(const metadata& meta, std::uint32_t index, std::uint32_t count) {
  const auto no = meta.try_get<std::uint32_t>("split.no");
  if (!no) return no.failure();
  if (*no != index) {
    std::string what = "key 'split.no': expected " + std::to_string(index) + ", found " + std::to_string(*no);
    if (index == 0) what += ": a split model is opened by its first file, whose name ends in " + shard_suffix(0, count);
    return error(errc::bad_value, std::move(what));
  }
  const auto found = meta.try_get<std::uint32_t>("split.count");
  if (!found) return found.failure();
  if (*found != count)
    return error(errc::bad_value, "key 'split.count': expected " + std::to_string(count) + ", found " + std::to_string(*found));
  return {};
}

/// The bytes before the data of a file, in memory as large as they are: read in parts, until there are twice as many as before,
/// and they hold all that they promise.
inline result<aligned_buffer> read_header(const byte_source& file, const limits& most) {
  constexpr std::uint64_t first = 1u << 20;
  constexpr std::size_t descriptions = 64u << 20;
  const std::uint64_t largest = std::min<std::uint64_t>(file.size(), sum_of_sizes(as_size(most.header_bytes), descriptions));
  aligned_buffer known;
  for (std::uint64_t bytes = std::min(first, largest);; bytes = std::min(2 * bytes, largest)) {
    auto memory = aligned_buffer::try_allocate(static_cast<std::size_t>(bytes));
    if (!memory) return std::move(memory).failure().in("header");
    if (known.size() > 0) std::memcpy(memory->data(), known.data(), known.size());
    NIBBLE_TRY(file.try_read(known.size(), std::span(memory->data(), memory->size()).subspan(known.size())));
    // Whether the tensors lie in the file is told once, from the whole header: reading on would not mend that.
    const auto header = parse_header({memory->data(), memory->size()}, (std::numeric_limits<std::uint64_t>::max)(), most);
    if (!header && header.failure().code() == errc::truncated && bytes < largest) {
      known = *std::move(memory);
      continue;
    }
    if (!header) return header.failure();
    if (header->data_offset >= bytes) return memory;
    auto exact = aligned_buffer::try_allocate(static_cast<std::size_t>(header->data_offset));
    if (!exact) return std::move(exact).failure().in("header");
    if (exact->size() > 0) std::memcpy(exact->data(), memory->data(), exact->size());
    return exact;
  }
}

}  // namespace detail

gguf_file::gguf_file() noexcept = default;
gguf_file::gguf_file(gguf_file&&) noexcept = default;
gguf_file& gguf_file::operator=(gguf_file&&) noexcept = default;
gguf_file::~gguf_file() = default;

std::span<const std::byte> gguf_file::bytes(const tensor_info& tensor) const NIBBLE_NOEXCEPT {
  NIBBLE_ASSERT(holds(tensor));
  if (access_ == file_access::read) return {};
  return parts_[tensor.shard].bytes.subspan(static_cast<std::size_t>(tensor.offset), static_cast<std::size_t>(tensor.bytes));
}

result<void> gguf_file::try_read(const tensor_info& tensor, std::uint64_t offset, std::span<std::byte> out) const {
  if (!holds(tensor)) return error(errc::invalid_argument, "a tensor of another file");
  if (offset > tensor.bytes || out.size() > tensor.bytes - offset) {
    return error(errc::invalid_argument, detail::quoted(tensor.name) + ": " + std::to_string(out.size()) + " bytes at " +
                                             std::to_string(offset) + " of its " + std::to_string(tensor.bytes));
  }
  const part& p = parts_[tensor.shard];
  if (access_ == file_access::mapped) {
    if (!out.empty()) std::memcpy(out.data(), bytes(tensor).data() + offset, out.size());
    return {};
  }
  auto done = p.source.try_read(tensor.offset + offset, out);
  if (done) return done;
  auto failed = std::move(done).failure().in(detail::quoted(tensor.name));
  return p.name.empty() ? std::move(failed) : std::move(failed).in(p.name);
}

result<std::span<const std::byte>> detail::part_of(const gguf_file& file, const tensor_info& tensor, std::uint64_t offset,
                                                   std::size_t bytes, std::vector<std::byte>& copy) {
  if (file.access() == file_access::mapped) return file.bytes(tensor).subspan(static_cast<std::size_t>(offset), bytes);
  copy.resize(bytes);
  NIBBLE_TRY(file.try_read(tensor, offset, copy));
  return std::span<const std::byte>(copy);
}

void gguf_file::release(const tensor_info& tensor, std::size_t offset, std::size_t length) const NIBBLE_NOEXCEPT {
  NIBBLE_ASSERT(holds(tensor));
  if (offset > tensor.bytes || length > tensor.bytes - offset) return;
  parts_[tensor.shard].map.release(static_cast<std::size_t>(tensor.offset) + offset, length);
}

std::vector<mapped_file> gguf_file::mappings() && {
  std::vector<mapped_file> maps;
  maps.reserve(parts_.size());
  for (part& p : parts_) maps.push_back(std::move(p.map));
  return maps;
}

result<gguf_file> gguf_file::try_parse(std::span<const std::byte> bytes, const limits& most) {
  gguf_file file;
  auto meta = file.try_add({{}, {}, bytes}, most);
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

result<gguf_file> gguf_file::try_open(const std::filesystem::path& path, const limits& most, file_access access) {
  gguf_file file;
  file.access_ = access;
  auto meta = file.try_add_file(path, most);
  if (!meta) return std::move(meta).failure();
  const auto open = [&]() -> result<void> {
    file.meta_ = *std::move(meta);
    const auto count = file.meta_.try_get<std::uint32_t>("split.count", 1);
    if (!count) return count.failure();
    if (*count > 1) {
      NIBBLE_TRY(file.try_add_shards(*count, most, [&](std::uint32_t i) -> result<metadata> {
        const auto shard = detail::shard_path(path, i, *count);
        if (!shard) return shard.failure();
        return file.try_add_file(*shard, most);
      }));
    }
    return file.try_index();
  };
  if (auto opened = open(); !opened) return std::move(opened).failure().in(detail::path_text(path));
  return file;
}

result<gguf_file> gguf_file::try_open(byte_source source, const limits& most) {
  return try_open(std::vector<byte_source>{std::move(source)}, most);
}

result<gguf_file> gguf_file::try_open(std::vector<byte_source> shards, const limits& most) {
  if (shards.empty()) return error(errc::invalid_argument, "expected the shards of a file, found none");
  gguf_file file;
  file.access_ = file_access::read;
  auto meta = file.try_add_source(std::move(shards.front()), most);
  if (!meta) return std::move(meta).failure();
  file.meta_ = *std::move(meta);
  const auto count = file.meta_.try_get<std::uint32_t>("split.count", 1);
  if (!count) return count.failure();
  if (std::max<std::size_t>(*count, 1) != shards.size()) {
    return error(errc::invalid_argument,
                 "expected all " + std::to_string(*count) + " shards of a split model, found " + std::to_string(shards.size()));
  }
  if (*count > 1) {
    NIBBLE_TRY(
        file.try_add_shards(*count, most, [&](std::uint32_t i) { return file.try_add_source(std::move(shards[i]), most); }));
  }
  NIBBLE_TRY(file.try_index());
  return file;
}

const tensor_info* gguf_file::find(std::string_view name) const& noexcept {
  const auto at = std::lower_bound(sorted_.begin(), sorted_.end(), name,
                                   [this](std::uint32_t i, std::string_view wanted) { return tensors_[i].name < wanted; });
  return at != sorted_.end() && tensors_[*at].name == name ? &tensors_[*at] : nullptr;
}

std::uint64_t gguf_file::file_bytes() const noexcept {
  std::uint64_t sum = 0;
  for (const auto& p : parts_) sum += p.size;
  return sum;
}

/// Appends the tensors of one file; its metadata is the caller's to use.
result<metadata> gguf_file::try_add(part p, const limits& most) {
  auto header = detail::parse_header(p.bytes, p.size, most);
  if (!header) return std::move(header).failure();
  if (parts_.empty()) version_ = header->version;
  for (auto& tensor : header->tensors) tensor.shard = static_cast<std::uint32_t>(parts_.size());
  tensors_.insert(tensors_.end(), header->tensors.begin(), header->tensors.end());
  parts_.push_back(std::move(p));
  return std::move(header->meta);
}

/// Opens one file. Its errors name it.
result<metadata> gguf_file::try_add_file(const std::filesystem::path& path, const limits& most) {
  const auto open = [&]() -> result<metadata> {
    if (access_ == file_access::read) {
      auto file = readable_file::try_open(path);
      if (!file) return std::move(file).failure();
      return try_add_source(byte_source(*std::move(file), detail::path_text(path)), most);
    }
    auto map = mapped_file::try_open(path);
    if (!map) return std::move(map).failure();
    const auto bytes = map->bytes();
    auto meta = try_add({detail::path_text(path.filename()), *std::move(map), bytes}, most);
    if (!meta) return std::move(meta).failure().in(detail::path_text(path));
    return meta;
  };
  auto meta = open();
  if (meta) parts_.back().name = detail::path_text(path.filename());
  return meta;
}

/// Reads the header of a file that is kept elsewhere. Its errors name it.
result<metadata> gguf_file::try_add_source(byte_source source, const limits& most) {
  const std::string name = source.name();
  const auto named = [&](error e) { return name.empty() ? std::move(e) : std::move(e).in(name); };
  auto header = detail::read_header(source, most);
  if (!header) return named(std::move(header).failure());
  part p;
  p.name = name;
  p.bytes = {header->data(), header->size()}, p.size = source.size();
  p.source = std::move(source), p.header = *std::move(header);
  auto meta = try_add(std::move(p), most);
  if (!meta) return named(std::move(meta).failure());
  return meta;
}

/// Adds the other files of a split model.
/// @param add  one of them; its errors name it
result<void> gguf_file::try_add_shards(std::uint32_t count, const limits& most,
                                       const std::function<result<metadata>(std::uint32_t)>& add) {
  NIBBLE_TRY(detail::check_shard(meta_, 0, count));
  for (std::uint32_t i = 1; i < count; ++i) {
    const auto meta = add(i);
    if (!meta) return meta.failure();
    const std::string& name = parts_.back().name;
    if (auto same = detail::check_shard(*meta, i, count); !same)
      return name.empty() ? std::move(same).failure() : std::move(same).failure().in(name);
    if (tensors_.size() > most.tensors)
      return error(errc::limit_exceeded, std::to_string(tensors_.size()) + " tensors in " + std::to_string(i + 1) +
                                             " shards, above the limit of " + std::to_string(most.tensors));
  }
  const auto total = meta_.try_get<std::uint64_t>("split.tensors.count");
  if (!total) return total.failure();
  if (*total != tensors_.size())
    return error(errc::bad_value, "key 'split.tensors.count': expected " + std::to_string(tensors_.size()) +
                                      ", as many as the shards hold, found " + std::to_string(*total));
  for (const char* key : detail::split_keys) meta_.erase(key);
  return {};
}

/// Whether these bytes lie in a file.
bool gguf_file::holds(const tensor_info& tensor) const noexcept {
  if (tensor.shard >= parts_.size()) return false;
  const std::uint64_t size = parts_[tensor.shard].size;
  return tensor.offset <= size && tensor.bytes <= size - tensor.offset;
}

result<void> gguf_file::try_index() {
  auto sorted = detail::index_tensors(tensors_);
  if (!sorted) return std::move(sorted).failure();
  sorted_ = *std::move(sorted);
  return {};
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
