// Tensors without a model: your own lambdas over them, and Eigen's linear algebra in the same memory.
//
// A gated feed-forward layer by hand, then its weights recovered from inputs and outputs by least squares.
#include <Eigen/QR>
#include <cmath>
#include <iostream>
#include <nibble/core/rng.hpp>
#include <nibble/tensor/eigen.hpp>
#include <nibble/tensor/map.hpp>
#include <nibble/tensor/tensor.hpp>

using nibble::as_eigen;
using matrix = nibble::tensor<float, 2>;

matrix random_matrix(std::size_t rows, std::size_t columns, nibble::rng& random) {
  auto made = matrix::create({rows, columns});  // zeroed and aligned; try_create returns an error instead of throwing one
  for (float& x : made.elements()) x = float(random.uniform() - 0.5);
  return made;
}

int main() {
  nibble::rng random(1);
  const std::size_t tokens = 200, width = 24, hidden = 48;
  const auto x = random_matrix(tokens, width, random);
  const auto gate = random_matrix(hidden, width, random), up = random_matrix(hidden, width, random),
             down = random_matrix(width, hidden, random);

  // Eigen computes in the tensors' own memory: nothing is copied
  auto g = matrix::create({tokens, hidden}), u = matrix::create({tokens, hidden}), y = matrix::create({tokens, width});
  as_eigen(g.view()) = as_eigen(x.view()) * as_eigen(gate.view()).transpose();
  as_eigen(u.view()) = as_eigen(x.view()) * as_eigen(up.view()).transpose();

  // your lambda sees several numbers at once (xsimd batches), and single ones at the end of a row
  nibble::map(g.view(), [](auto v) {
    using std::exp;
    return v / (1.0f + exp(-v));
  });
  nibble::zip(g.view(), u.view(), g.view(), [](auto a, auto b) { return a * b; });
  as_eigen(y.view()) = as_eigen(g.view()) * as_eigen(down.view()).transpose();

  // views are cheap: a slice of columns, a row, a transpose; Eigen honours their strides
  const auto first_columns = y.view().slice(1, 0, 4);
  std::cout << "the first outputs of token 7: " << as_eigen(first_columns.row(7)).transpose() << '\n';

  // least squares: which matrix takes g to y? the one we began with
  const Eigen::MatrixXf solved = as_eigen(g.view()).householderQr().solve(as_eigen(y.view()));
  const float error = (solved.transpose() - as_eigen(down.view())).cwiseAbs().maxCoeff();
  std::cout << "weights recovered to within " << error << '\n';

  // and the other way: a view of what Eigen owns
  const auto seen = nibble::view_of(solved);
  std::cout << "shape " << nibble::text_of(seen.extents()) << ", strides " << nibble::text_of(seen.strides()) << '\n';
  return error < 1e-3f ? 0 : 1;
}
