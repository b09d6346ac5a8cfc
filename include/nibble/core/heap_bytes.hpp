/// heap_bytes: what containers have asked the allocator for, which is how a plan comes to be exact.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Bytes of a vector's elements, but not of what these point to; vector<bool> is not meant.
template <class T>
std::size_t heap_bytes(const std::vector<T>& v) noexcept {
  return v.capacity() * sizeof(T);  // fits: they are in memory
}
/// Bytes of a text and its last 0; none where they stand in the object itself.
inline std::size_t heap_bytes(const std::string& s) noexcept {
  const auto* object = reinterpret_cast<const char*>(&s);
  const auto* behind = reinterpret_cast<const char*>(&s + 1);  // fits: it is there
  const bool inside = std::less_equal<>()(object, s.data()) && std::less<>()(s.data(), behind);
  return inside ? 0 : s.capacity() + 1;  // fits: they are in memory
}
/// Bytes of a thing that counts its own; 0 of others.
template <class T>
std::size_t heap_bytes_of(const T& thing) noexcept {
  if constexpr (requires { thing.memory_bytes(); }) {
    return thing.memory_bytes();
  } else {
    return 0;
  }
}

/// std::allocator, that adds up what it is asked for: for std::allocate_shared, of which nobody knows what it keeps beside an
/// object. The sum must stay only as long as something is allocated.
template <class T>
struct counting_allocator {
  using value_type = T;
  explicit counting_allocator(std::size_t& sum) noexcept : bytes(&sum) {}
  template <class U>
  counting_allocator(const counting_allocator<U>& other) noexcept : bytes(other.bytes) {}
  T* allocate(std::size_t n) {
    T* memory = std::allocator<T>().allocate(n);
    *bytes += n * sizeof(T);  // fits: it is in memory
    return memory;
  }
  void deallocate(T* memory, std::size_t n) noexcept { std::allocator<T>().deallocate(memory, n); }
  template <class U>
  bool operator==(const counting_allocator<U>&) const noexcept {
    return true;
  }

  std::size_t* bytes;
};

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
