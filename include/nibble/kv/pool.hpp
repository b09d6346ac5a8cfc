/// kv_pool: the memory that sequences of one model share: pages of keys and values, and slots of recurrent states.
///
/// A page is 64 positions of every head of the layers that see equally far; each of these heads has its pages in one stretch of
/// memory, so that it is read as one stream. One table of page numbers serves all these layers. Layers with a sliding window
/// keep what the window can still see: memory follows the window, not the context.
///
/// Pages and slots have owners, which are sequences. A fork owns what it was made from together with it, and whoever writes to
/// a shared page takes one of its own first: see sequence.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "nibble/core/aligned.hpp"
#include "nibble/error.hpp"
#include "nibble/kv/heavy_hitters.hpp"
#include "nibble/kv/prefix_cache.hpp"
#include "nibble/kv/shape.hpp"
#include "nibble/kv/shared_numbers.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

class kv_pool_ref;

/// What a pool is made for.
struct kv_room {
  kv_types types = {};            ///< formats of keys and values
  std::size_t context = 0;        ///< positions of a sequence
  std::size_t prefill_chunk = 1;  ///< positions that a step adds to a sequence at most
  std::size_t sequences = 1;      ///< that there are at once, at most
  bool marks = false;             ///< see sequence::mark
  /// A text is one step, and no step of all sequences is longer than prefill_chunk: there are pages for a step only, and where
  /// every layer has keys and values of its own, all share one memory, for what a layer stores it reads at once.
  bool one_step = false;
  std::size_t state_interval = 0;  ///< see sequence::resumable: positions between copies of recurrent states; 0: none
  /// What the pages of all sequences may take together; 0: room for the whole context of each. It is enough for the longest
  /// sequence that it pays for; what is more than one of the whole context is shared out evenly to the layers, but to none more
  /// than it can use.
  std::size_t page_bytes = 0;
  bool large_pages = false;       ///< of the system, for keys and values: session_options asks for them
  bool prefix_cache = false;      ///< see sequence::recall
  std::size_t prefix_states = 0;  ///< copies of recurrent states for it, beside those of sequences
  /// What is forgotten of texts that are longer than the context; its size is then the context.
  /// Not with marks, one_step, a prefix cache or recurrent states.
  sliding_context sliding = {};
  kv_rotation rotated = {};
  /// Which positions are forgotten in layers that see all of the context, where it is not those that `sliding` says, but as
  /// many at once: a page of them. What these layers' keys have received is kept as a recurrent state is, so it can be cut back
  /// as one.
  heavy_hitters hitters = {};

  /// Positions of a sequence at most.
  std::size_t most_positions() const noexcept { return sliding.slides() ? longest_sliding : context; }
  static constexpr std::size_t longest_sliding = std::size_t{1} << 31;
};

/// Memory, and who has which of it. Nothing is allocated behind its making, and nothing moves. Its sequences may be on
/// different threads.
class kv_pool final {
 public:
  /// Exact bytes of keys and values, of recurrent states, and of the tables that say where they are, those of its sequences
  /// included. largest_size where they could not be counted.
  struct plan {
    std::size_t pages = 0, states = 0, tables = 0;
  };
  static plan planned_bytes(std::span<const kv_shape> layers, const kv_room& room) noexcept;

  /// All memory is taken here: sequences allocate nothing while they grow.
  /// @errors  out_of_memory; invalid_argument: heads of no or too many dimensions, page_bytes for less than a step
  static result<kv_pool_ref> try_create(std::span<const kv_shape> layers, const kv_room& room);
#if NIBBLE_EXCEPTIONS
  static kv_pool_ref create(std::span<const kv_shape> layers, const kv_room& room);
#endif

  kv_pool(const kv_pool&) = delete;
  kv_pool& operator=(const kv_pool&) = delete;

  const kv_room& room() const noexcept { return room_; }
  std::size_t bytes() const noexcept { return pages_.size() + states_.size(); }
  plan memory() const noexcept { return {pages_.size(), states_.size(), table_bytes_}; }
  /// That of it which sequences have now; tables are all of them.
  plan used() const noexcept;
  /// And that which nobody has, and is kept for texts that begin alike: sequences get it as soon as they need it.
  plan cached() const noexcept;
  /// Pages that no sequence has, those included that are kept, of the layers that see a window, or, where it is 0 or no shorter
  /// than the context, all of that.
  std::size_t free_pages(std::size_t window) const noexcept;

 private:
  friend class sequence;
  friend class saved_prefixes;
  friend class saved_sequence;
  friend class kv_pool_ref;

  /// Where a layer's pages and state stand.
  struct layer {
    std::size_t offset, head_bytes, page_bytes, value_offset, heads;  // of pages
    std::size_t reach;                                                // index in reaches_
    std::size_t state_offset, state;                                  // floats, in a slot
    std::size_t key_dim, value_dim;                                   // of a head
  };
  /// Layers that see equally far: their window, and their pages.
  struct reach {
    std::size_t window;
    detail::shared_numbers pages;
    sliding_context sliding = {};  // of those that see all of the context
    heavy_hitters hitters = {};    // the same

    /// Tiles that are never given back.
    std::size_t kept_tiles() const noexcept { return (sliding.kept + page_positions - 1) / page_positions; }
    /// The first position that a query at `position` sees, behind those that are kept.
    std::size_t first_seen(std::size_t position) const noexcept {
      if (window > 0) return position + 1 - std::min(position + 1, window);
      return sliding.first(position);
    }
    /// The first tile that is seen from a position.
    std::size_t first_tile(std::size_t position) const noexcept { return first_seen(position) / page_positions; }
  };
  static constexpr std::size_t no_pages = largest_size;
  /// A state that a sequence keeps beside those of now and before.
  struct state_copy {
    std::size_t position;
    std::uint32_t slot;
    bool of_mark;
  };

  /// Bytes of what a sequence keeps of one table beside its numbers: the vector itself, and four sizes.
  static constexpr std::size_t sequence_table_bytes = sizeof(std::vector<std::uint32_t>) + 6 * sizeof(std::size_t);

  explicit kv_pool(const kv_room& room) noexcept : room_(room) {}
  void place_layers(std::span<const kv_shape> layers);
  std::byte* page(const layer& l, std::size_t head, std::uint32_t page) noexcept {
    return pages_.data() + l.offset + head * l.head_bytes + page * l.page_bytes;
  }
  void copy_page(std::size_t of_reach, std::uint32_t from, std::uint32_t to) noexcept;
  /// Slots of states that a sequence may have.
  static std::size_t slots_of_sequence(const kv_room& room) noexcept;

  // Numbers by their kind: pages by index in reaches_, slots behind them.
  detail::shared_numbers& numbers(std::size_t kind) noexcept { return kind < reaches_.size() ? reaches_[kind].pages : slots_; }
  /// A number that is free, or one of the prefix cache. @errors none; precondition: one is available
  std::uint32_t take(std::size_t kind) NIBBLE_NOEXCEPT;
  void forget_oldest(std::size_t kind) noexcept;
  template <class Count>
  std::size_t page_bytes_by(const Count& count) const noexcept;

  float* state(std::uint32_t slot) noexcept { return reinterpret_cast<float*>(states_.data() + slot * slot_bytes_); }

  kv_room room_;
  aligned_buffer pages_, states_;
  std::size_t slot_bytes_ = 0, table_bytes_ = 0;
  std::vector<layer> layers_;
  std::vector<reach> reaches_;
  detail::shared_numbers slots_;
  nibble::prefix_cache prefixes_;
  std::size_t sequences_ = 0;    // that there are
  mutable std::mutex changing_;  // held while pages, slots or sequences change owners
  std::atomic<std::size_t> refs_{0};
};

/// A pool that is owned together: it ends with the last of its references. Each of its sequences has one. Unlike a
/// std::shared_ptr it takes no memory of its own, so a plan is exact.
class kv_pool_ref {
 public:
  kv_pool_ref() noexcept = default;
  explicit kv_pool_ref(kv_pool& pool) noexcept : pool_(&pool) { ++pool.refs_; }
  kv_pool_ref(const kv_pool_ref& other) noexcept : pool_(other.pool_) {
    if (pool_) ++pool_->refs_;
  }
  kv_pool_ref(kv_pool_ref&& other) noexcept : pool_(std::exchange(other.pool_, nullptr)) {}
  kv_pool_ref& operator=(kv_pool_ref other) noexcept {
    std::swap(pool_, other.pool_);
    return *this;
  }
  ~kv_pool_ref() {
    if (pool_ && --pool_->refs_ == 0) delete pool_;
  }

  kv_pool& operator*() const noexcept { return *pool_; }
  kv_pool* operator->() const noexcept { return pool_; }
  explicit operator bool() const noexcept { return pool_ != nullptr; }

 private:
  kv_pool* pool_ = nullptr;
};

#if NIBBLE_EXCEPTIONS
inline kv_pool_ref kv_pool::create(std::span<const kv_shape> layers, const kv_room& room) {
  return try_create(layers, room).value();
}
#endif

}  // namespace NIBBLE_ABI
}  // namespace nibble
