/// Flags of floating-point exceptions: a host that traps them would end in a kernel that sets one. Ordinary numbers set none of
/// "invalid", "division by zero" and "overflow", on any target.
#include <doctest/doctest.h>

#include <algorithm>
#include <cfenv>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/samples.hpp"
#include "nibble/kv/tile.hpp"

#if defined(FE_INVALID) && defined(FE_DIVBYZERO) && defined(FE_OVERFLOW)
using namespace nibble;
using namespace nibble_test;

namespace {
constexpr int trapped = FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW;

/// Whether f() sets none of the flags, on any table.
template <class F>
void check_flags(F&& f) {
  for_each_table([&](const kernel_table& t) {
    std::feclearexcept(FE_ALL_EXCEPT);
    f(t);
    CHECK(std::fetestexcept(trapped) == 0);
  });
}

/// Numbers as models have them: many small, a few large, runs of zeros.
std::vector<float> ordinary(std::size_t n) {
  auto x = gaussian(n, 3);
  for (std::size_t i = 0; i < n; i += 97) x[i] *= 300;
  for (std::size_t i = 64; i + 32 <= n; i += 160) std::fill_n(x.data() + i, 32, 0.0f);
  for (std::size_t i = 256; i + 256 <= n; i += 1024) std::fill_n(x.data() + i, 256, 0.0f);
  return x;
}
}  // namespace

TEST_CASE("ordinary numbers raise no floating-point exception in norms, caps, rotations, gates and quantizing") {
  const auto x = ordinary(4096), c = gaussian(64, 5), s = gaussian(64, 6);
  check_flags([&](const kernel_table& t) {
    std::vector<activation_block> blocks(x.size() / 32);
    t.quantize(x.data(), x.size(), blocks.data(), 1);
    std::vector<activation_super_block> supers(x.size() / 256);
    t.quantize_super(x.data(), x.size(), supers.data(), 1);
    for (std::size_t n : {1, 15, 16, 100, 4096}) {
      auto y = x;
      t.rms_norm(x.data(), x.data(), 1e-5f, n, y.data());
      t.add(y.data(), x.data(), n), t.scale(y.data(), 0.3f, n);
      t.softcap(y.data(), 30, n), t.softcap(y.data(), 0.001f, n);
      for (activation f : every_activation) {
        if (f == activation::exp) continue;  // which overflows, as it should
        y = x, t.activate(y.data(), n, f);
        y = x, t.gate(y.data(), x.data(), n, f);
      }
    }
    for (rope_pairs order : {rope_pairs::halves, rope_pairs::interleaved}) {
      auto y = x;
      t.rope(y.data(), c.data(), s.data(), 59, order);
    }
  });
}

TEST_CASE("ordinary numbers raise no floating-point exception in sums, steps, convolutions, recurrences and transforms") {
  constexpr std::size_t tokens = 5, channels = 67, taps = 4, rows = 24;
  const auto x = ordinary(4096), y = gaussian(4096, 5), chance = [] {
    auto between = gaussian(tokens, 6);
    for (float& p : between) p = 1 / (1 + std::exp(p));
    return between;
  }();
  check_flags([&](const kernel_table& t) {
    for (std::size_t n : {1, 15, 16, 100, 4096}) {
      auto z = x, decay = x;
      t.add_scaled(z.data(), y.data(), 0.3f, n), t.multiply(z.data(), y.data(), n);
      CHECK(std::isfinite(t.sum(z.data(), n) + t.squared_length(z.data(), n)));
      t.normalize(z.data(), 1e-6f, 1, n);
      z = x, t.xielu(z.data(), n, {0.8f, 0.6f, 0.5f, -1e-6f});
      z = x, t.step_decay(y.data(), std::vector<float>(n, -2.0f).data(), n, z.data(), decay.data());
    }
    for (std::size_t size : {2, 64, 256}) {
      auto z = x;
      t.hadamard(z.data(), size, z.size() / size);
    }
    auto z = x;
    std::vector<float> after(rows * 80);
    for (bool silu : {false, true}) {
      t.convolve({z.data(), channels, tokens, channels, taps, y.data(), channels, silu ? y.data() + 1000 : nullptr,
                  x.data() + 2000, after.data(), channels, silu});
    }
    for (bool delta : {false, true}) {
      scan_args a{};
      a.before = y.data(), a.after = after.data(), a.rows = rows, a.last = channels, a.tokens = tokens;
      a.key = y.data() + 100, a.query = y.data() + 300, a.key_stride = rows;
      a.value = x.data() + 1000, a.value_stride = a.output_stride = channels;
      a.step = a.decay = chance.data(), a.step_stride = a.decay_stride = 1;
      a.output = z.data(), a.skip = delta ? 0 : 0.7f, a.delta = delta;
      t.scan(a);
    }
  });
}

TEST_CASE("ordinary numbers raise no floating-point exception in products and gates of any format") {
  for_each_format([]<class Q>(std::type_identity<Q>) {
    constexpr std::size_t rows = 40, columns = 512, tokens = 40;
    const sample_weight<Q> w(rows, columns, 5);
    const auto x = ordinary(tokens * columns);
    for (std::size_t count : {std::size_t{1}, std::size_t{5}, tokens}) {
      const auto input = make_input<Q>({x.begin(), x.begin() + std::ptrdiff_t(count * columns)}, columns, count);
      for (const epilogue how : {epilogue::replace, epilogue::add, epilogue::gate}) {
        for (activation f : every_activation) {
          if (f == activation::exp) continue;  // which overflows, as it should
          std::vector<float> out(count * rows);
          check_flags([&](const kernel_table& t) {
            for (std::size_t i = 0; i < out.size(); ++i) out[i] = float(int(i % 801)) - 400;  // a gate far from 0
            matmul_args m = w.product(input, count, out.data());
            m.how = how, m.gate = f;
            t.formats[index_of<Q, quant_formats>].matmul(m);
          });
        }
      }
    }
  });
}

TEST_CASE("ordinary numbers raise no floating-point exception in attention, whatever it masks") {
  any_type(kv_formats{}, [&]<class Format>(std::type_identity<Format>) {
    INFO("KV format ", std::string(Format::name));
    constexpr std::size_t format = index_of<Format, kv_formats>, tokens = 10, positions = 90;
    for (std::size_t dim : {5, 64, 80}) {
      const std::size_t tile = kv_tile_bytes<Format, kv_role::key>(dim),
                        page_bytes = tile + kv_tile_bytes<Format, kv_role::value>(dim);
      auto pages = *aligned_buffer::try_allocate(2 * page_bytes);
      const std::uint32_t page_of[] = {0, 1};
      const auto q = ordinary(tokens * dim);
      const float sink = 1.5f;
      std::vector<std::vector<float>> keys, values;
      for (std::size_t p = 0; p < positions; ++p) {
        keys.push_back(gaussian(dim, unsigned(p), 5)), values.push_back(gaussian(dim, unsigned(p + 1000)));
        if (p % 7 == 0) keys[p].assign(dim, 0.0f), values[p].assign(dim, 0.0f);
        if (p == 3) keys[p][0] = 1e5f;
      }
      for (const attention_mask& mask : {attention_mask::causal(), attention_mask::window(3), attention_mask::everything()}) {
        for (int variant : {0, 1, 2}) {
          check_flags([&](const kernel_table& t) {
            for (std::size_t p = 0; p < positions; ++p) {
              t.store_key[format](keys[p].data(), dim, p % 64, pages.data() + p / 64 * page_bytes);
              t.store_value[format](values[p].data(), dim, p % 64, pages.data() + p / 64 * page_bytes + tile);
            }
            std::vector<float> out(q.size());
            attention_args a{};
            a.query = q.data(), a.output = out.data(), a.query_stride = a.output_stride = dim;
            a.tokens = tokens, a.heads = 1, a.head_dim = a.value_dim = dim;
            a.position = 60, a.positions = positions - 5, a.mask = mask;
            a.scale = 0.3f, a.softcap = variant == 1 ? 50.0f : 0.0f, a.sinks = variant == 2 ? &sink : nullptr;
            a.pages = pages.data(), a.page_bytes = page_bytes, a.value_offset = tile, a.page_of = page_of;
            a.value_format = format;
            t.attention[format](a);
          });
        }
      }
    }
    return false;
  });
}
#endif
