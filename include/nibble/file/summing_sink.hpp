/// summing_sink: hands bytes on, and adds them up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "nibble/core/checksum.hpp"
#include "nibble/error.hpp"
#include "nibble/file/byte_sink.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// What a file ends with is the sum of all before it.
class summing_sink final : public byte_sink {
 public:
  /// Of so many bytes in all.
  summing_sink(byte_sink& to, std::uint64_t bytes) noexcept : to_(to), sum_(bytes) {}
  result<void> try_write(std::span<const std::byte> bytes) override {
    sum_.add(bytes);
    return to_.try_write(bytes);
  }
  /// Writes the sum of what was written.
  result<void> try_end() {
    const std::uint64_t sum = sum_.sum();
    return to_.try_write(std::as_bytes(std::span(&sum, 1)));
  }

 private:
  byte_sink& to_;
  running_checksum sum_;
};

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
