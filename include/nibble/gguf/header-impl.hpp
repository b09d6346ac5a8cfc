/// The definitions behind header.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/core/checked.hpp"
#include "nibble/file/byte_reader.hpp"
#include "nibble/gguf/foreign_types.hpp"
#include "nibble/gguf/header.hpp"
#include "nibble/gguf/value.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

inline constexpr std::uint64_t least_entry_bytes = 8 + 1 + 4 + 1;           // a key of one letter with a one-byte value
inline constexpr std::uint64_t least_tensor_bytes = 8 + 1 + 4 + 8 + 4 + 8;  // a name of one letter, one dimension

/// What somebody may have mistaken for a GGUF file.
inline std::string_view guess_of(std::string_view first) noexcept {
  if (first.substr(std::min<std::size_t>(first.size(), 8)).starts_with("{\"")) return ", as in a safetensors file";
  if (first.starts_with("PK\3\4")) return ", which begin a zip archive";
  if (first.starts_with("<!") || first.starts_with("<h") || first.starts_with("<H")) return ", which begin a web page";
  if (first.starts_with("vers")) return ", which begin a Git LFS pointer, not the file it points to";
  if (first.starts_with("lmgg") || first.starts_with("tjgg") || first.starts_with("fmgg") || first.starts_with("algg"))
    return ", which begin a file of the formats before GGUF";
  return "";
}

/// Steps over one array, checking all of it. Arrays of arrays are walked with a stack of our own.
inline result<void> skip_array(byte_reader& in, const limits& most) {
  std::vector<std::uint64_t> open;  // elements still to come of the arrays around, innermost last
  for (;;) {
    std::uint32_t id = 0;
    std::uint64_t count = 0;
    NIBBLE_TRY(in.read(id, "element type"));
    if (id >= value_types.size())
      return error(errc::malformed, in.place() + ": element type " + std::to_string(id) + " is unknown");
    const auto type = static_cast<value_type>(id);
    const auto& info = info_of(type);
    NIBBLE_TRY(in.read(count, "array length"));
    if (count > most.array_elements)
      return error(errc::limit_exceeded, in.place() + ": an array of " + std::to_string(count) +
                                             " elements, above the limit of " + std::to_string(most.array_elements));
    if (count > in.remaining() / info.least_bytes)
      return error(errc::truncated, in.place() + ": an array of " + std::to_string(count) + " " + std::string(info.name) +
                                        ", with " + std::to_string(in.remaining()) + " bytes left");
    if (type == value_type::array && count > 0) {
      if (open.size() >= most.array_depth)
        return error(errc::limit_exceeded, in.place() + ": arrays nested deeper than " + std::to_string(most.array_depth));
      open.push_back(count);
      continue;
    }
    if (type == value_type::string) {
      for (std::string_view text; count > 0; --count) NIBBLE_TRY(in.read(text, most.string_bytes, "string"));
    } else if (type == value_type::boolean) {
      for (std::uint8_t flag = 0; count > 0; --count) {
        NIBBLE_TRY(in.read(flag, "bool"));
        if (flag > 1) return error(errc::malformed, in.place() + ": a bool of " + std::to_string(flag) + " in an array");
      }
    } else {
      NIBBLE_TRY(in.skip(count * info.least_bytes, "array elements"));
    }
    while (!open.empty() && --open.back() == 0) open.pop_back();
    if (open.empty()) return {};
  }
}

/// One value of the file, borrowed from `bytes`, which is what `in` reads.
inline result<value> read_value(byte_reader& in, std::span<const std::byte> bytes, const limits& most) {
  std::uint32_t id = 0;
  NIBBLE_TRY(in.read(id, "value type"));
  if (id >= value_types.size())
    return error(errc::malformed, in.place() + ": value type " + std::to_string(id) + " is unknown");
  const auto type = static_cast<value_type>(id);
  const std::size_t begin = in.position();
  if (type == value_type::array) {
    NIBBLE_TRY(skip_array(in, most));
  } else if (type == value_type::string) {
    std::string_view text;
    NIBBLE_TRY(in.read(text, most.string_bytes, "string"));
  } else {
    NIBBLE_TRY(in.skip(info_of(type).least_bytes, info_of(type).name));
    if (type == value_type::boolean && std::to_integer<int>(bytes[begin]) > 1)
      return error(errc::malformed, in.place() + ": a bool of " + std::to_string(std::to_integer<int>(bytes[begin])));
  }
  return value::borrow(type, bytes.subspan(begin, in.position() - begin));
}

inline result<metadata> read_metadata(byte_reader& in, std::span<const std::byte> bytes, std::uint64_t count,
                                      const limits& most) {
  std::vector<metadata_entry> entries;
  entries.reserve(static_cast<std::size_t>(count));
  for (std::uint64_t i = 0; i < count; ++i) {
    std::string_view key;
    NIBBLE_TRY(in.read(key, most.key_bytes, "key"));
    if (key.empty()) return error(errc::malformed, in.place() + ": an empty key");
    if (!std::all_of(key.begin(), key.end(), [](char c) { return c >= 0x20 && c < 0x7f; }))
      return error(errc::malformed, in.place() + ": key " + quoted(key) + " is not printable ASCII");
    auto read = read_value(in, bytes, most);
    if (!read) return std::move(read).failure().in("key " + quoted(key));
    entries.push_back({std::string(key), *std::move(read)});
    if (in.position() > most.header_bytes)
      return error(errc::limit_exceeded, "key " + quoted(key) + " ends at offset " + std::to_string(in.position()) +
                                             ", beyond the limit of " + std::to_string(most.header_bytes) +
                                             " bytes for the header");
  }
  return metadata::try_collect(std::move(entries));
}

/// One tensor's description. Its offset still counts from the beginning of the data.
inline result<void> read_tensor(byte_reader& in, tensor_info& out, const limits& most) {
  NIBBLE_TRY(in.read(out.name, most.tensor_name_bytes, "tensor name"));
  if (out.name.empty()) return error(errc::malformed, in.place() + ": an empty tensor name");
  const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (std::any_of(out.name.begin(), out.name.end(), control))
    return error(errc::malformed, in.place() + ": a control character in a tensor name");
  if (out.name.find("..") != std::string_view::npos) return error(errc::malformed, in.place() + ": '..' in a tensor name");
  NIBBLE_TRY(in.read(out.n_dims, "number of dimensions"));
  if (out.n_dims < 1 || out.n_dims > out.dims.size())
    return error(errc::malformed, in.place() + ": expected 1 to 4 dimensions, found " + std::to_string(out.n_dims));
  for (std::uint32_t i = 0; i < out.n_dims; ++i) NIBBLE_TRY(in.read(out.dims[i], "dimension"));
  std::uint32_t type = 0;
  NIBBLE_TRY(in.read(type, "tensor type"));
  out.type = static_cast<tensor_type>(type);
  NIBBLE_TRY(in.read(out.offset, "tensor offset"));
  const auto bytes = tensor_bytes(out.type, std::span(out.dims).first(out.n_dims), most);
  if (!bytes) return error(bytes.failure()).in(in.place());
  out.bytes = *bytes;
  return {};
}

/// Places the tensors in a file of file_bytes.
inline result<void> place_tensors(gguf_header& header, std::uint64_t file_bytes) {
  const std::uint64_t room = file_bytes - (std::min)(file_bytes, header.data_offset);
  for (auto& tensor : header.tensors) {
    if (tensor.offset % header.alignment != 0)
      return error(errc::malformed, quoted(tensor.name) + ": offset " + std::to_string(tensor.offset) +
                                        " is no multiple of the alignment " + std::to_string(header.alignment));
    if (tensor.offset > room || tensor.bytes > room - tensor.offset)
      return error(errc::truncated, quoted(tensor.name) + ": " + std::to_string(tensor.bytes) + " bytes at offset " +
                                        std::to_string(tensor.offset) + " of the data, which has " + std::to_string(room) +
                                        " bytes: the file is cut short");
    tensor.offset += header.data_offset;
  }
  std::vector<const tensor_info*> order;
  order.reserve(header.tensors.size());
  for (const auto& tensor : header.tensors) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](auto* a, auto* b) { return a->offset < b->offset; });
  for (std::size_t i = 1; i < order.size(); ++i)
    if (order[i - 1]->offset + order[i - 1]->bytes > order[i]->offset)
      return error(errc::malformed, quoted(order[i]->name) + " overlaps " + quoted(order[i - 1]->name));
  return {};
}

result<std::uint64_t> tensor_bytes(tensor_type type, std::span<const std::uint64_t> dims, const limits& most) {
  const auto id = static_cast<std::uint32_t>(type);
  auto info = find_tensor_type(id);
  if (const tensor_type_info* own = !info && most.own_type ? most.own_type(id) : nullptr) info = *own;
  if (!info) {
    const std::string_view foreign = detail::foreign_type_name(id);
    return error(errc::unknown_format, "tensor type " + std::to_string(id) + " is unknown" +
                                           (foreign.empty() ? std::string() : " here: " + std::string(foreign)));
  }
  constexpr std::uint64_t largest = (std::numeric_limits<std::int64_t>::max)();
  std::uint64_t elements = 1;
  for (const std::uint64_t dim : dims) {
    if (dim == 0) return error(errc::malformed, "a dimension of 0");
    if (dim > largest / elements) return error(errc::malformed, "more than 2^63 elements");
    elements *= dim;
  }
  if (dims[0] % info->block_size != 0)
    return error(errc::malformed, "rows of " + std::to_string(dims[0]) + ", no multiple of the " +
                                      std::to_string(info->block_size) + " elements in a block of " + std::string(info->name));
  const std::uint64_t blocks = elements / info->block_size;
  if (blocks > largest / info->block_bytes) return error(errc::malformed, "more than 2^63 bytes");
  const std::uint64_t bytes = blocks * info->block_bytes;
  if (std::max(elements, bytes) > largest_size) return error(errc::limit_exceeded, "larger than the address space");
  return bytes;
}

result<gguf_header> parse_header(std::span<const std::byte> bytes, std::uint64_t file_bytes, const limits& most) {
  byte_reader in(bytes);
  gguf_header out;
  std::span<const std::byte> magic;
  NIBBLE_TRY(in.read(magic, 4, "magic"));
  const std::string_view first(reinterpret_cast<const char*>(magic.data()), 4);
  const std::string_view start(first.data(), std::min<std::size_t>(bytes.size(), 16));
  if (first == "FUGG") return error(errc::unsupported_version, "a GGUF file in big-endian byte order");
  if (first != "GGUF")
    return error(errc::not_gguf,
                 "expected the bytes 'GGUF' at the beginning, found " + quoted(first) + std::string(guess_of(start)));
  NIBBLE_TRY(in.read(out.version, "version"));
  if (out.version != 0 && (out.version & 0xffff) == 0)
    return error(errc::unsupported_version, "a GGUF file in big-endian byte order");
  if (out.version != 2 && out.version != 3)
    return error(errc::unsupported_version, "expected GGUF version 2 or 3, found " + std::to_string(out.version));

  std::uint64_t tensors = 0, keys = 0;
  NIBBLE_TRY(in.read(tensors, "number of tensors"));
  NIBBLE_TRY(in.read(keys, "number of keys"));
  if (tensors > most.tensors)
    return error(errc::limit_exceeded,
                 std::to_string(tensors) + " tensors, above the limit of " + std::to_string(most.tensors));
  if (keys > most.keys)
    return error(errc::limit_exceeded, std::to_string(keys) + " keys, above the limit of " + std::to_string(most.keys));
  if (tensors > in.remaining() / least_tensor_bytes)
    return error(errc::truncated,
                 std::to_string(tensors) + " tensors in " + std::to_string(in.remaining()) + " bytes: the file is cut short");
  if (keys > in.remaining() / least_entry_bytes)
    return error(errc::truncated,
                 std::to_string(keys) + " keys in " + std::to_string(in.remaining()) + " bytes: the file is cut short");

  auto meta = read_metadata(in, bytes, keys, most);
  if (!meta) return std::move(meta).failure();
  out.meta = *std::move(meta);
  auto alignment = out.meta.try_get<std::uint64_t>("general.alignment", 32);
  if (!alignment) return std::move(alignment).failure();
  out.alignment = *alignment;
  if (out.alignment < 8 || !std::has_single_bit(out.alignment))
    return error(errc::bad_value,
                 "key 'general.alignment': expected a power of two from 8, found " + std::to_string(out.alignment));
  if (out.alignment > most.alignment)
    return error(errc::limit_exceeded, "key 'general.alignment': " + std::to_string(out.alignment) + ", above the limit of " +
                                           std::to_string(most.alignment));

  out.tensors.resize(static_cast<std::size_t>(tensors));
  for (std::size_t i = 0; i < out.tensors.size(); ++i)
    if (auto read = read_tensor(in, out.tensors[i], most); !read) {
      const auto name = out.tensors[i].name;
      return std::move(read).failure().in("tensor " + (name.empty() ? std::to_string(i) : quoted(name)));
    }
  out.data_offset = align_up(in.position(), out.alignment);
  NIBBLE_TRY(place_tensors(out, file_bytes));
  return out;
}

result<std::vector<std::uint32_t>> index_tensors(std::span<const tensor_info> tensors) {
  std::vector<std::uint32_t> sorted(tensors.size());
  for (std::size_t i = 0; i < sorted.size(); ++i) sorted[i] = static_cast<std::uint32_t>(i);
  std::sort(sorted.begin(), sorted.end(), [&](auto a, auto b) { return tensors[a].name < tensors[b].name; });
  for (std::size_t i = 1; i < sorted.size(); ++i)
    if (tensors[sorted[i]].name == tensors[sorted[i - 1]].name)
      return error(errc::malformed, "tensor " + quoted(tensors[sorted[i]].name) + " stands there twice");
  return sorted;
}

}  // namespace detail

std::string tensor_info::shape() const {
  std::string out = "(";
  for (std::uint32_t i = 0; i < n_dims; ++i) out += (i ? ", " : "") + std::to_string(dims[i]);
  return out + ")";
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
