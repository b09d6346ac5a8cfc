/// saved_sequence: all that a sequence needs to go on, as bytes that outlive it.
///
///     for each layer    for each head: its pages, from the first that a window sees, or that holds position 0, to the last;
///                       where the context slides, those of kept positions come first
///     recurrent states; where heavy hitters are kept, what the keys in each place have received
///
/// What there is follows from the layers, the format and the length: nothing in it says so, and nothing has to be believed.
/// What stands in the last page behind the end is not of the sequence, and is written as zeros.
#pragma once

#include <cstddef>
#include <span>

#include "nibble/error.hpp"
#include "nibble/file/byte_sink.hpp"
#include "nibble/kv/sequence.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

class saved_sequence {
 public:
  /// Bytes of a sequence that has this length.
  static std::size_t bytes(const sequence& s, std::size_t length) noexcept;
  /// @errors  none; precondition: out has bytes(s, s.length()), and no step is open
  static void save(const sequence& s, std::span<std::byte> out) NIBBLE_NOEXCEPT;
  /// The same bytes, page by page.
  /// @errors  what the sink says; out_of_memory: there is none for a page; precondition: no step is open
  static result<void> try_save(const sequence& s, byte_sink& out);
#if NIBBLE_EXCEPTIONS
  static void save(const sequence& s, byte_sink& out) { try_save(s, out).value(); }
#endif
  /// Makes a sequence what another was, of the same layers and format. What that could be cut back to is not kept.
  /// @errors  out_of_memory: the pool has no room for it, and nothing has changed; precondition: `from` has bytes(s, length),
  /// the
  ///          length is within the context, and no step is open
  static result<void> try_load(sequence& s, std::size_t length, std::span<const std::byte> from);
#if NIBBLE_EXCEPTIONS
  static void load(sequence& s, std::size_t length, std::span<const std::byte> from) { try_load(s, length, from).value(); }
#endif

 private:
  template <class F>
  static void for_each_tile(const sequence& s, std::size_t reach, std::size_t length, F&& f);
  template <class F>
  static void for_each_page(const sequence& s, std::size_t length, F&& f);
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
