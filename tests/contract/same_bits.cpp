// Kernels and their scalar reference, compiled for one instruction set with the flags of this file, on the same numbers: prints
// a hash of all results of each. same_bits.py compiles it in several ways.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

#include "nibble/kernels/reference.hpp"
#include "nibble/quant/grids-impl.hpp"
// the SIMD library comes behind it
#include "nibble/kernels/activation-inl.hpp"
#include "nibble/kernels/attention-inl.hpp"
#include "nibble/kernels/elementwise-inl.hpp"
#include "nibble/kernels/matmul-inl.hpp"
#include "nibble/kernels/recurrent-inl.hpp"

namespace nb = nibble;
namespace simd = nibble::HWY_NAMESPACE;
namespace scalar = nibble::reference;

namespace {
/// Numbers between -4 and 4, and a few large ones; made of integers, for random numbers of a library may differ.
std::vector<float> numbers(std::size_t n, std::uint32_t seed) {
  std::vector<float> out(n);
  for (float& x : out) {
    seed = seed * 1664525u + 1013904223u;
    x = float(std::int32_t(seed >> 8) - (1 << 23)) * 0x1p-21f;
    if (seed >> 26 == 0) x *= 64;
  }
  return out;
}

struct hash {
  std::uint64_t value = 14695981039346656037u;
  void add(const void* data, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i) value = (value ^ static_cast<const unsigned char*>(data)[i]) * 1099511628211u;
  }
  template <class T>
  void add(const std::vector<T>& v) {
    add(v.data(), v.size() * sizeof(T));
  }
};

constexpr std::size_t columns = 512, rows = 32, most_tokens = 20;

/// A weight's block of any codes, with scales of a usual size. Not encoded: that is no kernel's work.
void fill(nb::q4_k::block& b, const float* x) {
  for (std::size_t i = 0; i < sizeof b; ++i)
    reinterpret_cast<unsigned char*>(&b)[i] = static_cast<unsigned char>(int(x[i] * 999));
  b.d = nb::half(nb::to_half(x[0] * 0x1p-6f)), b.dmin = nb::half(nb::to_half(x[1] * 0x1p-7f));
}
void fill(nb::q5_1::block& b, const float* x) {
  for (std::size_t i = 0; i < sizeof b; ++i)
    reinterpret_cast<unsigned char*>(&b)[i] = static_cast<unsigned char>(int(x[i] * 999));
  b.d = nb::half(nb::to_half(x[0] * 0x1p-4f)), b.m = nb::half(nb::to_half(x[1]));
}
void fill(nb::half& b, const float* x) { b = nb::half(nb::to_half(*x)); }

template <class Q>
void add_products(const nb::kernel_table& t, hash& h, void (*matmul)(const nb::matmul_args&)) {
  const auto w = numbers(rows * columns, 3), x = numbers(most_tokens * columns, 5);
  std::vector<typename Q::block> blocks(rows * columns / Q::block_size);
  for (std::size_t i = 0; i < blocks.size(); ++i) fill(blocks[i], w.data() + i * Q::block_size);
  for (const std::size_t tokens : {std::size_t{1}, std::size_t{3}, most_tokens}) {
    std::vector<std::byte> input(most_tokens * columns * sizeof(float));
    std::memcpy(input.data(), x.data(), input.size());
    if constexpr (!nb::float_format<Q>) {
      using block = nb::activation_of<Q>;
      for (std::size_t i = 0; i < tokens; ++i) {
        const auto [first, step] = nb::place_of(i, tokens, columns / block::columns);
        (nb::super_block_format<Q> ? t.quantize_super : t.quantize)(x.data() + i * columns, columns,
                                                                    input.data() + first * sizeof(block), step);
      }
      h.add(input.data(), tokens * columns / block::columns * sizeof(block));
    }
    std::vector<float> out = numbers(tokens * rows, 7);
    matmul({.last = rows / nb::panel_rows,
            .input = input.data(),
            .input_stride = columns,
            .tokens = tokens,
            .output = out.data(),
            .output_stride = rows,
            .how = nb::epilogue::gate,
            .gate = nb::activation::gelu_tanh,
            .rows = rows,
            .columns = columns,
            .stored = reinterpret_cast<const std::byte*>(blocks.data()),
            .row_bytes = nb::stored_bytes<Q>(columns)});
    h.add(out);
  }
}

template <class Format>
void add_attention(hash& h, void (*attention)(const nb::attention_args&)) {
  constexpr std::size_t dim = 40, positions = 150, tokens = 5, heads = 2, page = 1 << 16, value_offset = 1 << 15;
  static_assert(nb::kv_tile_bytes<Format, nb::kv_role::key>(dim) <= value_offset);
  std::vector<std::byte> storage(3 * page + nb::cache_line);
  std::byte* pages = storage.data() + (nb::cache_line - reinterpret_cast<std::uintptr_t>(storage.data()) % nb::cache_line);
  for (std::size_t p = 0; p < positions; ++p) {
    std::byte* at = pages + p / 64 * page;
    nb::store_kv<Format, nb::kv_role::key>(numbers(dim, std::uint32_t(p)).data(), dim, p % 64, at);
    nb::store_kv<Format, nb::kv_role::value>(numbers(dim, std::uint32_t(p + 999)).data(), dim, p % 64, at + value_offset);
  }
  const auto q = numbers(tokens * heads * dim, 11);
  const std::uint32_t page_of[] = {0, 1, 2};
  const float sinks[] = {0.5f, 3}, slopes[] = {0.25f, 0.125f};
  for (int variant = 0; variant < 4; ++variant) {
    std::vector<float> out(q.size());
    nb::attention_args a{};
    a.query = q.data(), a.output = out.data(), a.query_stride = a.output_stride = heads * dim;
    a.tokens = tokens, a.heads = heads, a.head_dim = a.value_dim = dim, a.position = positions - tokens,
    a.positions = positions;
    a.scale = 0.07f, a.softcap = variant == 1 ? 20.0f : 0, a.sinks = variant == 2 ? sinks : nullptr;
    a.slopes = variant == 3 ? slopes : nullptr, a.mask = nb::attention_mask::window(variant == 0 ? 140 : 100);
    a.pages = pages, a.page_bytes = page, a.value_offset = value_offset, a.page_of = page_of;
    a.value_format = nb::index_of<Format, nb::kv_formats>;
    attention(a);
    h.add(out);
  }
}

void add_elementwise(const nb::kernel_table& t, hash& h) {
  const auto x = numbers(1003, 1), y = numbers(1003, 2);
  const auto check = [&](auto&& f) {
    auto out = x;
    f(out.data());
    h.add(out);
  };
  for (int f = 0; f <= int(nb::activation::exp); ++f) {
    check([&](float* out) { t.activate(out, x.size(), nb::activation(f)); });
    check([&](float* out) { t.gate(out, y.data(), x.size(), nb::activation(f)); });
  }
  check([&](float* out) { t.xielu(out, x.size(), {0.3f, 0.7f, 0.5f, -1e-6f}); });
  check([&](float* out) { t.rms_norm(out, y.data(), 1e-5f, x.size(), out); });
  check([&](float* out) { t.softcap(out, 5, x.size()); });
  check([&](float* out) { t.rope(out, y.data(), y.data() + 100, 100, nb::rope_pairs::halves); });
  check([&](float* out) { t.rope(out, y.data(), y.data() + 100, 100, nb::rope_pairs::interleaved); });
}

void add_recurrent(const nb::kernel_table& t, hash& h) {
  constexpr std::size_t tokens = 5, channels = 37, taps = 4, keys = 10, strips = 3 * nb::scan_args::strip;
  auto x = numbers(tokens * channels, 1), after = numbers(taps * channels, 2);
  const auto weight = numbers(taps * channels, 3), before = numbers(taps * channels, 4);
  t.convolve({x.data(), channels, tokens, channels, taps, weight.data(), channels, weight.data(), before.data(), after.data(),
              channels, true});
  h.add(x), h.add(after);
  auto step = numbers(tokens, 5), decay = step;
  t.step_decay(weight.data(), before.data(), tokens, step.data(), decay.data());
  for (float& d : decay) d = d > 0.9f ? 0.9f : d;
  h.add(step), h.add(decay);
  auto key = numbers(tokens * keys, 6);
  for (std::size_t i = 0; i < tokens; ++i) t.normalize(key.data() + i * keys, 1e-6f, 0.5f, keys);
  for (const bool delta : {false, true}) {
    std::vector<float> state = numbers(keys * strips, 7), next(state.size()), out(tokens * channels);
    nb::scan_args a{};
    a.before = state.data(), a.after = next.data(), a.rows = keys, a.last = channels, a.tokens = tokens;
    a.key = a.query = key.data(), a.key_stride = keys, a.value = x.data(), a.value_stride = channels;
    a.step = step.data(), a.decay = decay.data(), a.step_stride = a.decay_stride = 1;
    a.output = out.data(), a.output_stride = channels, a.skip = 0.7f, a.delta = delta;
    t.scan(a);
    h.add(out);
  }
}
}  // namespace

int main() {
  nb::kernel_table t = scalar::table;
  hash kernels, reference;
  add_elementwise(t, reference), add_recurrent(t, reference);
  add_products<nb::q4_k>(t, reference, &scalar::matmul<nb::q4_k>);
  add_products<nb::q5_1>(t, reference, &scalar::matmul<nb::q5_1>);
  add_products<nb::f16>(t, reference, &scalar::matmul<nb::f16>);
  add_attention<nb::f16>(reference, &scalar::attention<nb::f16>);
  add_attention<nb::q8_0>(reference, &scalar::attention<nb::q8_0>);
  t.activate = &simd::activate, t.gate = &simd::gate, t.xielu = &simd::xielu, t.rms_norm = &simd::rms_norm;
  t.softcap = &simd::softcap, t.rope = &simd::rope, t.quantize = &simd::quantize, t.quantize_super = &simd::quantize_super;
  t.convolve = &simd::convolve, t.scan = &simd::scan, t.step_decay = &simd::step_decay, t.normalize = &simd::normalize;
  add_elementwise(t, kernels), add_recurrent(t, kernels);
  add_products<nb::q4_k>(t, kernels, &simd::matmul<nb::q4_k>);
  add_products<nb::q5_1>(t, kernels, &simd::matmul<nb::q5_1>);
  add_products<nb::f16>(t, kernels, &simd::matmul<nb::f16>);
  add_attention<nb::f16>(kernels, &simd::attention<nb::f16>);
  add_attention<nb::q8_0>(kernels, &simd::attention<nb::q8_0>);
  std::printf("%016llx %016llx\n", static_cast<unsigned long long>(kernels.value),
              static_cast<unsigned long long>(reference.value));
}
