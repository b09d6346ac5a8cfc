/// Numbers that broken or hostile weights lead to: NaN, infinities, squares and sums that overflow. Whatever they are, a token
/// and a query have the same bits alone and among others, and what is not seen or not their own does not touch them.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <utility>

#include "kernels/samples.hpp"
#include "nibble/kv/tile.hpp"

using namespace nibble;
using namespace nibble_test;

namespace {
constexpr float infinity = std::numeric_limits<float>::infinity(), no_number = std::numeric_limits<float>::quiet_NaN();
constexpr float huge = std::numeric_limits<float>::max(), tiny = std::numeric_limits<float>::denorm_min();

/// Gaussian numbers, every `rarity`-th of which is hostile.
std::vector<float> hostile(std::size_t n, unsigned seed, unsigned rarity) {
  constexpr float bad[] = {no_number, -no_number, infinity, -infinity, huge,    -huge, 3e31f,
                           -3e31f,    1e20f,      7e4f,     tiny,      -1e-38f, 0.0f};
  auto x = gaussian(n, seed);
  std::mt19937 random(seed);
  for (float& v : x) {
    if (random() % rarity == 0) v = bad[random() % std::size(bad)];
  }
  return x;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

/// Keys and values of one head, of hostile numbers, and queries.
template <class Format>
struct hostile_cache {
  std::size_t dim, positions, tile = kv_tile_bytes<Format, kv_role::key>(dim),
                              page_bytes = tile + kv_tile_bytes<Format, kv_role::value>(dim);
  std::vector<std::uint32_t> page_of;
  std::vector<std::byte> storage;
  std::vector<float> q;

  hostile_cache(const kernel_table& t, std::size_t d, std::size_t n, std::size_t queries, unsigned rarity)
      : dim(d),
        positions(n),
        storage((n / page_positions + 1) * page_bytes + cache_line),
        q(hostile(queries * d, 5, 10 * rarity)) {
    constexpr std::size_t format = index_of<Format, kv_formats>;
    for (std::uint32_t p = 0; p <= n / page_positions; ++p) page_of.push_back(p);
    for (std::size_t p = 0; p < n; ++p) {
      const auto k = hostile(d, unsigned(2 * p), rarity), v = hostile(d, unsigned(2 * p + 1), rarity);
      std::byte* page = pages() + p / page_positions * page_bytes;
      t.store_key[format](k.data(), d, p % page_positions, page);
      t.store_value[format](v.data(), d, p % page_positions, page + tile);
    }
  }
  std::byte* pages() { return const_cast<std::byte*>(std::as_const(*this).pages()); }
  const std::byte* pages() const {
    return storage.data() + (cache_line - reinterpret_cast<std::uintptr_t>(storage.data()) % cache_line) % cache_line;
  }
  /// Attention of `count` tokens from `token` on, the first of which stands at position `first`.
  void attend(const kernel_table& t, std::size_t first, std::size_t token, std::size_t count, std::size_t heads,
              const attention_mask& mask, float softcap, float* out) const {
    attention_args a{};
    a.query = q.data() + token * heads * dim, a.output = out + token * heads * dim;
    a.query_stride = a.output_stride = heads * dim;
    a.tokens = count, a.heads = heads, a.head_dim = a.value_dim = dim;
    a.position = first + token, a.positions = positions, a.mask = mask;
    a.scale = 0.3f, a.softcap = softcap;
    a.pages = pages(), a.page_bytes = page_bytes, a.value_offset = tile, a.page_of = page_of.data();
    a.value_format = index_of<Format, kv_formats>;
    t.attention[index_of<Format, kv_formats>](a);
  }
};
}  // namespace

namespace {
/// A weight some of whose blocks have random bytes: a file's can be any.
template <class Q>
sample_weight<Q> hostile_weight(std::size_t rows, std::size_t columns) {
  sample_weight<Q> w(rows, columns, 5);
  std::mt19937 random(9);
  for (auto& block : w.blocks) {
    if (random() % 200 != 0) continue;
    auto* bytes = reinterpret_cast<std::uint8_t*>(&block);
    for (std::size_t i = 0; i < sizeof block; ++i) bytes[i] = static_cast<std::uint8_t>(random() % 3 ? random() : 0xff);
  }
  for (std::size_t g = 0; g < w.groups; ++g) {
    pack_group<Q>(w.stored() + g * panel_rows * w.row_bytes, std::min(panel_rows, rows - g * panel_rows), w.row_bytes, columns,
                  w.panels + g * w.bytes);
  }
  return w;
}

/// Its products with tokens x, `batch` at a time, by one table; added to hostile numbers, or gated by them, where `how` is so.
template <class Q>
std::vector<float> products(const kernel_table& t, const sample_weight<Q>& w, const std::vector<float>& x, std::size_t batch,
                            bool packed, epilogue how = epilogue::replace, activation gate = activation::silu) {
  const std::size_t columns = w.columns, tokens = x.size() / columns;
  auto out = hostile(tokens * w.rows, 21, 50);
  for (std::size_t token = 0; token < tokens; token += batch) {
    const std::size_t count = std::min(batch, tokens - token), bytes = columns / 32 * sizeof(activation_block);
    std::vector<std::byte> input(std::max(bytes, columns * sizeof(float)) * count);
    std::memcpy(input.data(), x.data() + token * columns, count * columns * sizeof(float));
    for (std::size_t i = 0; i < count && !float_format<Q>; ++i) {
      using block = std::conditional_t<super_block_format<Q>, activation_super_block, activation_block>;
      const auto [first, step] = place_of(i, count, columns / block::columns);
      (super_block_format<Q> ? t.quantize_super : t.quantize)(x.data() + (token + i) * columns, columns,
                                                              input.data() + first * sizeof(block), step);
    }
    matmul_args m = w.product(input, count, out.data() + token * w.rows);
    if (!packed) m.groups = nullptr, m.stored = w.stored(), m.row_bytes = w.row_bytes;
    m.how = how, m.gate = gate;
    t.formats[index_of<Q, quant_formats>].matmul(m);
  }
  return out;
}
}  // namespace

TEST_CASE(
    "numbers that are not finite: a token's product has the same bits alone and in any batch, packed or not, and the "
    "reference's") {
  for_each_format([&]<class Q>(std::type_identity<Q>) {
    constexpr std::size_t rows = 40, columns = 512, tokens = 70;
    const auto w = hostile_weight<Q>(rows, columns);
    const auto x = hostile(tokens * columns, 13, 400);
    const auto expected = products(reference::table, w, x, tokens, true);
    const auto broken = std::count_if(expected.begin(), expected.end(), [](float v) { return std::isnan(v); });
    CHECK(broken > 0);
    CHECK(std::size_t(broken) < expected.size());
    for_each_table([&](const kernel_table& t) {
      const auto whole = products(t, w, x, tokens, true);
      if (fuses(t)) REQUIRE(agree(t, expected, whole));
      REQUIRE(keeps_nans(expected, whole));
      for (const bool packed : {true, false}) {
        for (std::size_t batch : {tokens, std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{16}, std::size_t{17}}) {
          REQUIRE(same_bits(whole, products(t, w, x, batch, packed)));
        }
      }
      REQUIRE(same_bits(products(t, w, x, tokens, true, epilogue::add), products(t, w, x, 1, true, epilogue::add)));
      for (const activation gate : {activation::silu, activation::silu_clamped, activation::sigmoid, activation::tanh}) {
        const auto gated = products(t, w, x, tokens, true, epilogue::gate, gate);
        REQUIRE(same_bits(gated, products(t, w, x, 1, true, epilogue::gate, gate)));
        REQUIRE(same_bits(gated, products(t, w, x, 16, true, epilogue::gate, gate)));
      }
    });
  });
}

TEST_CASE("numbers that are not finite: a query attends with the same bits alone and in any block, and the reference's") {
  for_each_table([](const kernel_table& t) {
    for_each_kv_format([&]<class Format>(std::type_identity<Format>) {
      for (std::size_t dim : {3, 8, 40, 64}) {
        for (std::size_t heads : {1, 3}) {
          constexpr std::size_t tokens = 10, position = 58;
          for (unsigned rarity : {150u, 3000u}) {
            const hostile_cache<Format> cache(t, dim, 80, tokens * heads, rarity);
            for (const attention_mask& mask : {attention_mask::causal(), attention_mask::window(3), attention_mask::window(64),
                                               attention_mask::symmetric_window(9)}) {
              for (float softcap : {0.0f, 5.0f}) {
                std::vector<float> whole(cache.q.size()), parts(cache.q.size());
                cache.attend(t, position, 0, tokens, heads, mask, softcap, whole.data());
                cache.attend(reference::table, position, 0, tokens, heads, mask, softcap, parts.data());
                if (fuses(t)) REQUIRE(agree(t, parts, whole));
                for (std::size_t block : {1, 2, 3, 7}) {
                  for (std::size_t token = 0; token < tokens; token += block) {
                    cache.attend(t, position, token, std::min(block, tokens - token), heads, mask, softcap, parts.data());
                  }
                  REQUIRE(same_bits(whole, parts));
                }
              }
            }
          }
        }
      }
    });
  });
}

TEST_CASE("a position that a query does not see does not touch it, whatever stands there and whatever its own scores are") {
  for_each_table([](const kernel_table& t) {
    for_each_kv_format([&]<class Format>(std::type_identity<Format>) {
      constexpr std::size_t dim = 32, format = index_of<Format, kv_formats>;
      for (float seen : {1.0f, infinity, -infinity, -huge, no_number}) {
        for (float bad : {no_number, infinity, -infinity, huge}) {
          hostile_cache<Format> cache(t, dim, 40, 12, 1u << 30);
          std::fill(cache.q.begin(), cache.q.end(), 1.0f);
          const std::vector<float> k(dim, seen), rubbish(dim, bad);
          for (std::size_t p = 0; p < 12; ++p) t.store_key[format](k.data(), dim, p, cache.pages());
          std::vector<float> clean(cache.q.size()), spoilt(cache.q.size());
          cache.attend(t, 0, 0, 12, 1, attention_mask::causal(), 0, clean.data());
          if (seen == 1.0f) CHECK(std::isfinite(clean[0]));
          for (std::size_t p = 39; p > 0; --p) {  // tokens before it do not see it
            t.store_key[format](rubbish.data(), dim, p, cache.pages());
            t.store_value[format](rubbish.data(), dim, p, cache.pages() + cache.tile);
            cache.attend(t, 0, 0, 12, 1, attention_mask::causal(), 0, spoilt.data());
            REQUIRE(std::memcmp(clean.data(), spoilt.data(), std::min<std::size_t>(p, 12) * dim * sizeof(float)) == 0);
          }
        }
      }
    });
  });
}

TEST_CASE("a score that is NaN, and scores that are all infinite, make an output that is no number, as the reference does") {
  for_each_table([](const kernel_table& t) {
    for_each_kv_format([&]<class Format>(std::type_identity<Format>) {
      for (std::size_t broken : {0, 20, 63, 70}) {
        for (float bad : {no_number, infinity}) {
          if (bad == infinity && !std::is_same_v<Format, f32>) continue;  // others keep the largest number that they have
          hostile_cache<Format> cache(t, 16, 80, 1, 1u << 30);
          std::fill(cache.q.begin(), cache.q.end(), 1.0f);
          const std::vector<float> k(16, bad);
          t.store_key[index_of<Format, kv_formats>](k.data(), 16, broken % 64, cache.pages() + broken / 64 * cache.page_bytes);
          std::vector<float> found(16), expected(16);
          cache.attend(t, 79, 0, 1, 1, attention_mask::causal(), 0, found.data());
          cache.attend(reference::table, 79, 0, 1, 1, attention_mask::causal(), 0, expected.data());
          for (float v : found) CHECK(std::isnan(v));
          for (float v : expected) CHECK(std::isnan(v));
        }
      }
    });
  });
}

TEST_CASE("a value that is NaN makes an output that is no number, in every format and wherever it stands") {
  for_each_table([](const kernel_table& t) {
    for_each_kv_format([&]<class Format>(std::type_identity<Format>) {
      for (std::size_t broken : {0, 20, 63, 70}) {
        hostile_cache<Format> cache(t, 16, 80, 1, 1u << 30);
        const std::vector<float> v(16, no_number);
        t.store_value[index_of<Format, kv_formats>](v.data(), 16, broken % 64,
                                                    cache.pages() + broken / 64 * cache.page_bytes + cache.tile);
        std::vector<float> found(16);
        cache.attend(t, 79, 0, 1, 1, attention_mask::causal(), 0, found.data());
        for (float x : found) CHECK(std::isnan(x));
      }
    });
  });
}

TEST_CASE("one key of -infinity has no weight, wherever it stands, as in the reference") {
  for_each_table([](const kernel_table& t) {
    for (std::size_t broken : {0, 20, 70}) {
      hostile_cache<f32> cache(t, 16, 80, 1, 1u << 30);
      std::fill(cache.q.begin(), cache.q.end(), 1.0f);
      const std::vector<float> k(16, -infinity);
      t.store_key[0](k.data(), 16, broken % 64, cache.pages() + broken / 64 * cache.page_bytes);
      std::vector<float> found(16), expected(16);
      cache.attend(t, 79, 0, 1, 1, attention_mask::causal(), 0, found.data());
      cache.attend(reference::table, 79, 0, 1, 1, attention_mask::causal(), 0, expected.data());
      CHECK(agree(t, expected, found));
    }
  });
}

TEST_CASE("keys and values beyond the largest number of their format become it, and NaN stays NaN") {
  const std::vector<float> x{1,    65504, 65519,    65520,     -65520,    1e5f, -1e5f,
                             huge, -huge, infinity, -infinity, no_number, -2,   3e-6f};
  const auto check = [&]<class Format>(std::type_identity<Format>, float largest) {
    constexpr std::size_t format = index_of<Format, kv_formats>;
    for_each_table([&](const kernel_table& t) {
      std::vector<std::byte> keys(kv_tile_bytes<Format, kv_role::key>(x.size())),
          values(kv_tile_bytes<Format, kv_role::value>(x.size()));
      t.store_key[format](x.data(), x.size(), 5, keys.data());
      t.store_value[format](x.data(), x.size(), 5, values.data());
      for (std::size_t i = 0; i < x.size(); ++i) {
        const float k = read_kv<Format, kv_role::key>(keys.data(), x.size(), 5, i),
                    v = read_kv<Format, kv_role::value>(values.data(), x.size(), 5, i);
        if (std::isnan(x[i])) {
          CHECK(std::isnan(k));
          CHECK(std::isnan(v));
        } else {
          const double expected = std::clamp(double(x[i]), -double(largest), double(largest));
          CHECK(std::isfinite(k));
          CHECK(k == doctest::Approx(expected).epsilon(0.004));
          CHECK(std::memcmp(&k, &v, sizeof k) == 0);
        }
      }
    });
  };
  check(std::type_identity<f16>(), 65504);
  check(std::type_identity<bf16>(), 0x1.fep127f);
}

TEST_CASE("a Q8_0 cache keeps large numbers to half a step, cuts those beyond its largest scale, and keeps a NaN") {
  for_each_table([](const kernel_table& t) {
    constexpr std::size_t format = index_of<q8_0, kv_formats>;
    for (float size : {1e5f, 8e6f, 1e7f, 1e30f, huge, infinity, no_number}) {
      std::vector<float> x = gaussian(64, 3);
      for (float& v : x) v = std::clamp(v, -1.0f, 1.0f);
      auto large = x;
      for (std::size_t i = 0; i < 32; ++i) large[i] = x[i] < 0 ? -size : size;
      for (std::size_t i = 0; i < 32 && size < 1e7f; ++i) large[i] = x[i] * size;
      std::vector<std::byte> found(kv_tile_bytes<q8_0, kv_role::key>(64)), expected = found;
      t.store_key[format](large.data(), 64, 9, found.data());
      store_kv<q8_0, kv_role::key>(large.data(), 64, 9, expected.data());
      CHECK(found == expected);
      constexpr float most = 65504.0f * 127;
      for (std::size_t i = 0; i < 64; ++i) {
        const float v = read_kv<q8_0, kv_role::key>(found.data(), 64, 9, i);
        if (i >= 32) {
          CHECK(std::fabs(v - x[i]) < 0.0045f);  // the other block is as it was
        } else if (std::isnan(size)) {
          CHECK(std::isnan(v));
        } else {
          CHECK(std::fabs(v - std::clamp(large[i], -most, most)) <= std::min(size, most) / 127 * 0.55f);
        }
      }
    }
  });
}

TEST_CASE("a norm of numbers whose squares overflow is that of smaller ones") {
  for_each_table([](const kernel_table& t) {
    for (std::size_t n : {3, 16, 70}) {
      const auto x = gaussian(n, 4), gain = gaussian(n, 5);
      auto large = x;
      for (float& v : large) v = std::ldexp(v, 100);
      std::vector<float> expected(n), found(n);
      t.rms_norm(x.data(), gain.data(), 0, n, expected.data());
      t.rms_norm(large.data(), gain.data(), 0, n, found.data());
      CHECK(relative_error(expected, found) < 1e-6);
    }
  });
}

TEST_CASE("a cap lets NaN pass, and bounds infinities") {
  for_each_table([](const kernel_table& t) {
    std::vector<float> x(40, no_number);
    x[3] = infinity, x[4] = -infinity, x[5] = 1e30f, x[6] = 0;
    t.softcap(x.data(), 30, x.size());
    CHECK(x[3] == 30);
    CHECK(x[4] == -30);
    CHECK(x[5] == 30);
    CHECK(x[6] == 0);
    for (std::size_t i : {0, 17, 39}) CHECK(std::isnan(x[i]));
  });
}

TEST_CASE("activations too small to be scaled become zeros, among zeros too") {
  for_each_table([](const kernel_table& t) {
    std::vector<float> x(256, 0.0f);
    x[0] = 1e-39f, x[40] = 1e-31f, x[70] = 1e-29f;
    std::vector<activation_block> blocks(8);
    t.quantize(x.data(), x.size(), blocks.data(), 1);
    for (std::size_t b = 0; b < 8; ++b) {
      CHECK((blocks[b].scale == 0) == (b != 2));
      CHECK(blocks[b].half_sums[1] == 0);
    }
    CHECK(blocks[2].scale * float(blocks[2].code[6]) == doctest::Approx(1e-29));
  });
}
