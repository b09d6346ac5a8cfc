/// The definitions behind saved_session.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "nibble/core/checked.hpp"
#include "nibble/core/checksum.hpp"
#include "nibble/file/summing_sink.hpp"
#include "nibble/generate/saved_session.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Bytes of a session's state.
inline std::size_t saved_bytes(const evaluation& e, const saved_header& h) noexcept {
  std::size_t bytes = sum_of_sizes(sizeof(saved_header) + sizeof(std::uint64_t), e.saved_bytes(as_size(h.position)));
  bytes = sum_of_sizes(bytes, product_of_sizes(as_size(h.tokens), sizeof(token)));
  return sum_of_sizes(bytes, product_of_sizes(as_size(h.logits), sizeof(float)));
}
inline error saved_error(errc code, std::string sentence) { return error(code, "saved session: " + std::move(sentence)); }
inline error saved_error(errc code, std::string_view what, std::uint64_t expected, std::uint64_t found) {
  return saved_error(code, std::string(what) + ": expected " + std::to_string(expected) + ", found " + std::to_string(found));
}

inline saved_header header_of(const transcript& said) noexcept {
  const evaluation& e = said.evaluator();
  saved_header h;
  h.kv = e.kv(), h.fingerprint = e.fingerprint();
  h.tokens = said.size(), h.position = e.position(), h.logits = said.logits().size();
  h.forgotten = said.forgotten();
  if (const sliding_context s = e.sliding(); h.forgotten > 0 || h.position > s.size)
    h.size = s.size, h.kept = s.kept, h.step = s.step;
  if (const heavy_hitters s = e.hitters(); s.chooses()) h.size = s.size, h.kept = s.recent, h.step = 0;
  h.bytes = saved_bytes(e, h);
  return h;
}

std::vector<std::byte> save(const transcript& said) {
  const evaluation& e = said.evaluator();
  const saved_header h = header_of(said);
  std::vector<std::byte> out(as_size(h.bytes));
  std::byte* at = out.data();
  const auto put = [&](std::span<const std::byte> bytes) {
    if (!bytes.empty()) std::memcpy(at, bytes.data(), bytes.size());
    at += bytes.size();
  };
  put(std::as_bytes(std::span(&h, 1)));
  put(std::as_bytes(said.tokens()));
  put(std::as_bytes(said.logits()));
  e.save({at, e.saved_bytes(e.position())});
  at += e.saved_bytes(e.position());
  const std::uint64_t sum = checksum({out.data(), at});
  put(std::as_bytes(std::span(&sum, 1)));
  return out;
}

result<void> try_save(const transcript& said, byte_sink& out) {
  const saved_header h = header_of(said);
  summing_sink summed(out, h.bytes - sizeof(std::uint64_t));
  NIBBLE_TRY(summed.try_write(std::as_bytes(std::span(&h, 1))));
  NIBBLE_TRY(summed.try_write(std::as_bytes(said.tokens())));
  NIBBLE_TRY(summed.try_write(std::as_bytes(said.logits())));
  NIBBLE_TRY(said.evaluator().try_save(summed));
  return summed.try_end();
}

/// Whether what a saved text has forgotten is what this session would have.
/// @errors  invalid_argument, malformed
inline result<void> check_forgotten(const evaluation& e, const saved_header& h) {
  const sliding_context own = e.sliding();
  const heavy_hitters hitters = e.hitters();
  const std::uint64_t processed = std::min(h.position, h.tokens);
  if (const bool of_hitters = h.size > 0 && h.step == 0; of_hitters || hitters.chooses()) {
    if (!of_hitters || h.size != hitters.size || h.kept != hitters.recent)
      return saved_error(errc::invalid_argument, "it is of another session_options::when_full");
    const bool consistent = h.position <= kv_room::longest_sliding && h.forgotten <= h.position &&
                            h.forgotten >= own.forgotten(as_size(h.position - (h.position > 0)));
    return consistent ? result<void>() : saved_error(errc::malformed, "its header contradicts itself");
  }
  if (h.size == 0 && h.kept == 0 && h.step == 0) {
    const bool consistent = h.forgotten == 0 && (!own.slides() || processed <= own.size);
    return consistent ? result<void>() : saved_error(errc::malformed, "its header contradicts itself");
  }
  if (!own.slides() || h.size != own.size || h.kept != own.kept || h.step != own.step) {
    return saved_error(errc::invalid_argument,
                       "its text is longer than its context, and of another session_options::when_full");
  }
  const bool consistent = (h.forgotten > 0 || h.position > own.size) && h.position <= kv_room::longest_sliding &&
                          h.position - h.forgotten >= h.kept && h.forgotten <= h.position &&
                          h.tokens <= kv_room::longest_sliding - h.forgotten &&
                          h.forgotten >= own.forgotten(as_size(h.position - (h.position > 0)));
  return consistent ? result<void>() : saved_error(errc::malformed, "its header contradicts itself");
}

result<void> check(const transcript& said, const saved_header& h, std::uint64_t bytes) {
  const evaluation& e = said.evaluator();
  if (h.magic != saved_header::own_magic) return saved_error(errc::malformed, "this is none");
  if (h.version != saved_header::own_version) {
    return saved_error(errc::unsupported_version, "version", saved_header::own_version, h.version);
  }
  if (h.fingerprint != e.fingerprint()) return saved_error(errc::invalid_argument, "it is of another model, or other adapters");
  if (!(h.kv == e.kv())) {
    const auto names = [](const evaluation::stored_types& kv) {
      const auto named = [&](tensor_type type, std::uint32_t bit) {
        return (kv.rotated & bit ? "rotated " : "") + std::string(name_of(type));
      };
      return named(kv.keys, 1) + " and " + named(kv.values, 2);
    };
    return saved_error(errc::invalid_argument, "keys and values: expected " + names(e.kv()) + ", found " + names(h.kv));
  }
  const std::size_t most = e.context() + e.sliding().slides();  // one may not be processed
  if (h.tokens > most)
    return saved_error(errc::limit_exceeded,
                       "tokens: expected at most " + std::to_string(most) + ", found " + std::to_string(h.tokens));
  const std::size_t vocabulary = e.tokenizer().size();
  NIBBLE_TRY(check_forgotten(e, h));
  const std::uint64_t processed = h.position - h.forgotten;
  if (processed > h.tokens || (h.logits != 0 && (h.logits != vocabulary || processed != h.tokens))) {
    return saved_error(errc::malformed, "its header contradicts itself");
  }
  const std::uint64_t expected = saved_bytes(e, h);
  if (h.bytes != expected) return saved_error(errc::malformed, "bytes", expected, h.bytes);
  if (bytes != expected) return saved_error(bytes < expected ? errc::truncated : errc::malformed, "bytes", expected, bytes);
  return {};
}

result<void> try_load(transcript& said, std::span<const std::byte> bytes) {
  saved_header h;
  if (bytes.size() < sizeof(h)) return saved_error(errc::truncated, "bytes of its header", sizeof(h), bytes.size());
  std::memcpy(&h, bytes.data(), sizeof(h));
  NIBBLE_TRY(check(said, h, bytes.size()));
  const std::span<const std::byte> summed = bytes.first(bytes.size() - sizeof(std::uint64_t));
  std::uint64_t sum = 0;
  std::memcpy(&sum, bytes.data() + summed.size(), sizeof(sum));
  if (sum != checksum(summed)) return saved_error(errc::malformed, "it is damaged: its checksum is another");
  std::vector<token> tokens(as_size(h.tokens));
  std::vector<float> logits(as_size(h.logits));
  std::span<const std::byte> rest = summed.subspan(sizeof(h));
  const auto take = [&](auto& to) {
    const std::size_t size = to.size() * sizeof(to[0]);
    if (size > 0) std::memcpy(to.data(), rest.data(), size);
    rest = rest.subspan(size);
  };
  take(tokens), take(logits);
  const std::size_t vocabulary = said.tokenizer().size();
  for (const token id : tokens) {
    if (static_cast<std::size_t>(id) >= vocabulary)
      return saved_error(errc::malformed, "a token that is not in the vocabulary");
  }
  auto loaded = said.try_load(tokens, as_size(h.position), as_size(h.forgotten), rest, logits);
  if (!loaded) return std::move(loaded).failure().in("saved session");
  return {};
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
