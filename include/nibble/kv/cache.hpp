/// kv_cache: the keys and values of a sequence, in pages that are reached through a table.
///
/// A page is 64 positions of one layer; the pages of each head stand together, so that a sequence is read in order. Layers that
/// see all positions keep all pages; layers with a sliding window keep what the window can still see, and their pages go round:
/// memory follows the window, not the context. Layers with equal windows share one table, for a position lies in the same page
/// of each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "nibble/core/aligned.hpp"
#include "nibble/error.hpp"
#include "nibble/kv/shape.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// One layer of a cache as attention sees it: page p of head h begins at pages + h * head_bytes + p * page_bytes.
struct kv_layer {
  std::byte* pages = nullptr;
  std::size_t head_bytes = 0, page_bytes = 0, value_offset = 0;  ///< a page's keys, and behind value_offset bytes its values
  const std::uint32_t* page_of = nullptr;                        ///< page_of[position / page_positions]
  std::size_t format = 0;                                        ///< index in kv_formats

  std::byte* page(std::size_t head, std::size_t position) const noexcept {
    return pages + head * head_bytes + page_of[position / page_positions] * page_bytes;
  }
};

/// The cache without its format: what a step holds. Made by kv_cache<Format>.
class kv_storage {
 public:
  kv_storage() = default;

  std::size_t context() const noexcept { return context_; }
  std::size_t bytes() const noexcept { return memory_.size(); }
  kv_layer layer(std::size_t i) const noexcept {
    const slot& s = slots_[i];
    return {const_cast<std::byte*>(memory_.data()) + s.offset,
            s.head_bytes,
            s.page_bytes,
            s.value_offset,
            tables_[s.table].page_of.data(),
            format_};
  }

  /// Makes room for positions [first, first + count) and forgets what no window sees from `first` on.
  /// @errors  none; precondition: first + count <= context(), count <= prefill_chunk, positions are added in order
  void reserve(std::size_t first, std::size_t count) noexcept {
    for (table& t : tables_) {
      const std::size_t seen = t.window && first + 1 > t.window ? first + 1 - t.window : 0;
      for (; t.first < seen / page_positions; ++t.first) t.free.push_back(t.page_of[t.first]);
      for (; t.last * page_positions < first + count; ++t.last) {
        t.page_of[t.last] = t.free.back();
        t.free.pop_back();
      }
    }
  }

  /// The first position that a sequence may be cut back to and continued from: 0, or what the windows have kept.
  std::size_t oldest() const noexcept {
    std::size_t position = 0;
    for (const table& t : tables_) {
      if (t.first > 0) position = std::max(position, t.first * page_positions + t.window - 1);
    }
    return position;
  }

  /// Forgets positions from `position` on.
  /// @errors  none; precondition: position == 0 or position >= oldest()
  void truncate(std::size_t position) noexcept {
    for (table& t : tables_) {
      const std::size_t keep = (position + page_positions - 1) / page_positions;
      for (; t.last > keep && t.last > t.first; --t.last) t.free.push_back(t.page_of[t.last - 1]);
      if (position == 0) t.first = t.last = 0;
    }
  }

 protected:
  struct slot {
    std::size_t offset, head_bytes, page_bytes, value_offset, table;
  };
  struct table {
    std::size_t window;
    std::vector<std::uint32_t> page_of;  // of all the context, so that nothing grows later
    std::vector<std::uint32_t> free;
    std::size_t first = 0, last = 0;  // tiles [first, last) have pages
  };

  aligned_buffer memory_;
  std::vector<slot> slots_;
  std::vector<table> tables_;
  std::size_t context_ = 0, format_ = 0;
};

/// A cache whose keys and values stand in Format: f32, f16, bf16 or q8_0.
template <kv_format Format = f16>
class kv_cache : public kv_storage {
 public:
  using format = Format;

  /// Exact bytes of a cache.
  static std::size_t planned_bytes(std::span<const kv_shape> layers, std::size_t context, std::size_t prefill_chunk) noexcept {
    std::size_t bytes = 0;
    for (const kv_shape& s : layers) bytes += kv_pages(s.window, context, prefill_chunk) * s.heads * kv_page_bytes<Format>(s);
    return bytes;
  }

  /// @shape   room for `context` positions, added up to prefill_chunk at once
  /// @errors  out_of_memory
  static result<kv_cache> try_create(std::span<const kv_shape> layers, std::size_t context, std::size_t prefill_chunk) {
    kv_cache cache;
    cache.context_ = context;
    cache.format_ = index_of<Format, kv_formats>;
    std::size_t offset = 0;
    for (const kv_shape& s : layers) {
      const std::size_t window = s.window >= context ? 0 : s.window;
      const std::size_t pages = kv_pages(window, context, prefill_chunk);
      std::size_t t = 0;
      while (t < cache.tables_.size() && cache.tables_[t].window != window) ++t;
      if (t == cache.tables_.size()) {
        table fresh{window, std::vector<std::uint32_t>((context + page_positions - 1) / page_positions), {}};
        for (std::size_t p = pages; p > 0; --p) fresh.free.push_back(static_cast<std::uint32_t>(p - 1));
        cache.tables_.push_back(std::move(fresh));
      }
      const std::size_t page = kv_page_bytes<Format>(s);
      cache.slots_.push_back({offset, pages * page, page, kv_tile_bytes<Format, kv_role::key>(s.key_dim), t});
      offset += pages * s.heads * page;
    }
    auto memory = aligned_buffer::try_allocate(offset);
    if (!memory) return std::move(memory).failure().in("KV cache of " + std::to_string(context) + " positions");
    cache.memory_ = *std::move(memory);
    return cache;
  }
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
