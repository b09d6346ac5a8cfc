/// The definitions behind writer.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/file/byte_reader.hpp"
#include "nibble/file/os.hpp"
#include "nibble/file/output_file.hpp"
#include "nibble/gguf/header.hpp"
#include "nibble/gguf/writer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

template <stored_number T>
void put(std::vector<std::byte>& out, T number) {
  const auto raw = store_little(number);
  out.insert(out.end(), raw.begin(), raw.end());
}
inline void put(std::vector<std::byte>& out, std::string_view text) {
  put(out, std::uint64_t{text.size()});
  const auto* first = reinterpret_cast<const std::byte*>(text.data());
  out.insert(out.end(), first, first + text.size());
}

/// A header up to its last key.
inline std::vector<std::byte> begin_header(const metadata& meta, std::size_t tensors) {
  std::vector<std::byte> out;
  for (const char c : {'G', 'G', 'U', 'F'}) out.push_back(static_cast<std::byte>(c));
  put(out, std::uint32_t{3});
  put(out, std::uint64_t{tensors});
  put(out, std::uint64_t{meta.size()});
  for (const auto& [key, value] : meta) {
    put(out, std::string_view(key));
    put(out, static_cast<std::uint32_t>(value.type()));
    out.insert(out.end(), value.bytes().begin(), value.bytes().end());
  }
  return out;
}

/// A tensor's description, whose offset counts from the beginning of the data.
inline void put_tensor(std::vector<std::byte>& out, std::string_view name, std::span<const std::uint64_t> dims,
                       tensor_type type, std::uint64_t offset) {
  put(out, name);
  put(out, static_cast<std::uint32_t>(dims.size()));
  for (const std::uint64_t dim : dims) put(out, dim);
  put(out, static_cast<std::uint32_t>(type));
  put(out, offset);
}

/// Counts what a producer writes and stops it at the end of its tensor.
class tensor_sink final : public byte_sink {
 public:
  tensor_sink(byte_sink& out, std::uint64_t bytes) noexcept : out_(&out), left_(bytes) {}
  result<void> try_write(std::span<const std::byte> bytes) override {
    if (bytes.size() > left_) return error(errc::invalid_argument, "more bytes than its type and shape have");
    left_ -= bytes.size();
    return out_->try_write(bytes);
  }
  std::uint64_t left() const noexcept { return left_; }

 private:
  byte_sink* out_;
  std::uint64_t left_;
};

}  // namespace detail

gguf_writer::gguf_writer(metadata meta) : meta_(std::move(meta)) {}

void gguf_writer::add(std::string_view name, tensor_type type, std::span<const std::uint64_t> dims, producer produce) {
  tensors_.push_back({std::string(name), type, {dims.begin(), dims.end()}, std::move(produce)});
}

void gguf_writer::add(std::string_view name, tensor_type type, std::span<const std::uint64_t> dims,
                      std::span<const std::byte> bytes) {
  add(name, type, dims, [bytes](byte_sink& out) { return out.try_write(bytes); });
}

result<void> gguf_writer::try_write(const std::filesystem::path& path, const limits& most) const {
  auto file = output_file::try_create(path);
  if (!file) return std::move(file).failure();
  if (auto outcome = write_to(*file, most); !outcome) return std::move(outcome).failure().in(detail::path_text(path));
  return file->try_commit();
}

result<std::vector<std::byte>> gguf_writer::try_bytes(const limits& most) const {
  std::vector<std::byte> out;
  vector_sink sink(out);
  NIBBLE_TRY(write_to(sink, most));
  return out;
}

/// Everything before the padding that comes before the data.
result<std::vector<std::byte>> gguf_writer::header(std::uint64_t alignment, const limits& most) const {
  std::vector<std::byte> out = detail::begin_header(meta_, tensors_.size());
  std::uint64_t offset = 0;
  for (const auto& t : tensors_) {
    detail::put_tensor(out, t.name, t.dims, t.type, offset);
    if (t.dims.empty()) return error(errc::malformed, "tensor " + detail::quoted(t.name) + ": no dimensions");
    auto bytes = detail::tensor_bytes(t.type, t.dims, most);
    if (!bytes) return std::move(bytes).failure().in("tensor " + detail::quoted(t.name));
    offset = detail::align_up(offset + *bytes, alignment);
  }
  return out;
}

result<void> gguf_writer::write_to(byte_sink& out, const limits& most) const {
  const auto alignment = meta_.try_get<std::uint64_t>("general.alignment", 32);
  if (!alignment) return alignment.failure();
  const auto head = header(*alignment, most);
  if (!head) return head.failure();
  // The data is not there yet: its room is taken as granted.
  const auto parsed = detail::parse_header(*head, (std::numeric_limits<std::uint64_t>::max)(), most);
  if (!parsed) return parsed.failure();
  if (const auto names = detail::index_tensors(parsed->tensors); !names) return names.failure();

  const std::vector<std::byte> zeros(static_cast<std::size_t>(*alignment));
  const auto pad = [&](std::uint64_t written) {
    const std::uint64_t missing = detail::align_up(written, *alignment) - written;
    return out.try_write(std::span(zeros).first(static_cast<std::size_t>(missing)));
  };
  NIBBLE_TRY(out.try_write(*head));
  if (!tensors_.empty()) NIBBLE_TRY(pad(head->size()));
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const std::uint64_t bytes = parsed->tensors[i].bytes;
    detail::tensor_sink sink(out, bytes);
    auto outcome = tensors_[i].produce(sink);
    if (!outcome) return std::move(outcome).failure().in("tensor " + detail::quoted(tensors_[i].name));
    if (sink.left() != 0)
      return error(errc::invalid_argument, "tensor " + detail::quoted(tensors_[i].name) + ": " + std::to_string(sink.left()) +
                                               " bytes fewer than its type and shape have");
    NIBBLE_TRY(pad(bytes));
  }
  return {};
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
