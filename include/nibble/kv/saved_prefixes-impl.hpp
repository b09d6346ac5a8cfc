/// Definitions of kv/saved_prefixes.hpp, compiled once: see nibble/compile.hpp.
#pragma once

#include <algorithm>
#include <cstring>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "nibble/core/checksum.hpp"
#include "nibble/file/summing_sink.hpp"
#include "nibble/kv/pool-impl.hpp"
#include "nibble/kv/prefix_cache-impl.hpp"
#include "nibble/kv/saved_prefixes.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

namespace detail {
inline error prefixes_error(errc code, std::string sentence) {
  return error(code, "saved prefix cache: " + std::move(sentence));
}
inline error prefixes_error(errc code, std::string_view what, std::uint64_t expected, std::uint64_t found) {
  return prefixes_error(code,
                        std::string(what) + ": expected " + std::to_string(expected) + ", found " + std::to_string(found));
}
inline tensor_type kv_type_of(std::size_t index) noexcept {
  tensor_type type{};
  visit_kv_format(index, [&]<class Format>(std::type_identity<Format>) { type = Format::type; });
  return type;
}
}  // namespace detail

saved_prefixes::header saved_prefixes::header_of(const kv_pool& pool, std::uint64_t fingerprint) noexcept {
  header h;
  h.keys = static_cast<std::uint32_t>(detail::kv_type_of(pool.room_.types.keys));
  h.values = static_cast<std::uint32_t>(detail::kv_type_of(pool.room_.types.values));
  h.rotated = std::uint32_t{pool.room_.rotated.keys} | std::uint32_t{pool.room_.rotated.values} << 1;
  h.kinds = static_cast<std::uint32_t>(pool.reaches_.size() + (pool.slot_bytes_ > 0));
  h.fingerprint = fingerprint;
  return h;
}

/// Those of a pool, with nothing in them.
std::vector<saved_prefixes::kind> saved_prefixes::kinds_of(const kv_pool& pool) {
  std::vector<kind> kinds;
  for (const kv_pool::reach& r : pool.reaches_) kinds.push_back({r.window, 0, 0});
  for (const kv_pool::layer& l : pool.layers_) {
    if (l.heads > 0) kinds[l.reach].bytes += l.heads * l.page_bytes;
  }
  if (pool.slot_bytes_ > 0) kinds.push_back({kind::states, pool.slot_bytes_, 0});
  return kinds;
}

std::uint64_t saved_prefixes::bytes_of(const header& h, std::span<const kind> kinds) noexcept {
  std::size_t bytes = sizeof(header) + sizeof(std::uint64_t) + kinds.size_bytes();
  bytes = sum_of_sizes(bytes, product_of_sizes(h.nodes, sizeof(node)));
  for (const kind& k : kinds) {
    const std::size_t each = sum_of_sizes(as_size(k.bytes), sizeof(std::uint32_t));
    bytes = sum_of_sizes(bytes, product_of_sizes(as_size(k.count), each));
  }
  return bytes;
}

/// Calls f(bytes) with what is one page or state of a kind.
template <class F>
void saved_prefixes::for_each_part(kv_pool& pool, std::size_t kind, std::uint32_t number, F&& f) {
  if (kind == pool.reaches_.size()) {
    return f(std::span(reinterpret_cast<std::byte*>(pool.state(number)), pool.slot_bytes_));
  }
  for (const kv_pool::layer& l : pool.layers_) {
    if (l.heads == 0 || l.reach != kind) continue;
    for (std::size_t head = 0; head < l.heads; ++head) f(std::span(pool.page(l, head, number), l.page_bytes));
  }
}

/// @param   node_of  of each node that is saved: the one in the tree
saved_prefixes::index saved_prefixes::index_of(const kv_pool& pool, std::uint64_t fingerprint,
                                               std::vector<std::uint32_t>& node_of) {
  const prefix_cache& cache = pool.prefixes_;
  index saved{header_of(pool, fingerprint), kinds_of(pool), {}, {}};
  std::vector<std::uint32_t> path, place(cache.nodes(), 0);
  node_of.assign(1, prefix_cache::root);
  cache.for_each_from_newest(cache.kinds(), [&](prefix_cache::node n) {
    for (; n != prefix_cache::root && place[n] == 0; n = cache.parent(n)) path.push_back(n);
    for (; !path.empty(); path.pop_back()) {
      n = path.back();
      place[n] = static_cast<std::uint32_t>(node_of.size());
      node_of.push_back(n);
      node& own = saved.nodes.emplace_back();
      own.key = cache.key(n), own.parent = place[cache.parent(n)];
      std::copy_n(cache.page(n).begin(), page_positions, own.tokens.begin());
    }
  });
  saved.holders.resize(saved.kinds.size());
  for (std::size_t k = 0; k < saved.kinds.size(); ++k) {
    cache.for_each_from_newest(k, [&](prefix_cache::node n) { saved.holders[k].push_back(place[n]); });
    saved.kinds[k].count = saved.holders[k].size();
  }
  saved.head.nodes = static_cast<std::uint32_t>(saved.nodes.size());
  saved.head.bytes = bytes_of(saved.head, saved.kinds);
  return saved;
}

result<void> saved_prefixes::try_save(kv_pool& pool, std::uint64_t fingerprint, byte_sink& out) {
  const std::lock_guard lock(pool.changing_);
  std::vector<std::uint32_t> node_of;
  const index saved = index_of(pool, fingerprint, node_of);
  detail::summing_sink summed(out, saved.head.bytes - sizeof(std::uint64_t));
  NIBBLE_TRY(summed.try_write(std::as_bytes(std::span(&saved.head, 1))));
  NIBBLE_TRY(summed.try_write(std::as_bytes(std::span(saved.kinds))));
  NIBBLE_TRY(summed.try_write(std::as_bytes(std::span(saved.nodes))));
  for (const auto& holders : saved.holders) NIBBLE_TRY(summed.try_write(std::as_bytes(std::span(holders))));
  result<void> done;
  for (std::size_t k = 0; k < saved.kinds.size(); ++k) {
    for (const std::uint32_t n : saved.holders[k]) {
      for_each_part(pool, k, pool.prefixes_.held(node_of[n], k), [&](std::span<const std::byte> part) {
        if (done) done = summed.try_write(part);
      });
    }
  }
  NIBBLE_TRY(std::move(done));
  return summed.try_end();
}

result<void> saved_prefixes::check(const kv_pool& pool, std::uint64_t fingerprint, const header& h, std::uint64_t bytes) {
  using detail::prefixes_error;
  const header own = header_of(pool, fingerprint);
  if (h.magic != own.magic) return prefixes_error(errc::malformed, "this is none");
  if (h.version != own.version) return prefixes_error(errc::unsupported_version, "version", own.version, h.version);
  if (!pool.prefixes_) return prefixes_error(errc::invalid_argument, "there is no prefix cache to load it into");
  if (h.fingerprint != fingerprint) return prefixes_error(errc::invalid_argument, "it is of another model");
  if (h.keys != own.keys || h.values != own.values || h.rotated != own.rotated)
    return prefixes_error(errc::invalid_argument, "keys and values are of another format");
  if (h.kinds != own.kinds) return prefixes_error(errc::invalid_argument, "its layers see less or more of a text");
  if (h.bytes != bytes) return prefixes_error(bytes < h.bytes ? errc::truncated : errc::malformed, "bytes", h.bytes, bytes);
  return {};
}

/// Reads and checks all but the contents, which are left in `from`.
result<saved_prefixes::index> saved_prefixes::try_read(const kv_pool& pool, std::uint64_t fingerprint,
                                                       std::span<const std::byte>& from) {
  using detail::prefixes_error;
  const auto take = [&]<class T>(T* to, std::size_t count) {
    const std::size_t size = count * sizeof(T);
    if (size > 0) std::memcpy(to, from.data(), size);
    from = from.subspan(size);
  };
  const std::span<const std::byte> all = from;
  index saved;
  if (all.size() < sizeof(header)) return prefixes_error(errc::truncated, "bytes of its header", sizeof(header), all.size());
  take(&saved.head, 1);
  NIBBLE_TRY(check(pool, fingerprint, saved.head, all.size()));
  saved.kinds = kinds_of(pool);
  const std::uint64_t least = bytes_of({}, saved.kinds);
  if (all.size() < least) return prefixes_error(errc::malformed, "bytes", least, all.size());
  for (kind& own : saved.kinds) {
    kind k;
    take(&k, 1);
    if (k.window != own.window || k.bytes != own.bytes)
      return prefixes_error(errc::invalid_argument, "its layers see less or more of a text");
    own.count = k.count;
  }
  const std::uint64_t bytes = bytes_of(saved.head, saved.kinds);
  if (all.size() != bytes) return prefixes_error(errc::malformed, "bytes", bytes, all.size());
  std::uint64_t sum = 0;
  std::memcpy(&sum, all.last(sizeof(sum)).data(), sizeof(sum));
  if (sum != detail::checksum(all.first(all.size() - sizeof(sum))))
    return prefixes_error(errc::malformed, "it is damaged: its checksum is another");
  saved.nodes.resize(saved.head.nodes);
  take(saved.nodes.data(), saved.nodes.size());
  for (std::size_t i = 0; i < saved.nodes.size(); ++i) {
    if (saved.nodes[i].parent > i) return prefixes_error(errc::malformed, "a page before its parent");
  }
  for (const kind& k : saved.kinds) {
    auto& holders = saved.holders.emplace_back(as_size(k.count));
    take(holders.data(), holders.size());
    for (const std::uint32_t n : holders) {
      if (n == 0 || n > saved.nodes.size()) return prefixes_error(errc::malformed, "a page that is not there");
    }
  }
  return saved;
}

/// What there is free memory for. A page that is there already stays as it is.
void saved_prefixes::add(kv_pool& pool, const index& saved, std::span<const std::byte> contents) {
  prefix_cache& cache = pool.prefixes_;
  std::vector<prefix_cache::node> node_of(1, prefix_cache::root);
  node_of.reserve(saved.nodes.size() + 1);
  for (const node& n : saved.nodes) {
    const prefix_cache::node parent = node_of[as_size(n.parent)];
    node_of.push_back(parent == prefix_cache::nothing ? parent : cache.find_or_add_oldest(parent, n.tokens, n.key));
  }
  for (std::size_t k = 0; k < saved.kinds.size(); ++k) {
    detail::shared_numbers& numbers = pool.numbers(k);
    const std::span<const std::byte> of_kind = contents.first(as_size(saved.kinds[k].bytes) * saved.holders[k].size());
    contents = contents.subspan(of_kind.size());
    const std::byte* from = of_kind.data();
    for (std::size_t i = 0; i < saved.holders[k].size() && numbers.free() > 0; ++i, from += saved.kinds[k].bytes) {
      const prefix_cache::node n = node_of[saved.holders[k][i]];
      if (n == prefix_cache::nothing || cache.held(n, k) != prefix_cache::nothing) continue;
      const std::uint32_t number = numbers.take();
      for_each_part(pool, k, number, [at = from](std::span<std::byte> part) mutable {
        std::memcpy(part.data(), at, part.size());
        at += part.size();
      });
      numbers.keep(number);
      numbers.give_back(number);
      cache.hold_oldest(n, k, number);
    }
  }
  for (std::size_t i = node_of.size(); i > 1; --i) {  // a parent may have gone with its child
    const prefix_cache::node n = node_of[i - 1];
    if (n != prefix_cache::nothing && cache.parent(n) != prefix_cache::nothing) cache.trim(n);
  }
}

result<void> saved_prefixes::try_load(kv_pool& pool, std::uint64_t fingerprint, std::span<const std::byte> from) {
  const auto saved = try_read(pool, fingerprint, from);
  if (!saved) return saved.failure();
  const std::lock_guard lock(pool.changing_);
  add(pool, *saved, from);
  return {};
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
