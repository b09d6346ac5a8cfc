/// saved_session: what a session writes of itself, and reads again.
///
///     header    see below
///     tokens    (tokens) of 4 bytes
///     logits    (vocabulary) of 4 bytes, where those after the last token are there
///     sequence  see kv/saved_sequence.hpp
///     checksum  of all before it, 8 bytes
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "nibble/error.hpp"
#include "nibble/file/byte_sink.hpp"
#include "nibble/generate/transcript.hpp"
#include "nibble/gguf/tensor_type.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// As it stands in a file.
struct saved_header {
  static constexpr std::array<char, 8> own_magic{'n', 'i', 'b', 'b', 'l', 'e', 'S', '\n'};
  static constexpr std::uint32_t own_version = 2;

  std::array<char, 8> magic = own_magic;
  std::uint32_t version = own_version;
  evaluation::stored_types kv = {};  ///< of keys and values
  std::uint64_t fingerprint = 0;     ///< see any_model::fingerprint
  std::uint64_t bytes = 0;           ///< of all, the checksum included
  std::uint64_t tokens = 0;          ///< that the session holds
  std::uint64_t position = 0;        ///< processed, those included that are forgotten
  std::uint64_t logits = 0;          ///< numbers of logits
  std::uint64_t forgotten = 0;       ///< positions that are processed and forgotten, beside those of the tokens
  /// Of a text that is longer than its context: what it forgets; zeros where nothing is. Of any text of which heavy hitters are
  /// kept: how many, those that are recent, and 0.
  std::uint64_t size = 0, kept = 0, step = 0;
};
static_assert(sizeof(saved_header) == 96);

/// @errors  std::bad_alloc
std::vector<std::byte> save(const transcript& said);
/// The same bytes, piece by piece.
/// @errors  what the sink says; out_of_memory
result<void> try_save(const transcript& said, byte_sink& out);
/// Whether `header` begins the state of a session like this, of `bytes` bytes.
/// @errors  malformed, unsupported_version, truncated; invalid_argument: of another model or format; limit_exceeded: it holds
///          more than the context
result<void> check(const transcript& said, const saved_header& header, std::uint64_t bytes);
/// Makes a transcript what another was.
/// @errors  as check(), and out_of_memory: then nothing has changed
result<void> try_load(transcript& said, std::span<const std::byte> bytes);

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
