/// Scratch memory of one step: activations, taken in order and given back all at once.
#pragma once

#include <algorithm>
#include <cstddef>

#include "nibble/core/aligned.hpp"
#include "nibble/error.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// A float matrix of (tokens, width), row-major without gaps. Borrowed.
struct activations {
  float* data = nullptr;
  std::size_t tokens = 0, width = 0;

  float* row(std::size_t t) const noexcept { return data + t * width; }
};

/// A stack of bytes. Without memory behind it, it hands out null and measures: that is how a plan is made.
class scratch_arena {
 public:
  scratch_arena() noexcept = default;
  /// @errors  out_of_memory
  static result<scratch_arena> try_create(std::size_t bytes) {
    auto memory = aligned_buffer::try_allocate(bytes);
    if (!memory) return std::move(memory).failure();
    scratch_arena arena;
    arena.memory_ = *std::move(memory);
    return arena;
  }

  bool measuring() const noexcept { return memory_.size() == 0; }
  /// @errors  none; precondition: the sum of what was taken is no more than what a measuring arena saw
  std::byte* take(std::size_t bytes) noexcept {
    const std::size_t at = used_;
    used_ += round_up(bytes, cache_line);
    peak_ = std::max(peak_, used_);
    return measuring() ? nullptr : memory_.data() + at;
  }
  /// Gives back what was taken since `used()` had this value.
  void rewind(std::size_t used) noexcept { used_ = used; }
  std::size_t used() const noexcept { return used_; }
  std::size_t peak() const noexcept { return peak_; }
  std::size_t capacity() const noexcept { return memory_.size(); }

 private:
  aligned_buffer memory_;
  std::size_t used_ = 0, peak_ = 0;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
