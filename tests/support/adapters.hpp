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
#include "support/smallest_model.hpp"

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

/// A product of two narrow matrices beside one of the model's, of numbers that follow from a seed.
inline nibble::adapter low_rank(const nibble::any_model& model, const smallest_model::tensor& beside, std::uint64_t seed) {
  constexpr std::uint64_t rank = 3;
  nibble::rng random(seed);
  nibble::metadata meta;
  meta.set("general.type", nibble::value("adapter"));
  meta.set("general.architecture", nibble::value(model.architecture_name()));
  meta.set("adapter.type", nibble::value("lora"));
  meta.set("adapter.lora.alpha", nibble::value(6.0f));
  nibble::gguf_writer writer(meta);
  std::vector<float> first(beside.dims[0] * rank), second(beside.dims[1] * rank);
  for (std::vector<float>* numbers : {&first, &second})
    for (float& x : *numbers) x = static_cast<float>(random.uniform() - 0.5);
  const std::uint64_t narrow[] = {beside.dims[0], rank}, wide[] = {rank, beside.dims[1]};
  writer.add(beside.name + ".lora_a", nibble::tensor_type::f32, narrow, std::as_bytes(std::span(first)));
  writer.add(beside.name + ".lora_b", nibble::tensor_type::f32, wide, std::as_bytes(std::span(second)));
  const auto bytes = writer.bytes();
  return nibble::adapter::load(model, nibble::gguf_file::parse(bytes));
}

}  // namespace nibble_test
