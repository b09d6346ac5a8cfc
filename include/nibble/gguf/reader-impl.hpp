/// The definitions behind reader.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
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

/// The bytes before the data of a file, in memory as large as they are: read in parts, each twice the one before, until they
/// hold all that they promise.
inline result<aligned_buffer> read_header(const readable_file& file, const limits& most) {
  constexpr std::uint64_t first = 1u << 20, descriptions = 64u << 20;
  const std::uint64_t largest = std::min<std::uint64_t>(file.size(), sum_of_sizes(most.header_bytes, descriptions));
  for (std::uint64_t bytes = std::min(first, largest);; bytes = std::min(2 * bytes, largest)) {
    auto memory = aligned_buffer::try_allocate(static_cast<std::size_t>(bytes));
    if (!memory) return std::move(memory).failure().in("header");
    NIBBLE_TRY(file.try_read(0, {memory->data(), memory->size()}));
    const auto header = parse_header({memory->data(), memory->size()}, file.size(), most);
    if (!header && header.failure().code() == errc::truncated && bytes < largest) continue;
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
  auto done = p.file.try_read(tensor.offset + offset, out);
  if (done) return done;
  auto failed = std::move(done).failure().in(detail::quoted(tensor.name));
  return p.name.empty() ? std::move(failed) : std::move(failed).in(p.name);
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
    if (*count > 1) NIBBLE_TRY(file.try_add_shards(path, *count, most));
    return file.try_index();
  };
  if (auto opened = open(); !opened) return std::move(opened).failure().in(detail::path_text(path));
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
  const auto named = [&](error e) { return std::move(e).in(detail::path_text(path)); };
  if (access_ == file_access::mapped) {
    auto map = mapped_file::try_open(path);
    if (!map) return std::move(map).failure();
    const auto bytes = map->bytes();
    auto meta = try_add({{}, *std::move(map), bytes}, most);
    if (!meta) return named(std::move(meta).failure());
    return meta;
  }
  auto file = readable_file::try_open(path);
  if (!file) return std::move(file).failure();
  auto header = detail::read_header(*file, most);
  if (!header) return named(std::move(header).failure());
  part p;
  p.bytes = {header->data(), header->size()}, p.size = file->size();
  p.name = detail::path_text(path.filename());
  p.file = *std::move(file), p.header = *std::move(header);
  auto meta = try_add(std::move(p), most);
  if (!meta) return named(std::move(meta).failure());
  return meta;
}

/// Opens the other files of a split model. Their names differ from the first's in the number alone, so none lies elsewhere.
result<void> gguf_file::try_add_shards(const std::filesystem::path& first, std::uint32_t count, const limits& most) {
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
      auto meta = try_add_file(path, most);
      if (!meta) return std::move(meta).failure();
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
