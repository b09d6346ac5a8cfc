/// byte_sink: whatever takes bytes.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "nibble/error.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Takes bytes one after the other.
class byte_sink {
 public:
  /// Takes these bytes, behind all that it was given.
  /// @errors  io, out_of_memory
  virtual result<void> try_write(std::span<const std::byte> bytes) = 0;
#if NIBBLE_EXCEPTIONS
  void write(std::span<const std::byte> bytes) { try_write(bytes).value(); }
#endif

 protected:
  ~byte_sink() = default;
};

/// A sink that appends to a vector.
class vector_sink final : public byte_sink {
 public:
  /// Appends to `out`, which outlives it.
  explicit vector_sink(std::vector<std::byte>& out) noexcept : out_(&out) {}
  /// Never fails.
  result<void> try_write(std::span<const std::byte> bytes) override {
    out_->insert(out_->end(), bytes.begin(), bytes.end());
    return {};
  }

 private:
  std::vector<std::byte>* out_;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
