/// Weights: every view, stack and storage gives the same numbers, and a format that the kernels do not know brings its own.
#include "nibble/kernels/weight.hpp"

#include <doctest/doctest.h>

#include <cstring>

#include "kernels/samples.hpp"
#include "support/codebook_format.hpp"

using namespace nibble;
using namespace nibble_test;

namespace {

/// A stack of random matrices, as a file holds it and in panels.
template <class Q>
struct sample_stack {
  sample_weight<Q> rows_of_all;
  aligned_buffer panels;
  weight stored, packed;

  sample_stack(std::size_t rows, std::size_t columns, std::size_t matrices)
      : rows_of_all(rows * matrices, columns, 3),
        panels(*aligned_buffer::try_allocate(weight::packed_bytes(format_of<Q>, rows, columns, matrices))),
        stored(weight::stored(format_of<Q>, rows_of_all.stored(), rows, columns, matrices)),
        packed(weight::packed(format_of<Q>, panels.data(), rows, columns, matrices)) {
    for (std::size_t g = 0; g < matrices * stored.groups(); ++g) {
      stored.pack_group(kernels(), g, panels.data() + g * format_of<Q>.group_bytes(columns));
    }
  }
};

std::vector<float> row_of(const weight& w, std::size_t row) {
  std::vector<float> out(w.columns());
  w.decode_row(kernels(), row, out.data());
  return out;
}
std::vector<float> product(const weight& w, const std::vector<std::byte>& input, std::size_t tokens) {
  std::vector<float> out(tokens * w.rows());
  w.multiply(kernels(), {.last = w.groups(),
                         .input = input.data(),
                         .input_stride = w.columns(),
                         .tokens = tokens,
                         .output = out.data(),
                         .output_stride = w.rows()});
  return out;
}

}  // namespace

TEST_CASE("a matrix of a stack is a weight of its own, packed or as a file holds it") {
  const std::size_t rows = 37, columns = 256, matrices = 3, tokens = 3;
  for_each_format([&]<class Q>(std::type_identity<Q>) {
    const sample_stack<Q> stack(rows, columns, matrices);
    CHECK(stack.packed.matrices() == matrices);
    CHECK(stack.packed.groups() == 3);
    const auto input = make_input<Q>(gaussian(tokens * columns, 5), columns, tokens);
    const auto all = weight::stored(format_of<Q>, stack.rows_of_all.stored(), rows * matrices, columns);
    const auto expected = product(all, input, tokens);
    for (std::size_t i = 0; i < matrices; ++i) {
      for (const weight& w : {stack.packed.matrix(i), stack.stored.matrix(i)}) {
        CHECK(w.matrices() == 1);
        for (std::size_t row = 0; row < rows; ++row) CHECK(row_of(w, row) == row_of(all, i * rows + row));
        const auto found = product(w, input, tokens);
        for (std::size_t t = 0; t < tokens; ++t) {
          CHECK(std::memcmp(found.data() + t * rows, expected.data() + (t * matrices + i) * rows, rows * sizeof(float)) == 0);
        }
      }
    }
  });
}

TEST_CASE("a weight may have a factor, each matrix of a stack its own: products are multiplied by it, and rows") {
  const std::size_t rows = 37, columns = 256, tokens = 3;
  const std::vector<float> scales{0.3f, -2};
  for_each_format([&]<class Q>(std::type_identity<Q>) {
    const sample_stack<Q> stack(rows, columns, 2);
    const auto input = make_input<Q>(gaussian(tokens * columns, 5), columns, tokens);
    for (const weight& whole : {stack.packed, stack.stored}) {
      for (std::size_t i = 0; i < 2; ++i) {
        const weight plain = whole.matrix(i), scaled = whole.scaled_by(scales.data()).matrix(i);
        const auto by = [&](std::vector<float> x) {
          for (float& v : x) v *= scales[i];
          return x;
        };
        CHECK(product(scaled, input, tokens) == by(product(plain, input, tokens)));
        for (std::size_t row = 0; row < rows; ++row) CHECK(row_of(scaled, row) == by(row_of(plain, row)));
        const auto second = product(plain.row_groups(1, 1), input, tokens);
        CHECK(product(scaled.row_groups(1, 1), input, tokens) == by(second));
      }
    }
  });
}

TEST_CASE("groups of rows are a weight of their own, to the last row that is not padding") {
  const std::size_t rows = 37, columns = 256;
  for_each_format([&]<class Q>(std::type_identity<Q>) {
    const sample_stack<Q> stack(rows, columns, 2);
    for (const weight& whole : {stack.packed.matrix(1), stack.stored.matrix(1)}) {
      const weight part = whole.row_groups(1, 2), first = whole.row_groups(0, 1);
      CHECK(first.rows() == 16);
      CHECK(part.rows() == 21);
      CHECK(part.columns() == columns);
      for (std::size_t row = 0; row < part.rows(); ++row) CHECK(row_of(part, row) == row_of(whole, 16 + row));
    }
  });
}

TEST_CASE("a plan's weight has a shape and no memory") {
  const weight w = weight::packed(format_of<q4_k>, nullptr, 100, 512, 4);
  CHECK_FALSE(w.empty());
  CHECK(w.matrix(3).row_groups(2, 1).rows() == 16);
  CHECK(weight::packed_bytes(format_of<q4_k>, 100, 512, 4) == 4 * 7 * group_bytes<q4_k>(512));
  CHECK(weight{}.empty());
}

TEST_CASE("formats are found by their type, a user's own as well, and only in the list that has them") {
  any_type(quant_formats{}, []<class Q>(std::type_identity<Q>) {
    const format_info* found = find_format(Q::type);
    REQUIRE(found == &format_of<Q>);
    CHECK(found->name == Q::name);
    CHECK(found->row_bytes(Q::block_size * 3) == 3 * sizeof(typename Q::block));
    CHECK(found->group_bytes(512) == group_bytes<Q>(512));
    CHECK(found->input == input_format<Q>);
    CHECK(&found->kernels(kernels()) == &kernels().formats[index_of<Q, quant_formats>]);
    return false;
  });
  CHECK(find_format(codebook_sample::type) == nullptr);
  CHECK(find_format<append<quant_formats, codebook_sample>>(codebook_sample::type) == &format_of<codebook_sample>);
  CHECK(&format_of<codebook_sample>.kernels(kernels()) == &reference_kernels<codebook_sample>);
}

TEST_CASE("a format that the kernels do not know multiplies all the same") {
  constexpr std::size_t rows = 37, columns = 256, tokens = 9;
  const sample_stack<codebook_sample> own(rows, columns, 1);
  const auto x = gaussian(tokens * columns, 5);
  const auto packed = product(own.packed, make_input<codebook_sample>(x, columns, tokens), tokens);
  CHECK(product(own.stored, make_input<codebook_sample>(x, columns, tokens), tokens) == packed);
  std::vector<float> expected(tokens * rows);
  for (std::size_t row = 0; row < rows; ++row) {
    const auto w = row_of(own.packed, row);
    CHECK(row_of(own.stored, row) == w);
    for (std::size_t t = 0; t < tokens; ++t) {
      double sum = 0;
      for (std::size_t k = 0; k < columns; ++k) sum += double(w[k]) * x[t * columns + k];
      expected[t * rows + row] = float(sum);
    }
  }
  CHECK(relative_error(expected, packed) < 0.01);  // activations in 8 bits
}
