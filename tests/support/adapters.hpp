/// Adapters that tests make in memory.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "nibble/core/rng.hpp"
#include "nibble/gguf/reader.hpp"
#include "nibble/gguf/writer.hpp"
#include "nibble/model/adapter.hpp"
#include "nibble/model/any_model.hpp"

namespace nibble_test {

/// A control vector of the first layer that can have one, of numbers that follow from a seed.
inline nibble::adapter control_vector(const nibble::any_model& model, std::uint64_t seed) {
  nibble::rng random(seed);
  std::vector<float> direction(model.width());
  for (float& x : direction) x = static_cast<float>(random.uniform() * 2 - 1);
  nibble::metadata meta;
  meta.set("general.architecture", nibble::value("controlvector"));
  nibble::gguf_writer writer(meta);
  const std::uint64_t dims[] = {direction.size()};
  writer.add("direction.1", nibble::tensor_type::f32, dims, std::as_bytes(std::span(direction)));
  const auto bytes = writer.bytes();
  return nibble::adapter::load(model, nibble::gguf_file::parse(bytes));
}

}  // namespace nibble_test
