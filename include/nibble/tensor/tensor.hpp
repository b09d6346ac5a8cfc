/// tensor: an owning, dense, cache-line aligned tensor of plain numbers.
#pragma once

#include <cstddef>
#include <cstring>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>

#include "nibble/core/aligned.hpp"
#include "nibble/core/checked.hpp"
#include "nibble/error.hpp"
#include "nibble/tensor/shape.hpp"
#include "nibble/tensor/view.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Row-major elements of a trivial type, zeroed at first. Moves; copies only where try_clone() says so.
///
/// @example  auto matrix = nibble::tensor<float, 2>::create({2, 3});   // try_create without exceptions
///           matrix.at(1, 2) = 7;
///           nibble::tensor_view<const float, 2> seen = matrix.view();
template <class T, std::size_t Rank>
requires(std::is_trivially_copyable_v<T>&& std::is_trivially_destructible_v<T> && !std::is_const_v<T> &&
         alignof(T) <= cache_line && (Rank > 0)) class tensor {
 public:
  using value_type = T;
  static constexpr std::size_t rank = Rank;

  tensor() noexcept = default;
  tensor(tensor&& other) noexcept
      : bytes_(std::move(other.bytes_)), view_(std::exchange(other.view_, tensor_view<T, Rank>())) {}
  tensor& operator=(tensor&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    std::swap(view_, other.view_);
    return *this;
  }

  /// @errors  out_of_memory, also where the product of the extents does not fit
  /// @cost    O(size): the elements are written once
  static result<tensor> try_create(const shape<Rank>& extents) {
    const auto count = element_count(extents);
    if (!count || *count > std::numeric_limits<std::size_t>::max() / sizeof(T))
      return error(errc::out_of_memory, "tensor " + text_of(extents) + ": more elements than memory can hold");
    auto bytes = aligned_buffer::try_allocate(product_of_sizes(*count, sizeof(T)));
    if (!bytes) return std::move(bytes).failure().in("tensor " + text_of(extents));
    tensor made;
    made.bytes_ = std::move(*bytes);
    made.view_ = {reinterpret_cast<T*>(made.bytes_.data()), extents};
    return made;
  }
  /// @errors  as try_create
  result<tensor> try_clone() const {
    auto copy = try_create(extents());
    if (copy && bytes_.size() != 0) std::memcpy(copy->bytes_.data(), bytes_.data(), bytes_.size());
    return copy;
  }
#if NIBBLE_EXCEPTIONS
  static tensor create(const shape<Rank>& extents) { return try_create(extents).value(); }
  tensor clone() const { return try_clone().value(); }
#endif

  /// A view of all of it.
  tensor_view<T, Rank> view() & noexcept { return view_; }
  tensor_view<const T, Rank> view() const& noexcept { return view_; }
  tensor_view<const T, Rank> view() const&& = delete;
  /// A view of all of it.
  operator tensor_view<T, Rank>() noexcept { return view_; }
  operator tensor_view<const T, Rank>() const noexcept { return view_; }

  T* data() noexcept { return view_.data(); }
  const T* data() const noexcept { return view_.data(); }
  /// Elements in each dimension, the slowest first.
  const shape<Rank>& extents() const noexcept { return view_.extents(); }
  std::size_t extent(std::size_t dimension) const noexcept { return view_.extent(dimension); }
  std::size_t size() const noexcept { return view_.size(); }
  bool empty() const noexcept { return view_.empty(); }
  std::span<T> elements() & noexcept { return {data(), size()}; }
  std::span<const T> elements() const& noexcept { return {data(), size()}; }
  std::span<const T> elements() const&& = delete;

  /// Element access as in tensor_view.
  template <class... Index>
  T& at(Index... index) {
    return view().at(index...);
  }
  template <class... Index>
  const T& at(Index... index) const {
    return view().at(index...);
  }
  auto row(std::size_t index) & requires(Rank > 1) { return view().row(index); }
  auto row(std::size_t index) const& requires(Rank > 1) { return view().row(index); }
  auto row(std::size_t index) const&& = delete;

 private:
  aligned_buffer bytes_;
  tensor_view<T, Rank> view_;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
