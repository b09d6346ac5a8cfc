// All kernels of the instruction sets that this file is compiled for and their scalar reference, compiled with the flags of
// this file, on the same numbers: prints a line for each table, with a hash of all results. With an argument, one for each
// part. same_bits.py compiles it in several ways.
#include <nibble/kernels/compile.hpp>
// the SIMD library comes first
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "nibble/kernels/weight.hpp"

namespace nb = nibble;

namespace {
/// Numbers between -4 and 4, and a few large ones; made of integers, for random numbers of a library may differ.
class numbers_from {
 public:
  explicit numbers_from(std::uint32_t seed) : seed_(seed) {}
  std::uint32_t bits() { return seed_ = seed_ * 1664525u + 1013904223u; }
  float next() {
    const float x = float(std::int32_t(bits() >> 8) - (1 << 23)) * 0x1p-21f;
    return seed_ >> 26 == 0 ? x * 64 : x;
  }

 private:
  std::uint32_t seed_;
};
std::vector<float> numbers(std::size_t n, std::uint32_t seed) {
  numbers_from source(seed);
  std::vector<float> out(n);
  for (float& x : out) x = source.next();
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

/// Bytes that begin on a cache line.
struct lines {
  std::vector<std::byte> room;
  explicit lines(std::size_t bytes) : room(bytes + nb::cache_line) {}
  std::byte* data() {
    return room.data() + (nb::cache_line - reinterpret_cast<std::uintptr_t>(room.data()) % nb::cache_line) % nb::cache_line;
  }
};

constexpr std::size_t columns = 768, rows = 48, most_tokens = 20;

/// Blocks of random bytes whose values are of a usual size, a fifth of them small ones: not encoded, for that is no kernel's
/// work.
template <class Q>
std::vector<typename Q::block> blocks_of() {
  std::vector<typename Q::block> blocks(rows * columns / Q::block_size);
  numbers_from source(3);
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    for (float most = 9; !(most <= 8 && (most >= 0x1p-6f || (i % 5 == 0 && most > 0)));) {
      unsigned char bytes[sizeof blocks[i]];
      for (unsigned char& b : bytes) b = static_cast<unsigned char>(source.bits() >> 24);
      std::memcpy(&blocks[i], bytes, sizeof bytes);
      float values[Q::block_size];
      Q::decode(blocks[i], values);
      most = 0;
      for (const float v : values) most = std::abs(v) <= most ? most : std::abs(v);  // NaN stays
    }
  }
  return blocks;
}

/// Products of 1, 3, 9 and more tokens, how they end, and where weights come from. Rows that are no whole groups leave padding.
constexpr struct {
  std::size_t tokens, rows;
  nb::epilogue how;
  float scale = 1;
  bool stored = false;
} cases[] = {{1, rows, nb::epilogue::replace},
             {1, rows - 5, nb::epilogue::add, 0.3f},
             {1, rows, nb::epilogue::gate, 1, true},
             {3, rows, nb::epilogue::add},
             {4, rows - 11, nb::epilogue::add, 0.3f, true},
             {9, rows - 3, nb::epilogue::gate, 0.3f},
             {most_tokens, rows, nb::epilogue::gate},
             {most_tokens - 1, rows - 7, nb::epilogue::add, 0.3f, true}};

template <class Q>
std::vector<std::byte> input_of(const nb::kernel_table& t, std::size_t tokens) {
  const auto x = numbers(tokens * columns, 5);
  std::vector<std::byte> input(x.size() * sizeof(float));
  if constexpr (nb::float_format<Q>) {
    std::memcpy(input.data(), x.data(), input.size());
  } else {
    using block = nb::activation_of<Q>;
    for (std::size_t i = 0; i < tokens; ++i) {
      const auto [first, step] = nb::place_of(i, tokens, columns / block::columns);
      (nb::super_block_format<Q> ? t.quantize_super : t.quantize)(x.data() + i * columns, columns,
                                                                  input.data() + first * sizeof(block), step);
    }
    input.resize(tokens * columns / block::columns * sizeof(block));
  }
  return input;
}

void add_products(const nb::kernel_table& t, hash& h) {
  nb::any_type(nb::quant_formats{}, [&]<class Q>(std::type_identity<Q>) {
    const nb::format_kernels& k = t.formats[nb::index_of<Q, nb::quant_formats>];
    const auto blocks = blocks_of<Q>();
    const auto* stored = reinterpret_cast<const std::byte*>(blocks.data());
    const std::size_t row_bytes = nb::stored_bytes<Q>(columns), group_bytes = nb::group_bytes<Q>(columns);
    lines groups(rows / nb::panel_rows * group_bytes);
    for (std::size_t g = 0; g < rows / nb::panel_rows; ++g) {
      k.pack(stored + g * nb::panel_rows * row_bytes, nb::panel_rows, row_bytes, columns, groups.data() + g * group_bytes);
    }
    for (const auto& c : cases) {
      const auto input = input_of<Q>(t, c.tokens);
      h.add(input);
      std::vector<float> out = numbers(c.tokens * rows, 7);
      k.matmul({.last = rows / nb::panel_rows,
                .input = input.data(),
                .input_stride = columns,
                .tokens = c.tokens,
                .output = out.data(),
                .output_stride = rows,
                .how = c.how,
                .gate = nb::activation::gelu_tanh,
                .rows = c.rows,
                .columns = columns,
                .groups = c.stored ? nullptr : groups.data(),
                .group_bytes = c.stored ? 0 : group_bytes,
                .stored = c.stored ? stored : nullptr,
                .row_bytes = row_bytes,
                .scale = c.scale});
      h.add(out);
    }
    return false;
  });
}

/// Keys of one format and values of another, in pages of 64 positions.
struct sample_cache {
  static constexpr std::size_t dim = 72, positions = 170, tokens = 5, heads = 2, page = 1 << 16, value_offset = 1 << 15;
  lines room{3 * page};
  std::vector<float> query = numbers(tokens * heads * dim, 11), near = numbers(tokens * heads * dim, 12);
  std::uint32_t page_of[3] = {2, 0, 1};

  sample_cache(const nb::kernel_table& t, std::size_t keys, std::size_t values) {
    for (std::size_t p = 0; p < positions; ++p) {
      std::byte* at = room.data() + page_of[p / 64] * page;
      t.store_key[keys](numbers(dim, std::uint32_t(p)).data(), dim, p % 64, at);
      t.store_value[values](numbers(dim, std::uint32_t(p + 999)).data(), dim, p % 64, at + value_offset);
    }
  }
  nb::attention_args args(std::size_t values, float* out) {
    nb::attention_args a{};
    a.query = query.data(), a.output = out, a.query_stride = a.output_stride = heads * dim;
    a.tokens = tokens, a.heads = heads, a.head_dim = a.value_dim = dim, a.position = positions - tokens;
    a.positions = positions, a.scale = 0.07f, a.value_format = values;
    a.pages = room.data(), a.page_bytes = page, a.value_offset = value_offset, a.page_of = page_of;
    return a;
  }
};

void add_attention(const nb::kernel_table& t, hash& h) {
  const float sinks[] = {0.5f, 3}, slopes[] = {0.25f, 0.125f};
  for (std::size_t keys = 0; keys < nb::kv_formats::size; ++keys) {
    for (const std::size_t values : {keys, (keys + 1) % nb::kv_formats::size}) {
      sample_cache cache(t, keys, values);
      h.add(cache.room.data(), 3 * sample_cache::page);
      for (int variant = 0; variant < 6; ++variant) {
        std::vector<float> out(cache.query.size());
        auto a = cache.args(values, out.data());
        a.softcap = variant == 1 ? 20.0f : 0, a.sinks = variant == 2 ? sinks : nullptr;
        a.slopes = variant >= 3 ? slopes : nullptr, a.mask = nb::attention_mask::window(variant == 0 ? 140 : 100);
        if (variant == 4) a.tokens = a.heads = 1;
        if (variant == 5) a.sliding = {100, 70, 15}, a.kept_query = cache.near.data(), a.kept_page_of = a.page_of;
        t.attention[keys](a);
        h.add(out);
      }
    }
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
  check([&](float* out) { t.add(out, y.data(), x.size()); });
  check([&](float* out) { t.add_scaled(out, y.data(), 0.3f, x.size()); });
  check([&](float* out) { t.multiply(out, y.data(), x.size()); });
  check([&](float* out) { t.scale(out, 0.3f, x.size()); });
  check([&](float* out) { t.normalize(out, 1e-6f, 0.5f, x.size()); });
  check([&](float* out) { t.hadamard(out, 64, 3), t.hadamard(out + 192, 8, 2); });
  const double sums[] = {t.sum(x.data(), x.size()), t.squared_length(x.data(), x.size())};
  h.add(sums, sizeof sums);
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

int main(int arguments, char**) {
  for (std::size_t i = 0; const nb::kernel_table* t = nb::kernels_at(i); ++i) {
    hash all;
    for (auto* part : {&add_elementwise, &add_recurrent, &add_products, &add_attention}) {
      if (arguments > 1) all = {};
      part(*t, all);
      if (arguments > 1 || part == &add_attention)
        std::printf("%s %016llx\n", t->target, static_cast<unsigned long long>(all.value));
    }
  }
}
