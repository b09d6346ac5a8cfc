/// A small model of vectors for tests, and what is said where one is refused.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/toys.hpp"
#include "nibble/model/any_model.hpp"
#include "support/smallest_model.hpp"

namespace nibble_test {

/// A small model of vectors, of 40 letters, with what a test adds to it.
class small_embedder {
 public:
  explicit small_embedder(std::string_view architecture = "eurobert") : parts(architecture), name_(architecture) {
    set("pooling_type", 1u);
  }
  template <class T>
  small_embedder& set(const std::string& key, const T& v) {
    parts.meta.set(name_ + "." + key, value(v));
    return *this;
  }
  small_embedder& add(const std::string& name, std::vector<std::uint64_t> dims) {
    parts.tensors.push_back({name, tensor_type::f32, std::move(dims), {}});
    return *this;
  }
  std::string refusal() { return sentence(any_model::try_load(parts.bytes())); }
  any_model load(const load_options& options = {}) { return any_model::load(parts.bytes(), options); }

  template <class T>
  static std::string sentence(const result<T>& r) {
    return r ? "loaded" : r.failure().what();
  }

  nibble_test::smallest_model parts;

 private:
  std::string name_;
};
inline bool says(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }
#define CHECK_SAYS(text, part) CHECK_MESSAGE(::nibble_test::says(text, part), (text))
template <class T>
std::string refusal_of(const result<T>& r) {
  return small_embedder::sentence(r);
}

}  // namespace nibble_test
