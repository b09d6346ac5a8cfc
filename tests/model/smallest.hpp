/// How tests change, run and refuse the smallest file of an architecture.
#pragma once

#include <doctest/doctest.h>

#include <span>
#include <string>
#include <vector>

#include "model/toys.hpp"
#include "nibble/model/any_model.hpp"
#include "support/smallest_model.hpp"

namespace nibble_test {

inline floats run(smallest_model m, std::size_t chunk = 20, bool mapped = false) {
  const auto bytes = m.bytes();
  const auto model = any_model::try_load(bytes, {.threads = 1, .mapped = mapped});
  if (!model) FAIL(std::string(model.failure().what()));
  std::vector<token> ids;
  for (std::size_t i = 0; i < 20; ++i) ids.push_back(static_cast<token>(i * 7919 % 40));
  auto e = evaluator_of(*model, {.context = 90, .prefill_chunk = chunk});
  return row_after(e, ids);
}
inline smallest_model with(smallest_model m, const std::string& key, const value& v) {
  m.meta.set(key, v);
  return m;
}
inline smallest_model with_tensor(smallest_model m, const std::string& name, std::vector<std::uint64_t> dims) {
  std::erase_if(m.tensors, [&](const auto& t) { return t.name == name; });
  m.tensors.push_back({name, tensor_type::f32, std::move(dims), {}});
  return m;
}
inline void refuse(smallest_model m, const std::string& sentence) {
  const auto loaded = any_model::try_load(m.bytes(), {.threads = 1});
  REQUIRE(!loaded);
  CHECK(std::string(loaded.failure().what()) == sentence);
}
inline std::vector<std::byte> numbers(std::size_t count, float x) {
  const std::vector<float> values(count, x);
  const auto bytes = std::as_bytes(std::span(values));
  return {bytes.begin(), bytes.end()};
}

}  // namespace nibble_test
