/// Scratch memory of one step: activations, taken in order and given back all at once.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "nibble/core/aligned.hpp"
#include "nibble/core/checked.hpp"
#include "nibble/error.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// A float matrix of (tokens, width), borrowed: rows `stride` floats apart, all of a memory's or some that a list names.
struct activations {
  float* data = nullptr;
  std::size_t tokens = 0, width = 0;
  std::size_t stride = 0;               ///< from one row to the next
  bool listed = false;                  ///< whether a list names the rows
  const std::uint32_t* rows = nullptr;  ///< then: which row of `data` is row t

  constexpr activations() noexcept = default;
  /// Rows without gaps between them.
  constexpr activations(float* memory, std::size_t row_count, std::size_t row_width) noexcept
      : data(memory), tokens(row_count), width(row_width), stride(row_width) {}

  float* row(std::size_t t) const noexcept { return data + (listed ? rows[t] : t) * stride; }
  /// Rows [first, first + count).
  activations range(std::size_t first, std::size_t count) const noexcept {
    activations part = *this;
    part.tokens = count;
    if (listed) {
      part.rows = rows ? rows + first : nullptr;
    } else {
      part.data = data ? data + first * stride : nullptr;
    }
    return part;
  }
  /// Columns [first, first + count) of each row.
  activations columns(std::size_t first, std::size_t count) const noexcept {
    activations part = *this;
    part.data = data ? data + first : nullptr;
    part.width = count;
    return part;
  }
  /// `count` rows that a list names, which must stay where it is. @errors none; precondition: these are not listed themselves
  activations subset(const std::uint32_t* list, std::size_t count) const NIBBLE_NOEXCEPT {
    NIBBLE_ASSERT(!listed);
    activations part = *this;
    part.tokens = count;
    part.listed = true;
    part.rows = list;
    return part;
  }
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
#if NIBBLE_EXCEPTIONS
  static scratch_arena create(std::size_t bytes) { return try_create(bytes).value(); }
#endif

  bool measuring() const noexcept { return memory_.size() == 0; }
  /// @errors  none; precondition: the sum of what was taken is no more than what a measuring arena saw
  std::byte* take(std::size_t bytes) NIBBLE_NOEXCEPT {
    const std::size_t at = used_;
    NIBBLE_ASSERT(measuring() || round_up(bytes, cache_line) <= memory_.size() - at);
    used_ = sum_of_sizes(used_, round_up(bytes, cache_line));
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
