#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>

#include "kernels/tables.hpp"
#include "nibble/core/aligned.hpp"

using namespace nibble;
using namespace nibble_test;

namespace {

/// A cache of one layer with `heads` key-value heads, pages in shuffled order, filled with random keys and values.
template <class Format>
struct sample_cache {
  std::size_t heads, dim, positions, tile = kv_tile_bytes<Format, kv_role::key>(dim),
                                     head_bytes = tile + kv_tile_bytes<Format, kv_role::value>(dim),
                                     page_bytes = heads * head_bytes;
  std::vector<std::uint32_t> page_of;
  aligned_buffer pages;

  sample_cache(std::size_t h, std::size_t d, std::size_t n) : heads(h), dim(d), positions(n) {
    const std::size_t count = (n + page_positions - 1) / page_positions;
    for (std::size_t i = 0; i < count; ++i) page_of.push_back(static_cast<std::uint32_t>((i * 3 + 1) % count));
    if (count % 3 == 0) std::sort(page_of.begin(), page_of.end());
    for (std::size_t i = 0; i < count; ++i)
      page_of[i] = count % 3 == 0 ? static_cast<std::uint32_t>(count - 1 - i) : page_of[i];
    pages = *aligned_buffer::try_allocate(count * page_bytes);
    for (std::size_t p = 0; p < n; ++p) {
      for (std::size_t head = 0; head < heads; ++head) {
        const auto k = gaussian(d, unsigned(p * 31 + head)), v = gaussian(d, unsigned(p * 37 + head + 5000));
        std::byte* at = pages.data() + page_of[p / page_positions] * page_bytes + head * head_bytes;
        store_kv<Format, kv_role::key>(k.data(), d, p % page_positions, at);
        store_kv<Format, kv_role::value>(v.data(), d, p % page_positions, at + tile);
      }
    }
  }

  attention_args args(std::size_t head, const float* q, float* out, std::size_t tokens, std::size_t queries,
                      std::size_t position) const {
    attention_args a{};
    a.query = q, a.query_stride = queries * dim, a.output = out, a.output_stride = queries * dim;
    a.tokens = tokens, a.heads = queries, a.head_dim = a.value_dim = dim, a.position = position;
    a.scale = 0.3f;
    a.pages = pages.data() + head * head_bytes, a.page_bytes = page_bytes, a.value_offset = tile;
    a.page_of = page_of.data();
    return a;
  }
};

template <class F>
void for_each_kv_format(F&& f) {
  any_type(kv_formats{}, [&]<class Q>(std::type_identity<Q> q) {
    INFO("KV format ", std::string(Q::name));
    f(q);
    return false;
  });
}

}  // namespace

TEST_CASE("every target attends like the reference: grouped heads, windows, caps, sinks, any page order") {
  for_each_kv_format([]<class Format>(std::type_identity<Format>) {
    for (std::size_t dim : {16, 24, 64, 80}) {
      const sample_cache<Format> cache(2, dim, 200);
      const auto q = gaussian(32 * dim, 3);
      const float sinks[4] = {0.5f, -1.0f, 2.0f, 9.0f};
      for_each_table([&](const kernel_table& t) {
        for (std::size_t heads : {1, 4}) {
          for (std::size_t position : {0, 1, 63, 64, 130}) {
            for (std::size_t window : {0, 1, 7, 64, 100}) {
              for (int variant : {0, 1, 2}) {
                std::vector<float> expected(5 * heads * dim), found(5 * heads * dim);
                auto a = cache.args(1, q.data(), expected.data(), 5, heads, position);
                a.window = window, a.softcap = variant == 1 ? 2.0f : 0.0f, a.sinks = variant == 2 ? sinks : nullptr;
                reference::attention<Format>(a);
                a.output = found.data();
                t.attention[index_of<Format, kv_formats>](a);
                REQUIRE(relative_error(expected, found) < 3e-6);
              }
            }
          }
        }
      });
    }
  });
}

TEST_CASE("a query attends with the same bits alone and in any block") {
  for_each_kv_format([]<class Format>(std::type_identity<Format>) {
    constexpr std::size_t dim = 64, tokens = 10, heads = 3, position = 60;
    const sample_cache<Format> cache(1, dim, 90);
    const auto q = gaussian(tokens * heads * dim, 8);
    for_each_table([&](const kernel_table& t) {
      for (std::size_t window : {0, 5, 40}) {
        std::vector<float> whole(q.size()), parts(q.size());
        const auto run = [&](std::size_t token, std::size_t count, float* out) {
          auto a = cache.args(0, q.data() + token * heads * dim, out + token * heads * dim, count, heads, position + token);
          a.window = window;
          t.attention[index_of<Format, kv_formats>](a);
        };
        run(0, tokens, whole.data());
        for (std::size_t block : {1, 2, 3, 7}) {
          for (std::size_t token = 0; token < tokens; token += block) run(token, std::min(block, tokens - token), parts.data());
          REQUIRE(std::memcmp(whole.data(), parts.data(), whole.size() * sizeof(float)) == 0);
        }
      }
    });
  });
}

TEST_CASE("Q8_0 keys and values are within half a step, at any width") {
  for (std::size_t dim : {16, 32, 80}) {
    std::vector<std::byte> tile(kv_tile_bytes<q8_0, kv_role::key>(dim));
    const auto k = gaussian(dim, 21);
    store_kv<q8_0, kv_role::key>(k.data(), dim, 63, tile.data());
    float peak = 0;
    for (float x : k) peak = std::max(peak, std::fabs(x));
    for (std::size_t i = 0; i < dim; ++i) {
      CHECK(std::fabs(read_kv<q8_0, kv_role::key>(tile.data(), dim, 63, i) - k[i]) < peak / 127 * 0.55f);
    }
  }
}

TEST_CASE("every target stores a key and a value with the reference's bits, at any width and slot") {
  for_each_kv_format([]<class Format>(std::type_identity<Format>) {
    constexpr std::size_t format = index_of<Format, kv_formats>;
    for (std::size_t dim : {2, 16, 30, 32, 80, 256}) {
      auto x = gaussian(dim, unsigned(dim));
      x[0] = 3e-6f, x[1] = -0.0f;                                                // a half that is subnormal
      if (dim > 16) x[5] = 70000, x[7] = 1.00048828125f, x[9] = 1.00146484375f;  // past the largest half, and two ties
      if (dim > 64) std::fill_n(x.data() + 32, 32, 0.0f);
      for (std::size_t slot : {0, 17, 63}) {
        const auto check = [&]<kv_role Role>(std::integral_constant<kv_role, Role>, auto kernel_table::*store) {
          std::vector<std::byte> expected(kv_tile_bytes<Format, Role>(dim), std::byte{77});
          store_kv<Format, Role>(x.data(), dim, slot, expected.data());
          for_each_table([&](const kernel_table& t) {
            std::vector<std::byte> found(expected.size(), std::byte{77});
            (t.*store)[format](x.data(), dim, slot, found.data());
            for (std::size_t s = 0; s < page_positions; ++s) {
              for (std::size_t i = 0; i < dim; ++i) {
                const float a = read_kv<Format, Role>(expected.data(), dim, s, i),
                            b = read_kv<Format, Role>(found.data(), dim, s, i);
                REQUIRE(std::memcmp(&a, &b, sizeof a) == 0);
              }
            }
          });
        };
        check(std::integral_constant<kv_role, kv_role::key>(), &kernel_table::store_key);
        check(std::integral_constant<kv_role, kv_role::value>(), &kernel_table::store_value);
      }
    }
  });
}
