/// tensor_view: elements of someone else's memory, seen as a tensor.
#pragma once

#include <cstddef>
#include <span>
#include <type_traits>

#include "nibble/core/checked.hpp"
#include "nibble/error.hpp"
#include "nibble/tensor/shape.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// A pointer, extents and strides (in elements). Copies are cheap and see the same elements; constness is that of T.
///
/// Indices out of range are the caller's bug: free in release, an error under NIBBLE_CHECKED.
/// @example  std::array<float, 6> numbers{0, 1, 2, 3, 4, 5};
///           nibble::tensor_view<float, 2> matrix(numbers.data(), {2, 3});
///           matrix.at(1, 2) = 7;                     // the last number
///           auto column = matrix.slice(1, 0, 1);     // (2, 1), stride 3
///           for (float& x : matrix.row(0).elements()) x *= 2;
template <class T, std::size_t Rank>
requires(Rank > 0) class tensor_view {
 public:
  using element_type = T;
  using value_type = std::remove_cv_t<T>;
  static constexpr std::size_t rank = Rank;

  constexpr tensor_view() noexcept = default;
  /// Dense, row-major.
  constexpr tensor_view(T* data, const shape<Rank>& extents) noexcept
      : data_(data), extents_(extents), strides_(row_major_strides(extents)) {}
  constexpr tensor_view(T* data, const shape<Rank>& extents, const shape<Rank>& strides) noexcept
      : data_(data), extents_(extents), strides_(strides) {}
  constexpr tensor_view(std::span<T> elements) noexcept requires(Rank == 1) : tensor_view(elements.data(), {elements.size()}) {}
  constexpr operator tensor_view<const T, Rank>() const noexcept requires(!std::is_const_v<T>) {
    return {data_, extents_, strides_};
  }

  constexpr T* data() const noexcept { return data_; }
  /// Elements in each dimension, the slowest first, and how far apart they stand.
  constexpr const shape<Rank>& extents() const noexcept { return extents_; }
  constexpr const shape<Rank>& strides() const noexcept { return strides_; }
  constexpr std::size_t extent(std::size_t dimension) const noexcept { return extents_[dimension]; }
  /// How many elements are seen; largest_size where that does not fit.
  constexpr std::size_t size() const noexcept {
    std::size_t count = 1;
    for (const std::size_t extent : extents_) count = product_of_sizes(count, extent);
    return count;
  }
  constexpr bool empty() const noexcept { return size() == 0; }

  /// The element at these indices, one a dimension.
  template <class... Index>
  requires(sizeof...(Index) == Rank && (std::is_integral_v<Index> && ...)) constexpr T& at(Index... index) const {
    const shape<Rank> where{static_cast<std::size_t>(index)...};
    std::size_t offset = 0;
    for (std::size_t d = 0; d < Rank; ++d) {
      NIBBLE_ASSERT(where[d] < extents_[d]);
      offset += where[d] * strides_[d];
    }
    return data_[offset];
  }

  /// What lies at one index of the first dimension.
  constexpr auto row(std::size_t index) const requires(Rank > 1) {
    NIBBLE_ASSERT(index < extents_[0]);
    shape<Rank - 1> extents{}, strides{};
    for (std::size_t d = 1; d < Rank; ++d) {
      extents[d - 1] = extents_[d];
      strides[d - 1] = strides_[d];
    }
    return tensor_view<T, Rank - 1>(data_ + index * strides_[0], extents, strides);
  }

  /// The same with one dimension narrowed to [first, first + count).
  constexpr tensor_view slice(std::size_t dimension, std::size_t first, std::size_t count) const {
    NIBBLE_ASSERT(dimension < Rank && first <= extents_[dimension] && count <= extents_[dimension] - first);
    tensor_view part = *this;
    part.data_ += count ? first * strides_[dimension] : 0;
    part.extents_[dimension] = count;
    return part;
  }

  /// The same elements with the dimensions in reverse order.
  constexpr tensor_view transposed() const noexcept {
    tensor_view turned = *this;
    for (std::size_t d = 0; d < Rank; ++d) {
      turned.extents_[d] = extents_[Rank - 1 - d];
      turned.strides_[d] = strides_[Rank - 1 - d];
    }
    return turned;
  }

  /// True if the elements lie side by side in row-major order.
  constexpr bool dense() const noexcept {
    std::size_t step = 1;
    for (std::size_t d = Rank; d-- > 0;) {
      if (extents_[d] != 1 && strides_[d] != step) return empty();
      step *= extents_[d];
    }
    return true;
  }
  /// All elements in order. @errors none; precondition: dense()
  constexpr std::span<T> elements() const {
    NIBBLE_ASSERT(dense());
    return {data_, size()};
  }

 private:
  T* data_ = nullptr;
  shape<Rank> extents_{}, strides_{};
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
