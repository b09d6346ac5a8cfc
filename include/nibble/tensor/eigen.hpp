/// Eigen views of tensors and tensor views of Eigen's matrices, both without a copy. The only header that includes Eigen.
///
/// Sizes that disagree end a program inside Eigen (its own assert): compare extents before mixing tensors in an expression.
#pragma once

#include <Eigen/Core>
#include <cstddef>
#include <type_traits>

#include "nibble/tensor/view.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

namespace detail {
template <class T, class Plain>
using same_const = std::conditional_t<std::is_const_v<T>, const Plain, Plain>;

template <class Element, class Matrix>
auto view_of_eigen(Matrix& m) noexcept {
  if constexpr (Matrix::IsVectorAtCompileTime) {
    return tensor_view<Element, 1>(m.data(), {std::size_t(m.size())}, {std::size_t(m.innerStride())});
  } else {
    return tensor_view<Element, 2>(m.data(), {std::size_t(m.rows()), std::size_t(m.cols())},
                                   {std::size_t(m.rowStride()), std::size_t(m.colStride())});
  }
}
}  // namespace detail

/// What as_eigen() of a vector is: a column vector with a stride.
template <class T>
using eigen_vector = Eigen::Map<detail::same_const<T, Eigen::Matrix<std::remove_const_t<T>, Eigen::Dynamic, 1>>,
                                Eigen::Unaligned, Eigen::InnerStride<Eigen::Dynamic>>;

/// What as_eigen() of a matrix is: row-major, with strides for rows and columns.
template <class T>
using eigen_matrix =
    Eigen::Map<detail::same_const<T, Eigen::Matrix<std::remove_const_t<T>, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>,
               Eigen::Unaligned, Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>>;

/// The elements of a vector, for Eigen to compute with.
template <class T>
eigen_vector<T> as_eigen(tensor_view<T, 1> v) noexcept {
  return {v.data(), Eigen::Index(v.extent(0)), Eigen::InnerStride<Eigen::Dynamic>(Eigen::Index(v.strides()[0]))};
}

/// The elements of a matrix, for Eigen to compute with.
/// @example  nibble::as_eigen(out.view()) = nibble::as_eigen(a.view()) * nibble::as_eigen(b.view()).transpose();
template <class T>
eigen_matrix<T> as_eigen(tensor_view<T, 2> m) noexcept {
  const Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic> strides(Eigen::Index(m.strides()[0]), Eigen::Index(m.strides()[1]));
  return {m.data(), Eigen::Index(m.extent(0)), Eigen::Index(m.extent(1)), strides};
}

/// The elements of an Eigen matrix, array, map or block, of either storage order: rank 1 for what is a vector at compile time.
/// @errors  none; precondition: the matrix outlives the view, and keeps its size
template <class Derived>
auto view_of(Eigen::DenseBase<Derived>& matrix) noexcept {
  return detail::view_of_eigen<std::remove_pointer_t<decltype(matrix.derived().data())>>(matrix.derived());
}
template <class Derived>
auto view_of(const Eigen::DenseBase<Derived>& matrix) noexcept {
  return detail::view_of_eigen<const typename Derived::Scalar>(matrix.derived());
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
