#include <doctest/doctest.h>

#include <cstring>

#include "kernels/samples.hpp"
#include "kernels/tables.hpp"
#include "nibble/core/aligned.hpp"
#include "nibble/quant/panel.hpp"
#include "nibble/quant/registry.hpp"
#include "support/codebook_format.hpp"

using namespace nibble;
using namespace nibble_test;

TEST_CASE("a row survives packing into a panel bit for bit") {
  const auto check = []<class Q>(std::type_identity<Q>) {
    const sample_weight<Q> w(37, 512, 7);
    std::vector<float> expected(512), found(512);
    for (std::size_t row = 0; row < w.rows; ++row) {
      for (std::size_t b = 0; b < 512 / Q::block_size; ++b) {
        Q::decode(w.blocks[row * (512 / Q::block_size) + b],
                  std::span<float, Q::block_size>(expected.data() + b * Q::block_size, Q::block_size));
      }
      unpack_row<Q>(w.panels + row / panel_rows * w.bytes, row % panel_rows, 512, found.data());
      REQUIRE(std::memcmp(expected.data(), found.data(), 512 * sizeof(float)) == 0);
    }
  };
  for_each_format(check);
  check(std::type_identity<codebook_sample>());
}

TEST_CASE("every target multiplies every format like the reference, for any rows, columns and tokens") {
  for_each_format([]<class Q>(std::type_identity<Q>) {
    constexpr std::size_t index = index_of<Q, quant_formats>;
    // the last unit of 256 columns may be short, and the last part of a float row
    for (std::size_t columns :
         {Q::block_size == 1 ? std::size_t{5} : Q::block_size, std::size_t{352}, std::size_t{640}, std::size_t{768}}) {
      if (columns % Q::block_size != 0) continue;
      for (std::size_t rows : {1, 16, 35}) {
        const sample_weight<Q> w(rows, columns, 3);
        for (std::size_t tokens : {1, 2, 5, 9, 130}) {
          const auto input = make_input<Q>(gaussian(tokens * columns, 11), columns, tokens);
          const auto before = gaussian(tokens * rows, 5);
          std::vector<float> expected(tokens * rows);
          reference::matmul<Q>(w.product(input, tokens, expected.data()));
          for_each_table([&](const kernel_table& t) {
            std::vector<float> found(tokens * (rows + 3), 99.0f), packed(tokens * rows);
            matmul_args m = w.product(input, tokens, found.data());
            m.output_stride = rows + 3;
            t.formats[index].matmul(m);
            bool past = false;
            for (std::size_t i = 0; i < tokens; ++i) {
              std::copy_n(found.data() + i * (rows + 3), rows, packed.data() + i * rows);
              past |= found[i * (rows + 3) + rows] != 99.0f;
            }
            REQUIRE_FALSE(past);  // nothing is written past the rows that are there
            REQUIRE(agree(t, expected, packed));

            auto sum = before, expected_sum = before;  // a sum is what was there plus the product, to the bit
            for (std::size_t i = 0; i < sum.size(); ++i) expected_sum[i] += packed[i];
            m.output = sum.data(), m.output_stride = rows, m.how = epilogue::add;
            t.formats[index].matmul(m);
            REQUIRE(sum == expected_sum);
            m.how = epilogue::replace;

            std::vector<float> unpacked(tokens * rows, 99.0f);  // and rows as a file holds them give the same bits
            m.output = unpacked.data();
            m.groups = nullptr, m.stored = w.stored(), m.row_bytes = w.row_bytes;
            t.formats[index].matmul(m);
            REQUIRE(unpacked == packed);
          });
        }
      }
    }
  });
}

TEST_CASE("sums are multiplied by their weight's scale and rounded, and then go where the epilogue says, like the reference") {
  constexpr std::size_t rows = 35, columns = 256;
  for_each_format([&]<class Q>(std::type_identity<Q>) {
    const sample_weight<Q> w(rows, columns, 3);
    for (std::size_t tokens : {1, 5, 20}) {
      const auto input = make_input<Q>(gaussian(tokens * columns, 11), columns, tokens);
      for (const epilogue how : {epilogue::replace, epilogue::add, epilogue::gate}) {
        const auto run = [&](const auto& matmul, float scale, std::vector<float> out) {
          matmul_args m = w.product(input, tokens, out.data());
          m.how = how, m.scale = scale;
          matmul(m);
          return out;
        };
        const auto before = gaussian(tokens * rows, 5);
        const auto expected = run(reference::matmul<Q>, 0.3f, before), plain = run(reference::matmul<Q>, 1, before);
        for (std::size_t i = 0; i < before.size() && how == epilogue::add; ++i) {
          REQUIRE(expected[i] == doctest::Approx(before[i] + 0.3 * (double(plain[i]) - before[i])).epsilon(1e-5).scale(1));
        }
        for_each_table([&](const kernel_table& t) {
          const auto& matmul = t.formats[index_of<Q, quant_formats>].matmul;
          REQUIRE(agree(t, expected, run(matmul, 0.3f, before)));
          REQUIRE(agree(t, plain, run(matmul, 1, before)));
        });
      }
    }
  });
}

TEST_CASE("the largest levels and activations do not overflow the short sums, of one token, of some and of many") {
  for_each_table([](const kernel_table& t) {
    for_each_format([&]<class Q>(std::type_identity<Q>) {
      if constexpr (integer_format<Q>) {
        sample_weight<Q> w(16, 256, 1);
        for (const std::uint8_t extreme : extreme_codes<Q>()) {
          set_codes(w, extreme);
          for (float sign : {1.0f, -1.0f}) {
            for (std::size_t tokens : {1, 4, 20}) {
              const auto input = largest_input<Q>(sign, 256, tokens);
              std::vector<float> expected(16 * tokens), found(16 * tokens);
              matmul_args m = w.product(input, tokens, expected.data());
              reference::matmul<Q>(m);
              m.output = found.data();
              t.formats[index_of<Q, quant_formats>].matmul(m);
              REQUIRE(agree(t, expected, found));
            }
          }
        }
      }
    });
  });
}

TEST_CASE("scales that are floats of 8 bits have the reference's value, whatever byte they are") {
  sample_weight<nvfp4> w(64, 64, 3);
  for (std::size_t i = 0; i < 256; ++i) w.blocks[i / 4].scale[i % 4] = static_cast<std::uint8_t>(i);
  for (std::size_t g = 0; g < w.groups; ++g) {
    pack_group<nvfp4>(w.stored() + g * panel_rows * w.row_bytes, panel_rows, w.row_bytes, w.columns, w.panels + g * w.bytes);
  }
  for (std::size_t tokens : {1, 20}) {
    const auto input = make_input<nvfp4>(gaussian(tokens * w.columns, 5), w.columns, tokens);
    std::vector<float> expected(tokens * w.rows), found(tokens * w.rows);
    matmul_args m = w.product(input, tokens, expected.data());
    reference::matmul<nvfp4>(m);
    m.output = found.data();
    for_each_table([&](const kernel_table& t) {
      t.formats[index_of<nvfp4, quant_formats>].matmul(m);
      REQUIRE(agree(t, expected, found));
    });
  }
}

TEST_CASE("a token's result has the same bits alone, in any batch, and for any split of the rows") {
  for_each_table([](const kernel_table& t) {
    for_each_format([&]<class Q>(std::type_identity<Q>) {
      constexpr std::size_t rows = 48, columns = 512, tokens = 135;
      const sample_weight<Q> w(rows, columns, 5);
      const auto x = gaussian(tokens * columns, 13);
      std::vector<float> whole(tokens * rows), parts(tokens * rows);
      const auto run = [&](std::size_t token, std::size_t count, std::size_t first, std::size_t last, float* out) {
        const auto from = x.begin() + std::ptrdiff_t(token * columns), to = from + std::ptrdiff_t(count * columns);
        const auto input = make_input<Q>({from, to}, columns, count);
        matmul_args m = w.product(input, count, out + token * rows);
        m.first = first, m.last = last;
        t.formats[index_of<Q, quant_formats>].matmul(m);
      };
      run(0, tokens, 0, 3, whole.data());
      for (std::size_t batch : {1, 3, 4, 8, 11, 64}) {
        for (std::size_t token = 0; token < tokens; token += batch) {
          const std::size_t count = std::min(batch, tokens - token);
          run(token, count, 1, 3, parts.data());
          run(token, count, 0, 1, parts.data());  // and writes no row but its own
        }
        REQUIRE(std::memcmp(whole.data(), parts.data(), whole.size() * sizeof(float)) == 0);
      }
    });
  });
}

namespace {
/// x = f(x) * up, by a product whose one column of weights is `up`.
void gate(const kernel_table& t, std::vector<float>& x, const std::vector<float>& up, activation f) {
  const std::size_t rows = x.size(), groups = (rows + panel_rows - 1) / panel_rows;
  std::vector<float> panels(groups * panel_rows);
  std::copy(up.begin(), up.end(), panels.begin());
  const float one = 1;
  const matmul_args m{.last = groups,
                      .input = &one,
                      .input_stride = 1,
                      .tokens = 1,
                      .output = x.data(),
                      .output_stride = rows,
                      .how = epilogue::gate,
                      .gate = f,
                      .rows = rows,
                      .columns = 1,
                      .groups = reinterpret_cast<const std::byte*>(panels.data()),
                      .group_bytes = panel_rows * sizeof(float)};
  t.formats[index_of<f32, quant_formats>].matmul(m);
}
}  // namespace

TEST_CASE("every target gates rows by a product like the reference, for any number of rows") {
  for_each_table([](const kernel_table& t) {
    for (activation f : every_activation) {
      for (std::size_t rows = 1; rows <= 35; ++rows) {
        const auto up = gaussian(rows, unsigned(rows) + 100);
        auto expected = gaussian(rows, unsigned(rows), 4), found = expected;
        gate(reference::table, expected, up, f);
        gate(t, found, up, f);
        REQUIRE(agree(t, expected, found));
      }
    }
  });
}

TEST_CASE("gates do not overflow at extreme inputs") {
  for_each_table([](const kernel_table& t) {
    for (activation f : {activation::silu, activation::gelu_tanh, activation::gelu}) {
      std::vector<float> x{-1e30f, -200.0f, -90.0f, 0.0f, 90.0f, 200.0f, 1e12f, -1e12f};
      const auto before = x;
      gate(t, x, std::vector<float>(x.size(), 1.0f), f);
      for (std::size_t i = 0; i < x.size(); ++i) {
        if (before[i] > 0) CHECK(x[i] == doctest::Approx(before[i]));
        if (before[i] <= 0) CHECK(std::fabs(x[i]) < 1e-6f);
      }
    }
  });
}
