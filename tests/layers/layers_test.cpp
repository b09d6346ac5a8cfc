#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/tables.hpp"
#include "nibble/core/thread_pool.hpp"
#include "nibble/layers/elementwise.hpp"
#include "nibble/layers/embedding.hpp"
#include "nibble/layers/experts.hpp"
#include "nibble/layers/feed_forward.hpp"
#include "nibble/layers/gates.hpp"
#include "nibble/layers/linear.hpp"
#include "nibble/layers/norm.hpp"
#include "nibble/layers/rope.hpp"

using namespace nibble;
using namespace nibble_test;

namespace {
/// A weight with its memory, and the values that it stands for.
struct owned_weight {
  aligned_buffer memory;
  weight w;
  std::vector<float> values;
};
template <class Q>
owned_weight make_weight(std::size_t rows, std::size_t columns, unsigned seed) {
  owned_weight o;
  o.values = gaussian(rows * columns, seed, 0.1f);
  std::vector<typename Q::block> blocks(rows * columns / Q::block_size);
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    Q::encode(std::span<const float, Q::block_size>(o.values.data() + i * Q::block_size, Q::block_size), {}, blocks[i]);
    Q::decode(blocks[i], std::span<float, Q::block_size>(o.values.data() + i * Q::block_size, Q::block_size));
  }
  const auto stored = weight::stored(format_of<Q>, reinterpret_cast<const std::byte*>(blocks.data()), rows, columns);
  o.memory = *aligned_buffer::try_allocate(weight::packed_bytes(format_of<Q>, rows, columns));
  for (std::size_t g = 0; g < stored.groups(); ++g) {
    stored.pack_group(kernels(), g, o.memory.data() + g * group_bytes<Q>(columns));
  }
  o.w = weight::packed(format_of<Q>, o.memory.data(), rows, columns);
  return o;
}

/// A compute with an arena of a megabyte and any executor.
struct bench_top {
  scratch_arena arena = *scratch_arena::try_create(1 << 22);
  inline_executor nobody;
  compute c{kernels(), nobody, arena};

  activations fill(std::size_t tokens, std::size_t width, unsigned seed) {
    const activations a = c.scratch(tokens, width);
    const auto values = gaussian(tokens * width, seed);
    std::copy(values.begin(), values.end(), a.data);
    return a;
  }
};
}  // namespace

TEST_CASE("one input is multiplied with weights of different formats at once, as in double precision") {
  const auto a = make_weight<q4_k>(40, 256, 1), b = make_weight<f16>(20, 256, 2), c = make_weight<q6_k>(33, 256, 3);
  const auto e = make_weight<q8_0>(24, 256, 5);
  bench_top top;
  const activations x = top.fill(5, 256, 4);
  const activations ya = top.c.scratch(5, 40), yb = top.c.scratch(5, 20), yc = top.c.scratch(5, 33), ye = top.c.scratch(5, 24);
  linear(top.c, x, {{a.w, ya}, {b.w, yb}, {c.w, yc}, {e.w, ye}});
  const auto check = [&](const owned_weight& o, activations y, double tolerance) {
    std::vector<float> expected;
    for (std::size_t t = 0; t < 5; ++t) {
      for (std::size_t r = 0; r < o.w.rows(); ++r) {
        double sum = 0;
        for (std::size_t k = 0; k < 256; ++k) sum += double(o.values[r * 256 + k]) * x.row(t)[k];
        expected.push_back(float(sum));
      }
    }
    CHECK(relative_error(expected, {y.data, expected.size()}) < tolerance);
  };
  check(a, ya, 0.01);  // activations in 8 bits
  check(b, yb, 1e-6);
  check(c, yc, 0.01);
  check(e, ye, 0.01);
}

TEST_CASE("a gated feed-forward layer gives the bits of its three products one by one, on any number of threads") {
  // strips of 256, and one that is shorter; five super-blocks, too few for three threads; and floats
  const auto in_blocks = make_weight<q5_0>(40, 608, 3), in_super_blocks = make_weight<q4_k>(40, 1280, 3),
             in_floats = make_weight<f16>(40, 608, 3);
  for (const weight& down : {in_blocks.w, in_super_blocks.w, in_floats.w}) {
    const std::size_t hidden = down.columns();
    const auto gate = make_weight<q4_k>(hidden, 256, 1), up = make_weight<q6_k>(hidden, 256, 2);
    for (std::size_t tokens : {1, 9, 130}) {
      bench_top top;
      const activations x = top.fill(tokens, 256, 4), h = top.c.scratch(tokens, hidden), u = top.c.scratch(tokens, hidden);
      const activations expected = top.c.scratch(tokens, 40), found = top.c.scratch(tokens, 40);
      linear(top.c, x, {{gate.w, h}, {up.w, u}});
      std::vector<float> closed(tokens * hidden);
      for (std::size_t i = 0; i < closed.size(); ++i) closed[i] = h.data[i] / (1 + std::exp(-h.data[i])) * u.data[i];
      linear(top.c, x, {{up.w, gated_by(h, activation::silu)}});
      CHECK(relative_error(closed, {h.data, closed.size()}) < 2e-6);
      linear(top.c, h, {{down, expected}});
      for (std::size_t threads : {1, 2, 3}) {
        thread_pool pool(threads);
        compute parallel(kernels(), pool, top.arena);
        std::fill_n(found.data, tokens * 40, 0.0f);
        feed_forward(parallel, x, gate.w, up.w, activation::silu, down, found);
        CHECK(std::memcmp(expected.data, found.data, tokens * 40 * sizeof(float)) == 0);
      }
    }
  }
}

TEST_CASE(
    "feed-forward layers with biases, gated and plain, give the bits of their steps one by one, on any number of threads") {
  const auto in_blocks = make_weight<q5_0>(40, 608, 3), in_floats = make_weight<f16>(40, 600, 3);
  for (const weight& down : {in_blocks.w, in_floats.w}) {
    const std::size_t hidden = down.columns();
    const auto gate = make_weight<q4_k>(hidden, 256, 1), up = make_weight<q6_k>(hidden, 256, 2);
    const auto g_bias = gaussian(hidden, 5), u_bias = gaussian(hidden, 6), d_bias = gaussian(40, 7);
    for (std::size_t tokens : {1, 9, 130}) {
      bench_top top;
      const activations x = top.fill(tokens, 256, 4), h = top.c.scratch(tokens, hidden), u = top.c.scratch(tokens, hidden);
      const activations gated = top.c.scratch(tokens, 40), plain = top.c.scratch(tokens, 40), found = top.c.scratch(tokens, 40);
      linear(top.c, x, {{gate.w, h}, {up.w, u}});
      add_bias(top.c, h, g_bias), add_bias(top.c, u, u_bias);
      for (std::size_t t = 0; t < tokens; ++t) top.c.kernels().gate(h.row(t), u.row(t), hidden, activation::silu);
      linear(top.c, h, {{down, gated}});
      for (std::size_t t = 0; t < tokens; ++t) top.c.kernels().activate(u.row(t), hidden, activation::gelu_tanh);
      linear(top.c, u, {{down, plain}});
      add_bias(top.c, gated, d_bias), add_bias(top.c, plain, d_bias);
      const auto f = [&](float* row, std::size_t n) { top.c.kernels().activate(row, n, activation::gelu_tanh); };
      for (std::size_t threads : {1, 2, 3}) {
        thread_pool pool(threads);
        compute parallel(kernels(), pool, top.arena);
        std::fill_n(found.data, tokens * 40, 0.0f);
        feed_forward(parallel, x, gate.w, up.w, activation::silu, down, {g_bias, u_bias, d_bias}, found);
        CHECK(std::memcmp(gated.data, found.data, tokens * 40 * sizeof(float)) == 0);
        plain_feed_forward(parallel, x, up.w, f, down, {{}, u_bias, d_bias}, added_to(found));
        for (std::size_t i = 0; i < tokens * 40; ++i) CHECK(found.data[i] == doctest::Approx(gated.data[i] + plain.data[i]));
        plain_feed_forward(parallel, x, up.w, f, down, {{}, u_bias, d_bias}, found);
        CHECK(std::memcmp(plain.data, found.data, tokens * 40 * sizeof(float)) == 0);
      }
    }
  }
}

TEST_CASE("a product has the same bits on any number of threads") {
  const auto o = make_weight<q5_0>(500, 576, 1);
  bench_top top;
  const activations x = top.fill(9, 576, 2), expected = top.c.scratch(9, 500), found = top.c.scratch(9, 500);
  linear(top.c, x, {{o.w, expected}});
  for (std::size_t threads : {2, 3}) {
    thread_pool pool(threads);
    compute parallel(kernels(), pool, top.arena);
    std::fill_n(found.data, 9 * 500, 0.0f);
    linear(parallel, x, {{o.w, found}});
    CHECK(std::memcmp(expected.data, found.data, 9 * 500 * sizeof(float)) == 0);
  }
}

TEST_CASE("a norm before a product and a sum behind it give the bits of the steps one by one") {
  const auto a = make_weight<q4_k>(40, 512, 1), b = make_weight<f16>(40, 512, 2);
  const std::vector<float> gain = gaussian(512, 3);
  const norm_weights norm{gain, {}, 1e-5f};
  for (std::size_t tokens : {1, 9}) {
    bench_top top;
    const activations x = top.fill(tokens, 512, 4), h = top.c.scratch(tokens, 512), y = top.c.scratch(tokens, 40);
    const activations branch = top.fill(tokens, 512, 5), expected = top.fill(tokens, 40, 6);
    const std::vector<float> before(expected.data, expected.data + tokens * 40);
    for (const owned_weight* o : {&a, &b}) {
      apply(top.c, norm, x, h);
      linear(top.c, h, {{o->w, y}});
      std::copy(before.begin(), before.end(), expected.data);
      add(top.c, expected, y);
      for (std::size_t threads : {1, 3}) {
        thread_pool pool(threads);
        compute parallel(kernels(), pool, top.arena);
        std::copy(before.begin(), before.end(), y.data);
        linear(parallel, normed(x, norm), {{o->w, added_to(y)}});
        CHECK(std::memcmp(expected.data, y.data, before.size() * sizeof(float)) == 0);
      }
    }
    apply(top.c, norm, branch, h);
    std::vector<float> sum(x.data, x.data + tokens * 512);
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += h.data[i];
    add_branch(top.c, x, branch, &norm, 1);
    CHECK(std::memcmp(sum.data(), x.data, sum.size() * sizeof(float)) == 0);
  }
}

TEST_CASE("experts give the sum of their products one by one, weighed by their scores") {
  constexpr std::size_t count = 6, width = 256, hidden = 512, tokens = 21;
  const auto router = make_weight<f32>(count, width, 1);
  const auto gates = make_weight<q4_k>(count * hidden, width, 2), ups = make_weight<q5_0>(count * hidden, width, 3),
             downs = make_weight<q8_0>(count * width, hidden, 4);
  const auto stack = [](const owned_weight& o,
                        const format_info& format) {  // rows are whole groups: no padding between matrices
    return weight::packed(format, o.memory.data(), o.w.rows() / count, o.w.columns(), count);
  };
  const expert_weights w{stack(gates, format_of<q4_k>), stack(ups, format_of<q5_0>), stack(downs, format_of<q8_0>), {}, {}, {}};
  const router_spec two{.used = 2, .renormalized = true};
  bench_top top;
  const activations x = top.fill(tokens, width, 5), found = top.c.scratch(tokens, width);
  thread_pool pool(3);
  compute parallel(kernels(), pool, top.arena);
  experts(parallel, x, router.w, two, w, activation::silu, found);

  const activations scores = top.c.scratch(1, count), one = top.c.scratch(2, width);
  for (std::size_t t = 0; t < tokens; ++t) {
    linear(top.c, x.range(t, 1), {{router.w, scores}});
    std::vector<std::size_t> best(count);
    for (std::size_t e = 0; e < count; ++e) best[e] = e;
    std::sort(best.begin(), best.end(), [&](std::size_t a, std::size_t b) { return scores.data[a] > scores.data[b]; });
    const double second = std::exp(double(scores.data[best[1]]) - double(scores.data[best[0]]));
    for (std::size_t k = 0; k < 2; ++k) {
      const std::size_t e = best[k];
      feed_forward(top.c, x.range(t, 1), w.gate.matrix(e), w.up.matrix(e), activation::silu, w.down.matrix(e), one.range(k, 1));
    }
    for (std::size_t i = 0; i < width; ++i) {
      const double expected = (double(one.row(0)[i]) + second * double(one.row(1)[i])) / (1 + second);
      REQUIRE(found.row(t)[i] == doctest::Approx(expected).epsilon(1e-5).scale(1e-1));
    }
  }
}

TEST_CASE("biases of experts and of their gates are added before they meet, each expert's to its own tokens") {
  constexpr std::size_t count = 3, width = 64, hidden = 40, tokens = 9;
  const auto router = make_weight<f32>(count, width, 1);
  std::vector<owned_weight> gates, ups, downs;
  std::vector<float> gate_rows, up_rows, down_rows;
  for (unsigned e = 0; e < count; ++e) {
    gates.push_back(make_weight<f32>(hidden, width, 2 + e)), ups.push_back(make_weight<f32>(hidden, width, 12 + e));
    downs.push_back(make_weight<f32>(width, hidden, 22 + e));
    gate_rows.insert(gate_rows.end(), gates[e].values.begin(), gates[e].values.end());
    up_rows.insert(up_rows.end(), ups[e].values.begin(), ups[e].values.end());
    down_rows.insert(down_rows.end(), downs[e].values.begin(), downs[e].values.end());
  }
  const auto stored = [](const std::vector<float>& rows, std::size_t height, std::size_t columns) {
    return weight::stored(format_of<f32>, reinterpret_cast<const std::byte*>(rows.data()), height, columns, count);
  };
  const auto gate_bias = gaussian(count * hidden, 32, 1.0f), up_bias = gaussian(count * hidden, 33, 1.0f),
             down_bias = gaussian(count * width, 34, 1.0f);
  const expert_weights w{stored(gate_rows, hidden, width),
                         stored(up_rows, hidden, width),
                         stored(down_rows, width, hidden),
                         gate_bias,
                         up_bias,
                         down_bias};
  bench_top top;
  const activations x = top.fill(tokens, width, 5), found = top.c.scratch(tokens, width), one = top.c.scratch(1, width);
  const activations scores = top.c.scratch(1, count);
  experts(top.c, x, router.w, {.used = 1, .scale = 2}, w, activation::silu, found);
  for (std::size_t t = 0; t < tokens; ++t) {
    linear(top.c, x.range(t, 1), {{router.w, scores}});
    const auto e = std::size_t(std::max_element(scores.data, scores.data + count) - scores.data);
    double total = 0;
    for (std::size_t i = 0; i < count; ++i) total += std::exp(double(scores.data[i]) - double(scores.data[e]));
    const feed_forward_biases biases{w.of(gate_bias, e), w.of(up_bias, e), w.of(down_bias, e)};
    feed_forward(top.c, x.range(t, 1), gates[e].w, ups[e].w, activation::silu, downs[e].w, biases, one);
    for (std::size_t i = 0; i < width; ++i) {
      REQUIRE(found.row(t)[i] == doctest::Approx(2 * double(one.data[i]) / total).epsilon(1e-5).scale(1e-2));
    }
  }
}

TEST_CASE("experts without gates activate what their first matrices give") {
  const auto up = make_weight<f32>(40, 64, 1), down = make_weight<f32>(64, 40, 2), router = make_weight<f32>(1, 64, 3);
  bench_top top;
  const activations x = top.fill(5, 64, 4), found = top.c.scratch(5, 64), expected = top.c.scratch(5, 64);
  experts(top.c, x, router.w, {}, {{}, up.w, down.w, {}, {}, {}}, activation::relu_squared, found);
  const auto f = [&](float* hidden, std::size_t n) { kernels().activate(hidden, n, activation::relu_squared); };
  plain_feed_forward(top.c, x, up.w, f, down.w, {}, expected);
  CHECK(std::memcmp(found.data, expected.data, 5 * 64 * sizeof(float)) == 0);
}

TEST_CASE("an embedding is the decoded row") {
  const auto o = make_weight<q8_0>(50, 64, 1);
  bench_top top;
  const std::vector<token> ids{49, 0, 17};
  const activations out = top.c.scratch(3, 64);
  embed(top.c, o.w, ids, out);
  for (std::size_t t = 0; t < 3; ++t) {
    CHECK(std::memcmp(out.row(t), o.values.data() + std::size_t(ids[t]) * 64, 64 * sizeof(float)) == 0);
  }
}

TEST_CASE("without memory a layer measures what it would take, and touches nothing") {
  const auto o = make_weight<q4_0>(64, 64, 1);
  scratch_arena measuring;
  inline_executor nobody;
  compute c(kernels(), nobody, measuring);
  const activations x = c.scratch(100, 64), y = c.scratch(100, 64);
  CHECK(x.data == nullptr);
  linear(c, x, {{o.w, y}});
  apply(c, norm_weights{}, y, y);
  CHECK(measuring.used() == 2 * 100 * 64 * sizeof(float));
  CHECK(measuring.peak() == measuring.used() + 100 * 2 * sizeof(activation_block));  // the quantized input, given back
}

TEST_CASE("a layer norm takes the mean off, and adds its bias where it has one") {
  const std::vector<float> gain = gaussian(50, 1), bias = gaussian(50, 2);
  bench_top top;
  const activations x = top.fill(3, 50, 5), y = top.c.scratch(3, 50);
  for (const bool biased : {false, true}) {
    apply(top.c, {gain, biased ? std::span<const float>(bias) : std::span<const float>(), 1e-5f, norm_kind::layer}, x, y);
    for (std::size_t t = 0; t < 3; ++t) {
      double mean = 0, variance = 0;
      for (std::size_t i = 0; i < 50; ++i) mean += double(x.row(t)[i]) / 50;
      for (std::size_t i = 0; i < 50; ++i) variance += std::pow(double(x.row(t)[i]) - mean, 2) / 50;
      for (std::size_t i = 0; i < 50; ++i) {
        const double expected = (double(x.row(t)[i]) - mean) / std::sqrt(variance + 1e-5) * gain[i] + (biased ? bias[i] : 0);
        CHECK(y.row(t)[i] == doctest::Approx(expected).epsilon(1e-5));
      }
    }
  }
}

TEST_CASE("each head is normed on its own") {
  bench_top top;
  const activations x = top.fill(2, 3 * 8, 5);
  const std::vector<float> gain(8, 2.0f);
  apply_to_heads(top.c, {gain, {}, 0}, x, gain.size());
  for (std::size_t h = 0; h < 6; ++h) {
    double squares = 0;
    for (std::size_t i = 0; i < 8; ++i) squares += double(x.data[h * 8 + i]) * x.data[h * 8 + i];
    CHECK(squares / 8 == doctest::Approx(4).epsilon(1e-5));
  }
}

TEST_CASE("a bias is added to every token, and no bias is no work") {
  bench_top top;
  const activations x = top.fill(3, 20, 6);
  const std::vector<float> before(x.data, x.data + 60), bias = gaussian(20, 7);
  add_bias(top.c, x, {});
  CHECK(std::memcmp(before.data(), x.data, 60 * sizeof(float)) == 0);
  add_bias(top.c, x, bias);
  for (std::size_t i = 0; i < 60; ++i) CHECK(x.data[i] == before[i] + bias[i % 20]);
}

TEST_CASE("rotated queries and keys depend on how far apart they are, not on where") {
  for (rope_pairs order : {rope_pairs::halves, rope_pairs::interleaved}) {
    const rope r({16, 10000, 1, order});
    bench_top top;
    const auto product = [&](std::uint32_t at_q, std::uint32_t at_k) {
      const std::vector<std::uint32_t> positions{at_q, at_k};
      const activations x = top.fill(2, 16, 8);
      r.rotate(top.c, x, 16, r.angles(top.c, positions));
      double sum = 0;
      for (std::size_t i = 0; i < 16; ++i) sum += double(x.row(0)[i]) * x.row(1)[i];
      return sum;
    };
    CHECK(product(7, 3) == doctest::Approx(product(107, 103)).epsilon(1e-4));
    CHECK(product(7, 3) != doctest::Approx(product(7, 4)).epsilon(1e-3));
  }
}

TEST_CASE("scaling and frequency factors divide the angle") {
  const std::vector<float> factors{2, 2, 2, 2};
  bench_top top;
  const auto cosine = [&](const rope& r, std::uint32_t position, std::size_t i) {
    return r.angles(top.c, std::vector<std::uint32_t>{position}).cosines.row(0)[i];
  };
  for (std::size_t i = 0; i < 4; ++i) {
    const float expected = cosine(rope({8, 10000, 1, rope_pairs::halves}), 50, i);
    CHECK(cosine(rope({8, 10000, 0.5, rope_pairs::halves}), 100, i) == doctest::Approx(expected));
    CHECK(cosine(rope({8, 10000, 1, rope_pairs::halves}, factors), 100, i) == doctest::Approx(expected));
    CHECK(expected == doctest::Approx(std::cos(50 * std::pow(10000.0, -double(i) / 4))));
  }
}

TEST_CASE("YaRN leaves fast pairs as they are and scales slow ones") {
  bench_top top;
  const auto cosines = [&](const rope_spec& spec, std::uint32_t position) {
    const auto row = rope(spec).angles(top.c, std::vector<std::uint32_t>{position}).cosines;
    return std::vector<float>(row.data, row.data + row.width);
  };
  rope_spec plain{32, 1e4, 1}, scaled{32, 1e4, 0.125}, yarn = scaled;
  yarn.yarn = {64, 8, 1, 1};  // pairs before 0.42 turn eight times in 64 positions, those from 4.03 on less than once
  const auto found = cosines(yarn, 40);
  CHECK(found[0] == cosines(plain, 40)[0]);
  for (std::size_t i = 5; i < 16; ++i) CHECK(found[i] == cosines(scaled, 40)[i]);
  for (std::size_t i = 1; i < 5; ++i) {
    const double kept = 1 - double(i) / 5, angle = 40 * std::pow(1e4, -double(i) / 16) * (kept + (1 - kept) * 0.125);
    CHECK(found[i] == doctest::Approx(std::cos(angle)).epsilon(1e-6));
  }
  yarn.yarn.kept = 0, yarn.magnitude = 2;
  for (std::size_t i = 0; i < 16; ++i) CHECK(cosines(yarn, 40)[i] == doctest::Approx(2 * cosines(scaled, 40)[i]));
}

TEST_CASE("gates close what heads give: a number for each head, or for each of their numbers") {
  bench_top top;
  for (const std::size_t width : {2, 6}) {
    const activations x = top.fill(3, 6, 1), gates = top.fill(3, width, 2);
    gates.row(0)[0] = 1000, gates.row(1)[1] = -1000;
    for (const auto f : {activation::sigmoid, activation::softplus}) {
      std::vector<float> expected(x.data, x.data + 18);
      for (std::size_t i = 0; i < 18; ++i) {
        const double g = gates.row(i / 6)[i % 6 * width / 6];
        expected[i] *= float(f == activation::sigmoid ? 1 / (1 + std::exp(-g)) : g > 500 ? g : std::log1p(std::exp(g)));
      }
      close_gates(top.c, gates, f, x);
      for (std::size_t i = 0; i < 18; ++i) CHECK(x.data[i] == doctest::Approx(expected[i]).epsilon(1e-5));
    }
  }
}
