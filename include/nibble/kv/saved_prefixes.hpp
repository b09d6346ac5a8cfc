/// saved_prefixes: what a prefix cache holds, as bytes that outlive it.
///
///     header, kinds   see below
///     nodes           (nodes) of saved_prefixes::node, each behind its parent
///     holders         of each kind: (count) of 4 bytes, nodes from 1 on that own one of it, the last used first
///     contents        of each kind, in this order: pages of its layers, head by head; recurrent states
///     checksum        of all before it, 8 bytes
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "nibble/core/token.hpp"
#include "nibble/error.hpp"
#include "nibble/file/byte_sink.hpp"
#include "nibble/kv/pool.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Reads and writes the prefix cache of a pool.
class saved_prefixes {
 public:
  /// As it stands in a file.
  struct header {
    static constexpr std::array<char, 8> own_magic{'n', 'i', 'b', 'b', 'l', 'e', 'P', '\n'};
    static constexpr std::uint32_t own_version = 1;

    std::array<char, 8> magic = own_magic;
    std::uint32_t version = own_version;
    std::uint32_t keys = 0, values = 0;  ///< tensor types of keys and values
    std::uint32_t rotated = 0;           ///< 1: keys, 2: values
    std::uint32_t kinds = 0, nodes = 0;
    std::uint64_t fingerprint = 0;  ///< of the model
    std::uint64_t bytes = 0;        ///< of all, the checksum included
  };
  static_assert(sizeof(header) == 48);
  /// Pages of the layers that see equally far, or recurrent states.
  struct kind {
    static constexpr std::uint64_t states = ~std::uint64_t{0};
    std::uint64_t window = 0;  ///< 0: all; or `states`
    std::uint64_t bytes = 0;   ///< of one
    std::uint64_t count = 0;
  };
  /// The tokens of a page behind those of its parent, which is 0 at the beginning of a text.
  struct node {
    std::uint64_t key = 0, parent = 0;
    std::array<token, page_positions> tokens = {};
  };

  /// @param   fingerprint  of the model: what was saved for one is of no use to another
  /// @errors  what the sink says; std::bad_alloc
  /// @cost    whoever needs pages of the pool waits until it is done
  static result<void> try_save(kv_pool& pool, std::uint64_t fingerprint, byte_sink& out);
#if NIBBLE_EXCEPTIONS
  static void save(kv_pool& pool, std::uint64_t fingerprint, byte_sink& out) { try_save(pool, fingerprint, out).value(); }
#endif
  /// Adds what there is free memory for, the last used first. Nothing gives way to it, and it is the first to go.
  /// @errors  malformed: other or damaged bytes; truncated, unsupported_version; invalid_argument: of another model or format,
  ///          or the pool has no prefix cache. Nothing has changed then. std::bad_alloc
  static result<void> try_load(kv_pool& pool, std::uint64_t fingerprint, std::span<const std::byte> from);
#if NIBBLE_EXCEPTIONS
  static void load(kv_pool& pool, std::uint64_t fingerprint, std::span<const std::byte> from) {
    try_load(pool, fingerprint, from).value();
  }
#endif
  /// Whether `h` begins a file of so many bytes that is for this pool: before memory is taken for the rest.
  /// @errors  as try_load
  static result<void> check(const kv_pool& pool, std::uint64_t fingerprint, const header& h, std::uint64_t bytes);

 private:
  /// All but the contents.
  struct index {
    header head;
    std::vector<kind> kinds;
    std::vector<node> nodes;
    std::vector<std::vector<std::uint32_t>> holders;
  };
  static header header_of(const kv_pool& pool, std::uint64_t fingerprint) noexcept;
  static std::vector<kind> kinds_of(const kv_pool& pool);
  static index index_of(const kv_pool& pool, std::uint64_t fingerprint, std::vector<std::uint32_t>& node_of);
  static std::uint64_t bytes_of(const header& h, std::span<const kind> kinds) noexcept;
  static result<index> try_read(const kv_pool& pool, std::uint64_t fingerprint, std::span<const std::byte>& from);
  static void add(kv_pool& pool, const index& saved, std::span<const std::byte> contents);
  template <class F>
  static void for_each_part(kv_pool& pool, std::size_t kind, std::uint32_t number, F&& f);
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
