/// The definitions behind byte_source.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "nibble/file/byte_source.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

byte_source::byte_source(std::uint64_t size, reader read, std::string name)
    : size_(size), read_(std::move(read)), name_(std::move(name)) {}

byte_source::byte_source(readable_file file, std::string name) : size_(file.size()), name_(std::move(name)) {
  read_ = [shared = std::make_shared<const readable_file>(std::move(file))](std::uint64_t offset,
                                                                            std::span<std::byte> out) -> result<std::size_t> {
    NIBBLE_TRY(shared->try_read(offset, out));
    return out.size();
  };
}

result<void> byte_source::try_read(std::uint64_t offset, std::span<std::byte> out) const {
  const auto place = [&] { return "offset " + std::to_string(offset) + ": "; };
  if (offset > size_ || out.size() > size_ - offset) {
    return error(errc::truncated,
                 place() + "expected " + std::to_string(out.size()) + " bytes, beyond the size of " + std::to_string(size_));
  }
  if (!read_) return error(errc::invalid_argument, place() + "a byte_source without a reader");
  while (!out.empty()) {
    auto given = read_(offset, out);
    if (!given) return std::move(given).failure();
    if (*given > out.size()) {
      return error(errc::invalid_argument, place() + "the reader says that it gave " + std::to_string(*given) +
                                               " bytes, with room for " + std::to_string(out.size()));
    }
    if (*given == 0) {
      return error(errc::truncated, place() + "expected " + std::to_string(out.size()) +
                                        " bytes more, found the end, before the size of " + std::to_string(size_));
    }
    offset += *given;
    out = out.subspan(*given);
  }
  return {};
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
