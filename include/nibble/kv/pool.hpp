/// kv_pool: the memory of some sequences of one model: pages of keys and values, and slots of recurrent states.
///
/// A page is 64 positions of one layer and head; the pages of each head stand together. Layers that see equally far share page
/// numbers: a position lies in the page of the same number in each of them, and one table serves them all. Layers with a
/// sliding window keep what the window can still see, and their pages go round: memory follows the window, not the context.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "nibble/core/aligned.hpp"
#include "nibble/error.hpp"
#include "nibble/kv/shape.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// What a pool is made for.
struct kv_room {
  std::size_t format = 0;         ///< index in kv_formats
  std::size_t context = 0;        ///< positions of a sequence
  std::size_t prefill_chunk = 1;  ///< positions that a step adds to a sequence at most
  std::size_t sequences = 1;
  bool marks = false;  ///< see sequence::mark
  /// A text is one step, and no step of all sequences is longer than prefill_chunk: there are pages for a step only, and where
  /// every layer has keys and values of its own, all share one memory, for what a layer stores it reads at once.
  bool one_step = false;
  std::size_t state_interval = 0;  ///< see sequence::resumable: positions between copies of recurrent states; 0: none
};

/// Memory, and which of it is free. Sequences take from it and give back; none may outlive it, and it does not move.
class kv_pool final {
 public:
  /// Exact bytes of keys and values, of recurrent states, and of the tables that say where they are, those of its sequences
  /// included. largest_size where they could not be counted.
  struct plan {
    std::size_t pages = 0, states = 0, tables = 0;
  };
  static plan planned_bytes(std::span<const kv_shape> layers, const kv_room& room) noexcept;

  /// All memory is taken here: sequences allocate nothing while they grow.
  /// @errors  out_of_memory; invalid_argument: heads of no or too many dimensions
  static result<std::unique_ptr<kv_pool>> try_create(std::span<const kv_shape> layers, const kv_room& room);
#if NIBBLE_EXCEPTIONS
  static std::unique_ptr<kv_pool> create(std::span<const kv_shape> layers, const kv_room& room) {
    return try_create(layers, room).value();
  }
#endif

  kv_pool(const kv_pool&) = delete;
  kv_pool& operator=(const kv_pool&) = delete;

  const kv_room& room() const noexcept { return room_; }
  std::size_t bytes() const noexcept { return pages_.size() + states_.size(); }
  plan memory() const noexcept { return {pages_.size(), states_.size(), table_bytes_}; }

 private:
  friend class sequence;

  /// Where a layer's pages and state stand.
  struct layer {
    std::size_t offset, head_bytes, page_bytes, value_offset, heads;  // of pages
    std::size_t reach;                                                // index in reaches_
    std::size_t state_offset, state;                                  // floats, in a slot
  };
  /// Layers that see equally far: their window, and the page numbers that no sequence has.
  struct reach {
    std::size_t window, pages;
    std::vector<std::uint32_t> free;
  };
  static constexpr std::size_t no_pages = largest_size;
  /// A state that a sequence keeps beside those of now and before.
  struct state_copy {
    std::size_t position;
    std::uint32_t slot;
    bool of_mark;
  };

  /// Bytes of what a sequence keeps of one table beside its numbers: the vector itself, and four sizes.
  static constexpr std::size_t sequence_table_bytes = sizeof(std::vector<std::uint32_t>) + 4 * sizeof(std::size_t);

  explicit kv_pool(const kv_room& room) noexcept : room_(room) {}
  void place_layers(std::span<const kv_shape> layers);
  std::byte* page(const layer& l, std::size_t head, std::uint32_t page) noexcept {
    return pages_.data() + l.offset + head * l.head_bytes + page * l.page_bytes;
  }
  /// Slots of states that a sequence may have.
  static std::size_t slots_of_sequence(const kv_room& room) noexcept;

  float* state(std::uint32_t slot) noexcept { return reinterpret_cast<float*>(states_.data() + slot * slot_bytes_); }

  kv_room room_;
  aligned_buffer pages_, states_;
  std::size_t slot_bytes_ = 0, table_bytes_ = 0;
  std::vector<layer> layers_;
  std::vector<reach> reaches_;
  std::vector<std::uint32_t> free_slots_;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
