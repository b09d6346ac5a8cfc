/// map, zip, fold: a user's lambda over all elements of views, several at a time where the processor can.
///
/// The lambda is generic: it is called with batches of xsimd for the bulk of each row and with plain numbers for its tail, so
/// write it with operators and with functions that both understand (`using std::exp; return exp(x)` finds xsimd's by its
/// argument). Arch is a template parameter, so that files compiled for different processors stay apart.
#pragma once

#include <cstddef>
#include <span>
#include <type_traits>
#include <utility>
#include <xsimd/xsimd.hpp>

#include "nibble/error.hpp"
#include "nibble/tensor/view.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

namespace detail {

/// Elements of T that a batch holds, 1 where there are no batches.
template <class T, class Arch>
constexpr std::size_t batch_width() noexcept {
  if constexpr (std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) {
    if constexpr (xsimd::types::has_simd_register<T, Arch>::value) return xsimd::batch<T, Arch>::size;
  }
  return 1;
}

/// out[i] = f(in[i]...) for rows whose elements lie side by side.
template <class Arch, class Out, class F, class... In>
void map_dense(std::size_t n, F& f, Out* out, const In*... in) {
  std::size_t i = 0;
  if constexpr ((std::is_same_v<Out, In> && ...) && batch_width<Out, Arch>() > 1) {
    using batch = xsimd::batch<Out, Arch>;
    for (; n - i >= batch::size; i += batch::size) {
      const batch value = f(batch::load_unaligned(in + i)...);
      value.store_unaligned(out + i);
    }
  }
  for (; i < n; ++i) out[i] = static_cast<Out>(f(in[i]...));
}

/// Calls row(pointers...) for the start of each innermost row, in order.
template <std::size_t Rank, class F, class... Views>
void for_each_row(const shape<Rank>& extents, F&& row, const Views&... views) {
  for (const std::size_t extent : extents)
    if (extent == 0) return;
  shape<Rank> at{};  // the innermost index stays 0
  const auto start = [&at](const auto& view) {
    std::size_t offset = 0;
    for (std::size_t d = 0; d + 1 < Rank; ++d) offset += at[d] * view.strides()[d];
    return view.data() + offset;
  };
  for (;;) {
    row(start(views)...);
    std::size_t d = Rank - 1;  // counts up the outer indices, the last of them fastest
    while (d > 0 && ++at[d - 1] == extents[d - 1]) at[--d] = 0;
    if (d == 0) return;
  }
}

template <class Arch, std::size_t Rank, class Out, class F, class... In>
void map_views(F& f, tensor_view<Out, Rank> out, tensor_view<const In, Rank>... in) {
  NIBBLE_ASSERT(((in.extents() == out.extents()) && ...));
  constexpr std::size_t inner = Rank - 1;
  const std::size_t n = out.extent(inner);
  const bool dense = out.strides()[inner] == 1 && ((in.strides()[inner] == 1) && ...);
  const auto row = [&](Out* to, const In*... from) {
    if (dense) return map_dense<Arch>(n, f, to, from...);
    for (std::size_t i = 0; i < n; ++i) to[i * out.strides()[inner]] = static_cast<Out>(f(from[i * in.strides()[inner]]...));
  };
  for_each_row(out.extents(), row, out, in...);
}

}  // namespace detail

/// x = f(x) for every element.
/// @example  nibble::map(matrix.view(), [](auto x) { return x * x + 1.0f; });
template <class Arch = xsimd::default_arch, class T, std::size_t Rank, class F>
void map(tensor_view<T, Rank> x, F f) {
  detail::map_views<Arch, Rank, T, F, T>(f, x, x);
}

/// out = f(in) for every element. @errors none; precondition: equal extents; out is in, or does not overlap it
template <class Arch = xsimd::default_arch, class T, class U, std::size_t Rank, class F>
void map(tensor_view<T, Rank> in, tensor_view<U, Rank> out, F f) {
  detail::map_views<Arch, Rank, U, F, std::remove_const_t<T>>(f, out, in);
}

/// out = f(a, b) for every element. @errors none; precondition: equal extents; out is a or b, or does not overlap them
/// @example  nibble::zip(gate.view(), up.view(), out.view(), [](auto g, auto u) { return g * u; });
template <class Arch = xsimd::default_arch, class A, class B, class U, std::size_t Rank, class F>
void zip(tensor_view<A, Rank> a, tensor_view<B, Rank> b, tensor_view<U, Rank> out, F f) {
  detail::map_views<Arch, Rank, U, F, std::remove_const_t<A>, std::remove_const_t<B>>(f, out, a, b);
}

/// f(f(first, x0), x1)... over all elements, in an order that depends on the width of a batch: for an f whose result does not
/// depend on the order, such as the greater of two.
template <class Arch = xsimd::default_arch, class T, class F>
std::remove_const_t<T> fold(std::span<T> x, std::remove_const_t<T> first, F f) {
  using element = std::remove_const_t<T>;
  element total = first;
  std::size_t i = 0;
  if constexpr (detail::batch_width<element, Arch>() > 1) {
    using batch = xsimd::batch<element, Arch>;
    batch totals(first);
    for (; x.size() - i >= batch::size; i += batch::size) totals = f(totals, batch::load_unaligned(x.data() + i));
    element lanes[batch::size];
    totals.store_unaligned(lanes);
    for (const element lane : lanes) total = f(total, lane);
  }
  for (; i < x.size(); ++i) total = f(total, x[i]);
  return total;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
