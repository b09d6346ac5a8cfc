#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/tables.hpp"
#include "nibble/core/aligned.hpp"
#include "nibble/kv/shape.hpp"

using namespace nibble;
using namespace nibble_test;

namespace {

/// A cache of one layer with `heads` key-value heads, pages in shuffled order, filled with random keys and values.
template <class Format>
struct sample_cache {
  std::size_t heads, key_dim, value_dim, positions;
  std::size_t tile = kv_tile_bytes<Format, kv_role::key>(key_dim);
  std::size_t head_bytes = tile + kv_tile_bytes<Format, kv_role::value>(value_dim), page_bytes = heads * head_bytes;
  std::vector<std::uint32_t> page_of;
  aligned_buffer pages;

  sample_cache(std::size_t h, std::size_t d, std::size_t n) : sample_cache(h, d, d, n) {}
  sample_cache(std::size_t h, std::size_t kd, std::size_t vd, std::size_t n)
      : heads(h), key_dim(kd), value_dim(vd), positions(n) {
    const std::size_t count = (n + page_positions - 1) / page_positions;
    for (std::size_t i = 0; i < count; ++i) page_of.push_back(static_cast<std::uint32_t>((i * 3 + 1) % count));
    if (count % 3 == 0) std::sort(page_of.begin(), page_of.end());
    for (std::size_t i = 0; i < count; ++i)
      page_of[i] = count % 3 == 0 ? static_cast<std::uint32_t>(count - 1 - i) : page_of[i];
    pages = *aligned_buffer::try_allocate(count * page_bytes);
    for (std::size_t p = 0; p < n; ++p) {
      for (std::size_t head = 0; head < heads; ++head) {
        const auto k = gaussian(kd, unsigned(p * 31 + head)), v = gaussian(vd, unsigned(p * 37 + head + 5000));
        std::byte* at = pages.data() + page_of[p / page_positions] * page_bytes + head * head_bytes;
        store_kv<Format, kv_role::key>(k.data(), kd, p % page_positions, at);
        store_kv<Format, kv_role::value>(v.data(), vd, p % page_positions, at + tile);
      }
    }
  }

  attention_args args(std::size_t head, const float* q, float* out, std::size_t tokens, std::size_t queries,
                      std::size_t position) const {
    attention_args a{};
    a.query = q, a.query_stride = queries * key_dim, a.output = out, a.output_stride = queries * value_dim;
    a.tokens = tokens, a.heads = queries, a.head_dim = key_dim, a.value_dim = value_dim;
    a.position = position, a.positions = positions;
    a.scale = 0.3f;
    a.pages = pages.data() + head * head_bytes, a.page_bytes = page_bytes, a.value_offset = tile;
    a.page_of = page_of.data(), a.value_format = index_of<Format, kv_formats>;
    return a;
  }
};

const attention_mask masks[] = {attention_mask::causal(),
                                attention_mask::window(1),
                                attention_mask::window(7),
                                attention_mask::window(64),
                                attention_mask::window(100),
                                attention_mask::symmetric_window(2),
                                attention_mask::symmetric_window(9),
                                attention_mask::symmetric_window(130),
                                attention_mask::everything()};

}  // namespace

TEST_CASE("every target attends like the reference: grouped heads, all masks, caps, sinks, slopes, any page order") {
  for_each_kv_format([]<class Format>(std::type_identity<Format>) {
    for (std::size_t dim : {16, 24, 64, 80}) {
      const sample_cache<Format> cache(2, dim, 200);
      const auto q = gaussian(32 * dim, 3);
      const float sinks[4] = {0.5f, -1.0f, 2.0f, 9.0f}, slopes[4] = {0.25f, 0.0625f, 0.7f, 1e-3f};
      for (std::size_t heads : {1, 4}) {
        for (std::size_t position : {0, 1, 63, 64, 130}) {
          for (const attention_mask& mask : masks) {
            for (int variant : {0, 1, 2, 3}) {
              std::vector<float> expected(5 * heads * dim);
              auto a = cache.args(1, q.data(), expected.data(), 5, heads, position);
              a.mask = mask, a.softcap = variant == 1 ? 2.0f : 0.0f, a.sinks = variant == 2 ? sinks : nullptr;
              a.slopes = variant == 3 ? slopes : nullptr;
              reference::attention<Format>(a);
              for_each_table([&](const kernel_table& t) {
                std::vector<float> found(expected.size());
                a.output = found.data();
                t.attention[index_of<Format, kv_formats>](a);
                REQUIRE(agree(t, expected, found));
              });
            }
          }
        }
      }
    }
  });
}

TEST_CASE("a mask says which positions a query sees, and none of them is past the stored ones") {
  struct expectation {
    attention_mask mask;
    std::size_t first, end;  // seen from position 10 of 20
  };
  for (const auto& [mask, first, end] : {expectation{attention_mask::causal(), 0, 11},
                                         {attention_mask::window(1), 10, 11},
                                         {attention_mask::window(4), 7, 11},
                                         {attention_mask::window(100), 0, 11},
                                         {attention_mask::symmetric_window(4), 8, 13},
                                         {attention_mask::symmetric_window(5), 8, 13},
                                         {attention_mask::symmetric_window(20), 0, 20},
                                         {attention_mask::everything(), 0, 20}}) {
    CHECK(mask.first(10) == first);
    CHECK(mask.end(10, 20) == end);
    CHECK(mask.end(10, 11) == 11);
  }
}

TEST_CASE("keys and values may differ in width, as those of latent attention do, and have any") {
  struct dims {
    std::size_t key, value;
  };
  for (const dims& d : {dims{576, 512}, {24, 80}, {96, 40}, {1, 1}, {2, 2}, {3, 9}, {13, 1}, {33, 47}, {67, 31}, {100, 65}}) {
    const std::size_t key_dim = d.key, value_dim = d.value;
    for_each_kv_format([&]<class Format>(std::type_identity<Format>) {
      const sample_cache<Format> cache(1, key_dim, value_dim, 140);
      const auto q = gaussian(3 * 4 * key_dim, 17, 0.1f);
      for (const attention_mask& mask : masks) {
        std::vector<float> expected(3 * 4 * value_dim);
        auto a = cache.args(0, q.data(), expected.data(), 3, 4, 62);
        a.mask = mask;
        reference::attention<Format>(a);
        for_each_table([&](const kernel_table& t) {
          std::vector<float> found(expected.size());
          a.output = found.data();
          t.attention[index_of<Format, kv_formats>](a);
          REQUIRE(agree(t, expected, found));
        });
      }
    });
  }
}

TEST_CASE("what the mask hides does not touch the result, whatever it holds") {
  for_each_kv_format([]<class Format>(std::type_identity<Format>) {
    constexpr std::size_t dim = 32, position = 70;
    const sample_cache<Format> clean(1, dim, 192);
    sample_cache<Format> broken(1, dim, 192);
    const auto q = gaussian(dim, 8);
    const std::vector<float> rubbish(dim, std::numeric_limits<float>::quiet_NaN());
    for_each_table([&](const kernel_table& t) {
      for (const attention_mask& mask : masks) {
        for (std::size_t positions : {71, 75, 128, 140}) {
          const auto run = [&](const sample_cache<Format>& cache) {
            std::vector<float> out(dim);
            auto a = cache.args(0, q.data(), out.data(), 1, 1, position);
            a.mask = mask, a.positions = positions;
            t.attention[index_of<Format, kv_formats>](a);
            return out;
          };
          std::copy_n(clean.pages.data(), 3 * clean.page_bytes, broken.pages.data());
          for (std::size_t p = 0; p < 192; ++p) {
            if (p >= mask.first(position) && p < mask.end(position, positions)) continue;
            std::byte* at = broken.pages.data() + broken.page_of[p / page_positions] * broken.page_bytes;
            store_kv<Format, kv_role::key>(rubbish.data(), dim, p % page_positions, at);
            store_kv<Format, kv_role::value>(rubbish.data(), dim, p % page_positions, at + broken.tile);
          }
          CHECK(run(broken) == run(clean));
        }
      }
    });
  });
}

TEST_CASE("a query attends with the same bits alone and in any block") {
  for_each_kv_format([]<class Format>(std::type_identity<Format>) {
    constexpr std::size_t dim = 64, tokens = 10, heads = 3, position = 60;
    const sample_cache<Format> cache(1, dim, 90);
    const auto q = gaussian(tokens * heads * dim, 8);
    for_each_table([&](const kernel_table& t) {
      for (const attention_mask& mask : masks) {
        std::vector<float> whole(q.size()), parts(q.size());
        const auto run = [&](std::size_t token, std::size_t count, float* out) {
          auto a = cache.args(0, q.data() + token * heads * dim, out + token * heads * dim, count, heads, position + token);
          a.mask = mask;
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

TEST_CASE("codes of keys and values are within half a step, at any width; of Q4_0 only the second farthest end is cut") {
  const auto check = []<class Format, kv_role Role>(std::type_identity<Format>, std::integral_constant<kv_role, Role>,
                                                    float step) {
    for (std::size_t dim : {16, 32, 80}) {
      std::vector<std::byte> tile(kv_tile_bytes<Format, Role>(dim));
      const auto x = gaussian(dim, 21);
      store_kv<Format, Role>(x.data(), dim, 63, tile.data());
      for (std::size_t i = 0; i < dim; ++i) {
        float peak = 0, signed_peak = 0;
        for (std::size_t j = i / 32 * 32; j < std::min(dim, i / 32 * 32 + 32); ++j) {
          if (std::fabs(x[j]) > peak) peak = std::fabs(x[j]), signed_peak = x[j];
        }
        const bool cut = -x[i] / signed_peak > 7.5f / 8;  // beyond the last level on the other side
        const float most = std::is_same_v<Format, q4_0> && cut ? 1.1f : 0.55f;
        CHECK(std::fabs(read_kv<Format, Role>(tile.data(), dim, 63, i) - x[i]) < peak * step * most);
      }
    }
  };
  const auto check_both = [&](auto format, float step) {
    check(format, std::integral_constant<kv_role, kv_role::key>(), step);
    check(format, std::integral_constant<kv_role, kv_role::value>(), step);
  };
  check_both(std::type_identity<q8_0>(), 1 / 127.0f);
  check_both(std::type_identity<q4_0>(), 1 / 8.0f);
}

TEST_CASE("every target stores a key and a value with the reference's bits, at any width and slot") {
  for_each_kv_format([]<class Format>(std::type_identity<Format>) {
    constexpr std::size_t format = index_of<Format, kv_formats>;
    for (std::size_t dim : {1, 2, 3, 5, 16, 30, 32, 33, 63, 67, 80, 111, 256}) {
      auto x = gaussian(dim, unsigned(dim));
      x[0] = 3e-6f;  // a half that is subnormal
      if (dim > 1) x[1] = -0.0f;
      if (dim > 16) x[5] = 70000, x[7] = 1.00048828125f, x[9] = 1.00146484375f;  // past the largest half, and two ties
      if (dim > 64) std::fill_n(x.data() + 32, 32, 0.0f);
      for (std::size_t slot : {0, 17, 63}) {
        const auto check = [&]<kv_role Role>(std::integral_constant<kv_role, Role>, auto kernel_table::*store) {
          std::vector<std::byte> expected(kv_tile_bytes<Format, Role>(dim), std::byte{77});
          store_kv<Format, Role>(x.data(), dim, slot, expected.data());
          for_each_table([&](const kernel_table& t) {
            std::vector<std::byte> found(expected.size(), std::byte{77});
            (t.*store)[format](x.data(), dim, slot, found.data());
            std::size_t different = 0;
            for (std::size_t s = 0; s < page_positions; ++s) {
              for (std::size_t i = 0; i < dim; ++i) {
                const auto bits = [&](const auto& tile) {
                  return std::bit_cast<std::uint32_t>(read_kv<Format, Role>(tile.data(), dim, s, i));
                };
                different += bits(expected) != bits(found);
              }
            }
            REQUIRE(different == 0);
          });
        };
        check(std::integral_constant<kv_role, kv_role::key>(), &kernel_table::store_key);
        check(std::integral_constant<kv_role, kv_role::value>(), &kernel_table::store_value);
      }
    }
  });
}

TEST_CASE(
    "a page is at most a quarter larger than what is in it, for heads of any width, and panels of a weight for the usual "
    "ones") {
  for_each_kv_format([]<class Format>(std::type_identity<Format>) {
    const auto content = [](std::size_t dim) {
      const std::size_t scales = coded_kv_format<Format> ? kv_blocks(dim) * sizeof(half) : 0;
      if (std::is_same_v<Format, q4_0>) return page_positions * (kv_columns(dim) / 2 + scales);  // whole blocks
      return page_positions * (dim * (std::is_same_v<Format, q8_0> ? 1 : sizeof(typename Format::block)) + scales);
    };
    for (std::size_t key = 1; key <= 576; ++key) {
      REQUIRE(kv_tile_bytes<Format, kv_role::value>(key) == content(key));
      for (std::size_t value = 1; value <= 576; value += value < 70 ? 1 : 23) {
        const kv_page page = kv_page_of<Format>({1, key, value});
        const std::size_t least = content(key) + content(value);
        REQUIRE((page.bytes * 4 <= least * 5 && page.bytes >= least));
        REQUIRE((page.bytes % cache_line == 0 && page.value_offset % cache_line == 0));
      }
    }
    for (std::size_t dim : {64, 96, 128, 256}) {
      CHECK(kv_tile_bytes<Format, kv_role::key>(dim) == 4 * group_bytes<Format>(dim));  // panels of a weight
    }
  });
}

TEST_CASE("every element of a tile has a place of its own inside of it, at any width") {
  for_each_kv_format([]<class Format>(std::type_identity<Format>) {
    const auto check = []<kv_role Role>(std::integral_constant<kv_role, Role>, std::size_t dim) {
      std::vector<std::byte> tile(kv_tile_bytes<Format, Role>(dim));
      std::vector<int> used(tile.size());
      std::size_t twice = 0;
      for (std::size_t slot = 0; slot < page_positions; ++slot) {
        for (std::size_t i = 0; i < dim; ++i) {
          const auto at = kv_at<Format, Role>(tile.data(), dim, slot, i);
          const auto use = [&](const void* place, std::size_t bytes) {
            const auto first = std::size_t(static_cast<const std::byte*>(place) - tile.data());
            REQUIRE(first + bytes <= used.size());
            for (std::size_t b = first; b < first + bytes; ++b) twice += used[b]++ != 0;
          };
          if (at.shift == 0 || !std::is_same_v<Format, q4_0>) use(at.value, sizeof *at.value);  // or shares a byte
          if (coded_kv_format<Format> && i % kv_block == 0) use(at.scale, sizeof(half));
        }
      }
      REQUIRE(twice == 0);
    };
    for (std::size_t dim : {1, 2, 3, 4, 5, 31, 32, 33, 36, 63, 64, 65, 66, 80, 96, 97, 112, 576}) {
      check(std::integral_constant<kv_role, kv_role::key>(), dim);
      check(std::integral_constant<kv_role, kv_role::value>(), dim);
    }
  });
}

TEST_CASE("keys and values may have formats of their own") {
  constexpr std::size_t dim = 80, positions = 140, tokens = 3, heads = 2;
  const auto q = gaussian(tokens * heads * dim, 5);
  for_each_kv_format([&]<class Keys>(std::type_identity<Keys>) {
    for_each_kv_format([&]<class Values>(std::type_identity<Values>) {
      const sample_cache<Keys> keys(1, dim, positions);
      const sample_cache<Values> values(1, dim, positions);
      const std::size_t key_bytes = kv_tile_bytes<Keys, kv_role::key>(dim), value_bytes = values.head_bytes - values.tile;
      const std::size_t page = key_bytes + value_bytes, count = keys.page_of.size();
      auto pages = *aligned_buffer::try_allocate(count * page);
      for (std::size_t p = 0; p < count; ++p) {
        std::memcpy(pages.data() + p * page, keys.pages.data() + p * keys.page_bytes, key_bytes);
        std::memcpy(pages.data() + p * page + key_bytes, values.pages.data() + p * values.page_bytes + values.tile,
                    value_bytes);
      }
      std::vector<float> expected(tokens * heads * dim);
      auto a = keys.args(0, q.data(), expected.data(), tokens, heads, positions - tokens);
      a.pages = pages.data(), a.page_bytes = page, a.value_offset = key_bytes;
      a.value_format = index_of<Values, kv_formats>;
      reference::attention<Keys>(a);
      for_each_table([&](const kernel_table& t) {
        std::vector<float> found(expected.size());
        a.output = found.data();
        t.attention[index_of<Keys, kv_formats>](a);
        REQUIRE(agree(t, expected, found));
      });
    });
  });
}

TEST_CASE("what a text forgets is not touched, and what it keeps is seen as if nothing had been in between") {
  for_each_kv_format([]<class Format>(std::type_identity<Format>) {
    constexpr std::size_t dim = 32, heads = 2, tokens = 6;
    const sample_cache<Format> cache(1, dim, 400);
    const auto q = gaussian(32 * heads * dim, 3), near = gaussian(32 * heads * dim, 4);
    const float slopes[] = {0.25f, 0.0625f};
    for (const sliding_context& sliding :
         {sliding_context{100, 4, 1}, {100, 0, 1}, {100, 70, 15}, {66, 65, 1}, {100, 64, 18}}) {
      for (std::size_t position : {std::size_t{97}, std::size_t{100}, std::size_t{190}, std::size_t{390}}) {
        const std::size_t first = sliding.first(position) / page_positions * page_positions;
        for (const bool sloped : {false, true}) {
          std::vector<float> expected(tokens * heads * dim);
          auto a = cache.args(0, q.data(), expected.data(), tokens, heads, position);
          a.sliding = sliding, a.kept_query = near.data(), a.kept_page_of = a.page_of;
          a.slopes = sloped ? slopes : nullptr;
          reference::attention<Format>(a);
          a.page_of += first / page_positions, a.origin = first;  // as if those before were given back
          for_each_table([&](const kernel_table& t) {
            std::vector<float> found(expected.size());
            a.output = found.data();
            t.attention[index_of<Format, kv_formats>](a);
            REQUIRE(agree(t, expected, found));
            for (std::size_t token = 0; token < tokens; ++token) {  // each alone
              auto one = a;
              std::vector<float> alone(heads * dim);
              one.tokens = 1, one.position += token, one.output = alone.data();
              one.query += token * a.query_stride, one.kept_query += token * a.query_stride;
              t.attention[index_of<Format, kv_formats>](one);
              REQUIRE(std::memcmp(alone.data(), found.data() + token * heads * dim, alone.size() * sizeof(float)) == 0);
            }
          });
        }
      }
    }
  });
}

TEST_CASE("a sliding context sees its first positions and the most recent, never more than its size") {
  for (const sliding_context& s : {sliding_context{10, 0, 1}, {10, 4, 1}, {10, 4, 3}, {10, 4, 6}, {1, 0, 1}, {7, 6, 1}}) {
    for (std::size_t position = 0; position < 50; ++position) {
      const std::size_t gone = s.forgotten(position), first = s.first(position);
      CHECK(position - gone < s.size);
      CHECK(gone % s.step == 0);
      CHECK(first <= position);
      CHECK(first == (gone > 0 ? s.kept + gone : 0));
      if (position > 0) CHECK(gone >= s.forgotten(position - 1));
      if (position >= s.size) CHECK(position - gone + s.step >= s.size);  // no more than it must
    }
  }
  CHECK(sliding_context{}.forgotten(1000) == 0);
}

TEST_CASE("every target rotates by Walsh and Hadamard like the reference, which undoes itself and keeps lengths") {
  for (std::size_t size : {1, 2, 4, 8, 16, 32, 64, 128, 256, 1024}) {
    const auto x = gaussian(3 * size, unsigned(size));
    auto expected = x;
    reference::hadamard(expected.data(), size, 3);
    double length = 0, turned = 0;
    for (std::size_t i = 0; i < size; ++i) length += double(x[i]) * x[i], turned += double(expected[i]) * expected[i];
    CHECK(turned == doctest::Approx(length).epsilon(1e-5));
    for (std::size_t i = 0; i < size; ++i) {  // a row of the matrix: signs by the parity of common bits
      double sum = 0;
      for (std::size_t k = 0; k < size; ++k) sum += std::popcount(i & k) % 2 == 0 ? double(x[k]) : -double(x[k]);
      CHECK(double(expected[i]) == doctest::Approx(sum / std::sqrt(double(size))).epsilon(1e-4));
    }
    for_each_table([&](const kernel_table& t) {
      auto found = x;
      t.hadamard(found.data(), size, 3);
      CHECK(std::memcmp(found.data(), expected.data(), found.size() * sizeof(float)) == 0);
      t.hadamard(found.data(), size, 3);
      for (std::size_t i = 0; i < found.size(); ++i) CHECK(found[i] == doctest::Approx(x[i]).epsilon(1e-4));
    });
  }
}
