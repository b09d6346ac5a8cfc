// Kernels alone, on one thread, with every instruction set of this CPU: matrix products of every weight format and some numbers
// of tokens, and one token's attention over every format of keys and values and some numbers of heads that share these.
//
// bench_kernels [--target=AVX2] [--benchmark_filter='(Q4_K|attention/F16)/.*'] [--benchmark_format=json]
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <iostream>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "nibble/core/aligned.hpp"
#include "nibble/core/rng.hpp"
#include "nibble/kernels/reference.hpp"
#include "nibble/kernels/table.hpp"
#include "nibble/kv/tile.hpp"
#include "nibble/quant/activation.hpp"
#include "nibble/quant/panel.hpp"
#include "nibble/quant/quantize.hpp"
#include "nibble/quant/registry.hpp"
#include "provenance.hpp"

namespace {

constexpr std::size_t rows = 4096, columns = 4096, groups = rows / nibble::panel_rows;
constexpr std::size_t positions = 4096, head_dim = 64;       // of attention
constexpr std::size_t least_bytes = std::size_t{256} << 20;  // of what takes turns, so that caches do not hold it

std::vector<float> noise(std::size_t n) {
  nibble::rng random(n);
  std::vector<float> out(n);
  for (float& x : out) x = float(random() >> 40) / float(1 << 23) - 1;
  return out;
}

/// Matrices of two groups of rows by turns, as many as least_bytes hold.
template <class Q>
struct matrices {
  std::size_t bytes = groups * nibble::group_bytes<Q>(columns);  // of one
  std::size_t count = (least_bytes + bytes - 1) / bytes;
  nibble::aligned_buffer memory = nibble::aligned_buffer::allocate(count * bytes, nibble::memory_pages::large);

  matrices() {
    constexpr std::size_t unlike = 2 * nibble::panel_rows;
    std::vector<std::byte> stored(*nibble::try_quantized_bytes(Q::type, unlike, columns));
    nibble::quantize_rows(Q::type, noise(unlike * columns), unlike, columns, {}, stored);
    const std::size_t group = nibble::group_bytes<Q>(columns), row_bytes = stored.size() / unlike;
    for (std::size_t g = 0; g < 2; ++g) {
      const std::byte* rows_of_group = stored.data() + g * nibble::panel_rows * row_bytes;
      nibble::pack_group<Q>(rows_of_group, nibble::panel_rows, row_bytes, columns, memory.data() + g * group);
    }
    for (std::size_t at = 2 * group; at < memory.size(); at += group)
      std::memcpy(memory.data() + at, memory.data() + at - 2 * group, group);
  }
};

/// Tokens as the kernels of a format take them.
template <class Q>
struct inputs {
  std::vector<float> x;
  std::vector<std::byte> blocks;

  inputs(const nibble::kernel_table& table, std::size_t tokens) : x(noise(tokens * columns)) {
    if constexpr (!nibble::float_format<Q>) {
      using block = nibble::activation_of<Q>;
      blocks.resize(x.size() / block::columns * sizeof(block));
      for (std::size_t t = 0; t < tokens; ++t) {
        const auto [first, step] = nibble::place_of(t, tokens, columns / block::columns);
        (nibble::super_block_format<Q> ? table.quantize_super : table.quantize)(x.data() + t * columns, columns,
                                                                                blocks.data() + first * sizeof(block), step);
      }
    }
  }
  const void* data() const { return nibble::float_format<Q> ? static_cast<const void*>(x.data()) : blocks.data(); }
};

/// Whether a result is the reference's: to the bit, but where a target does not fuse multiplication and addition.
bool agree(const nibble::kernel_table& table, std::span<const float> found, std::span<const float> expected) {
  const std::string_view target = table.target;
  if (target.find("SSE") == target.npos && target != "WASM") {
    return std::memcmp(found.data(), expected.data(), found.size_bytes()) == 0;
  }
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    difference += (double(found[i]) - expected[i]) * (double(found[i]) - expected[i]);
    size += double(expected[i]) * expected[i];
  }
  return difference <= 1e-10 * size;
}

bool wrong = false;  // some answer was
void give_up(benchmark::State& state) {
  wrong = true;
  state.SkipWithError("wrong answers");
}

template <class Q>
void matmul(benchmark::State& state, const nibble::kernel_table& table, std::size_t tokens) {
  constexpr std::size_t format = nibble::index_of<Q, nibble::quant_formats>, group = nibble::group_bytes<Q>(columns);
  matrices<Q> weights;
  const inputs<Q> in(table, tokens);
  std::vector<float> out(tokens * rows), expected(tokens * rows);
  nibble::matmul_args args{.last = 4,
                           .input = in.data(),
                           .input_stride = columns,
                           .tokens = tokens,
                           .output = out.data(),
                           .output_stride = rows,
                           .rows = rows,
                           .columns = columns,
                           .groups = weights.memory.data(),
                           .group_bytes = group};
  table.formats[format].matmul(args);
  args.output = expected.data();
  nibble::reference::table.formats[format].matmul(args);
  if (!agree(table, out, expected)) return give_up(state);

  args.output = out.data(), args.last = groups;
  std::size_t next = 0;
  for (auto _ : state) {
    args.groups = weights.memory.data() + next * weights.bytes;
    next = (next + 1) % weights.count;
    table.formats[format].matmul(args);
    benchmark::ClobberMemory();
  }
  using benchmark::Counter;
  state.counters["GB/s"] = Counter(double(weights.bytes) / 1e9, Counter::kIsIterationInvariantRate);
  state.counters["GOP/s"] = Counter(2.0 * rows * columns * double(tokens) / 1e9, Counter::kIsIterationInvariantRate);
}

/// Heads of keys and values, as many as least_bytes hold. All their pages are the same.
struct kv_heads {
  std::size_t format, value_offset, page_bytes;
  std::size_t head_bytes = positions / nibble::page_positions * page_bytes, count = (least_bytes + head_bytes - 1) / head_bytes;
  nibble::aligned_buffer memory = nibble::aligned_buffer::allocate(count * head_bytes, nibble::memory_pages::large);

  template <class Format>
  kv_heads(std::type_identity<Format>, const nibble::kernel_table& table)
      : format(nibble::index_of<Format, nibble::kv_formats>),
        value_offset(nibble::kv_tile_bytes<Format, nibble::kv_role::key>(head_dim)),
        page_bytes(value_offset + nibble::kv_tile_bytes<Format, nibble::kv_role::value>(head_dim)) {
    const auto numbers = noise(2 * nibble::page_positions * head_dim);
    for (std::size_t slot = 0; slot < nibble::page_positions; ++slot) {
      const float* key = numbers.data() + 2 * slot * head_dim;
      table.store_key[format](key, head_dim, slot, memory.data());
      table.store_value[format](key + head_dim, head_dim, slot, memory.data() + value_offset);
    }
    for (std::size_t at = page_bytes; at < memory.size(); at += page_bytes) {
      std::memcpy(memory.data() + at, memory.data(), page_bytes);
    }
  }
};

template <class Format>
void attention(benchmark::State& state, const nibble::kernel_table& table, std::size_t heads) {
  const kv_heads kv(std::type_identity<Format>{}, table);
  std::vector<std::uint32_t> page_of(positions / nibble::page_positions);
  std::iota(page_of.begin(), page_of.end(), 0u);
  const auto query = noise(heads * head_dim);
  std::vector<float> out(query.size()), expected(query.size());
  nibble::attention_args args{};
  args.query = args.kept_query = query.data(), args.query_stride = args.output_stride = query.size();
  args.tokens = 1, args.heads = heads, args.head_dim = args.value_dim = head_dim;
  args.position = positions - 1, args.positions = positions, args.mask = nibble::attention_mask::causal();
  args.scale = 1;
  args.pages = kv.memory.data(), args.page_bytes = kv.page_bytes, args.value_offset = kv.value_offset;
  args.page_of = page_of.data(), args.value_format = kv.format;
  args.output = expected.data();
  nibble::reference::table.attention[kv.format](args);
  args.output = out.data();
  table.attention[kv.format](args);
  if (!agree(table, out, expected)) return give_up(state);

  std::size_t next = 0;
  for (auto _ : state) {
    args.pages = kv.memory.data() + next * kv.head_bytes;
    next = (next + 1) % kv.count;
    table.attention[kv.format](args);
    benchmark::ClobberMemory();
  }
  using benchmark::Counter;
  state.counters["GB/s"] = Counter(double(kv.head_bytes) / 1e9, Counter::kIsIterationInvariantRate);
  state.counters["GOP/s"] = Counter(4.0 * positions * head_dim * double(heads) / 1e9, Counter::kIsIterationInvariantRate);
}

void add_benchmarks(const nibble::kernel_table& table) {
  nibble::any_type(nibble::quant_formats{}, [&]<class Q>(std::type_identity<Q>) {
    if (!table.formats[nibble::index_of<Q, nibble::quant_formats>].matmul) return false;  // NIBBLE_FORMATS leaves it out
    for (const std::size_t tokens : {1, 8, 128}) {
      const std::string name = std::string(Q::name) + "/" + table.target + "/" + std::to_string(tokens);
      benchmark::RegisterBenchmark(name.c_str(), [&table, tokens](benchmark::State& s) {
        matmul<Q>(s, table, tokens);
      })->Unit(benchmark::kMillisecond);
    }
    return false;
  });
  nibble::any_type(nibble::kv_formats{}, [&]<class Format>(std::type_identity<Format>) {
    if (!table.attention[nibble::index_of<Format, nibble::kv_formats>]) return false;
    for (const std::size_t heads : {1, 2, 3, 4, 8}) {
      const std::string name = "attention/" + std::string(Format::name) + "/" + table.target + "/" + std::to_string(heads);
      benchmark::RegisterBenchmark(name.c_str(), [&table, heads](benchmark::State& s) {
        attention<Format>(s, table, heads);
      })->Unit(benchmark::kMicrosecond);
    }
    return false;
  });
}

/// The value of --target, which is taken from the arguments; nothing without it.
std::optional<std::string> take_target(int& argc, char** argv) {
  constexpr std::string_view option = "--target";
  std::optional<std::string> target;
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    const std::string_view text = argv[i];
    if (text == option && i + 1 < argc) {
      target = argv[++i];
    } else if (text.starts_with("--target=")) {
      target = text.substr(option.size() + 1);
    } else {
      argv[kept++] = argv[i];
    }
  }
  argc = kept;
  return target;
}

void add_context() {
  benchmark::AddCustomContext("cpu", bench::processor_name());
  benchmark::AddCustomContext("huge_pages", bench::huge_pages());
  benchmark::AddCustomContext("compiler", bench::compiler_name());
  benchmark::AddCustomContext("commit", NIBBLE_BENCH_COMMIT);
}

}  // namespace

int main(int argc, char** argv) try {
  const auto target = take_target(argc, argv);
  for (const auto& name : target ? std::vector{*target} : bench::target_names()) add_benchmarks(bench::table_of(name));
  add_context();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  const std::size_t count = benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return count > 0 && !wrong ? 0 : 1;  // of none, Google Benchmark has said that no name matches
} catch (const std::exception& e) {
  std::cerr << "bench_kernels: " << e.what() << '\n';
  return 1;
}
