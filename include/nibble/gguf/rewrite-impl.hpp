/// The definitions behind rewrite.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
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
#include <system_error>
#include <utility>
#include <vector>

#include "nibble/file/output_file.hpp"
#include "nibble/gguf/reader-impl.hpp"
#include "nibble/gguf/rewrite.hpp"
#include "nibble/gguf/writer-impl.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Writes tensors of a file as they are, and counts them.
class tensor_copier {
 public:
  tensor_copier(const gguf_file& source, const copy_options& options) : source_(&source), options_(&options) {
    for (const tensor_info& tensor : source.tensors()) total_ += tensor.bytes;
  }

  /// What puts a tensor of the source into a file that is written.
  void add_to(gguf_writer& writer, const tensor_info& tensor) {
    writer.add(tensor.name, tensor.type, std::span(tensor.dims).first(tensor.n_dims),
               [this, &tensor](byte_sink& out) { return copy(tensor, out); });
  }

 private:
  static constexpr std::uint64_t at_once = 1u << 20;

  result<void> copy(const tensor_info& tensor, byte_sink& out) {
    for (std::uint64_t at = 0; at < tensor.bytes; at += at_once) {
      const auto count = static_cast<std::size_t>(std::min(at_once, tensor.bytes - at));
      const auto bytes = part_of(*source_, tensor, at, count, copy_);
      if (!bytes) return bytes.failure();
      NIBBLE_TRY(out.try_write(*bytes));
      source_->release(tensor, static_cast<std::size_t>(at), count);
      done_ += count;
      if (options_->progress && !options_->progress({done_, total_, tensor.name}))
        return error(errc::cancelled, "copying was cancelled");
    }
    return {};
  }

  const gguf_file* source_;
  const copy_options* options_;
  std::vector<std::byte> copy_;  // where the source is read
  std::uint64_t done_ = 0, total_ = 0;
};

/// The metadata of one of several shards: that of the whole in the first, and the keys of splitting last.
inline metadata shard_metadata(const metadata& whole, std::size_t index, std::size_t count, std::size_t tensors) {
  metadata meta;
  if (index == 0) meta = whole;
  for (const char* key : split_keys) meta.erase(key);
  meta.set("split.no", value(static_cast<std::uint16_t>(index)));
  meta.set("split.tensors.count", value(static_cast<std::int32_t>(tensors)));
  meta.set("split.count", value(static_cast<std::uint16_t>(count)));
  return meta;
}

/// A header with other metadata, whose tensors are where they were.
inline std::vector<std::byte> header_with(const gguf_header& old, const metadata& meta) {
  std::vector<std::byte> out = begin_header(meta, old.tensors.size());
  for (const tensor_info& t : old.tensors)
    put_tensor(out, t.name, std::span(t.dims).first(t.n_dims), t.type, t.offset - old.data_offset);
  return out;
}

/// Removes what was written, unless all of it is.
class written_files {
 public:
  written_files() = default;
  written_files(const written_files&) = delete;
  written_files& operator=(const written_files&) = delete;
  ~written_files() {
    std::error_code ignored;
    for (const auto& path : paths_) std::filesystem::remove(path, ignored);
  }
  void add(const std::filesystem::path& path) { paths_.push_back(path); }
  std::vector<std::filesystem::path> keep() noexcept { return std::exchange(paths_, {}); }

 private:
  std::vector<std::filesystem::path> paths_;
};

}  // namespace detail

result<void> try_copy_gguf(const gguf_file& source, const metadata& meta, const std::filesystem::path& path,
                           const copy_options& options) {
  gguf_writer writer(meta);
  detail::tensor_copier copier(source, options);
  for (const tensor_info& tensor : source.tensors()) copier.add_to(writer, tensor);
  return writer.try_write(path, options.limits);
}

result<void> try_merge_gguf(const gguf_file& source, const std::filesystem::path& path, const copy_options& options) {
  metadata meta = source.meta();
  for (const char* key : detail::split_keys) meta.erase(key);
  return try_copy_gguf(source, meta, path, options);
}

result<std::vector<std::size_t>> try_plan_shards(const gguf_file& source, const shard_limits& each) {
  constexpr std::size_t most = 65'535;  // what the number of a shard holds
  if (each.tensors == 0 && each.bytes == 0)
    return error(errc::invalid_argument, "shard_limits: expected a number of tensors or of bytes, found none");
  std::vector<std::size_t> shards;
  if (each.metadata_alone) shards.push_back(0);
  shards.push_back(0);
  std::uint64_t bytes = 0;
  for (const tensor_info& tensor : source.tensors()) {
    const std::uint64_t padded = detail::align_up(tensor.bytes, 32);
    const bool full = (each.tensors > 0 && shards.back() >= each.tensors) ||
                      (each.bytes > 0 && (padded > each.bytes || bytes > each.bytes - padded));
    if (full && shards.back() > 0) shards.push_back(0), bytes = 0;
    if (shards.size() > most)
      return error(errc::limit_exceeded, "more than " + std::to_string(most) + " shards: raise the limits of each");
    shards.back() += 1, bytes += padded;
  }
  return shards;
}

result<std::vector<std::filesystem::path>> try_split_gguf(const gguf_file& source, const std::filesystem::path& stem,
                                                          const shard_limits& each, const copy_options& options) {
  const auto plan = try_plan_shards(source, each);
  if (!plan) return plan.failure();
  std::vector<std::filesystem::path> paths;
  for (std::size_t i = 0; i < plan->size(); ++i) {
    paths.push_back(stem);
    paths.back() += detail::shard_suffix(static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(plan->size()));
    std::error_code ignored;
    if (std::filesystem::exists(paths.back(), ignored))
      return error(errc::invalid_argument, detail::path_text(paths.back()) + ": a file of this name is there already");
  }
  detail::written_files written;
  detail::tensor_copier copier(source, options);
  auto next = source.tensors().begin();
  for (std::size_t i = 0; i < plan->size(); ++i) {
    gguf_writer writer(detail::shard_metadata(source.meta(), i, plan->size(), source.tensors().size()));
    for (std::size_t n = 0; n < (*plan)[i]; ++n) copier.add_to(writer, *next++);
    NIBBLE_TRY(writer.try_write(paths[i], options.limits));
    written.add(paths[i]);
  }
  return written.keep();
}

result<void> try_edit_gguf(const std::filesystem::path& path, const std::function<result<void>(metadata&)>& edit,
                           const limits& most) {
  const auto named = [&](error e) { return std::move(e).in(detail::path_text(path)); };
  std::vector<std::byte> head;
  {
    auto file = readable_file::try_open(path);
    if (!file) return std::move(file).failure();
    const byte_source source(*std::move(file));
    const auto old = detail::read_header(source, most);
    if (!old) return named(old.failure());
    const auto before = detail::parse_header({old->data(), old->size()}, source.size(), most);
    if (!before) return named(before.failure());
    metadata meta = before->meta;
    NIBBLE_TRY(edit(meta));
    auto made = detail::header_with(*before, meta);
    // Whether the tensors still lie in the file is told by where they begin.
    const auto after = detail::parse_header(made, (std::numeric_limits<std::uint64_t>::max)(), most);
    if (!after) return named(after.failure());
    if (after->data_offset != before->data_offset) {
      return named(error(errc::invalid_argument, "the tensors begin at offset " + std::to_string(before->data_offset) +
                                                     " and would have to move to " + std::to_string(after->data_offset) +
                                                     ": write a copy instead"));
    }
    made.resize(std::max(made.size(), static_cast<std::size_t>(std::min(before->data_offset, source.size()))));
    head = std::move(made);
  }
  return try_overwrite(path, 0, head);
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
