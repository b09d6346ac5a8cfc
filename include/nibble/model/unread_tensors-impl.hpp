/// Definitions of model/tensor_source.hpp, compiled once: tensors that an architecture does not read, and which of them do
/// harm.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/model/tensor_source.hpp"
#include "nibble/quant/registry.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

void tensor_source::ignore(std::string_view beginning) {
  for (std::size_t i = 0; i < read_.size(); ++i) {
    if (file_.tensors()[i].name.starts_with(beginning)) read_[i] = true;
  }
}
void tensor_source::ignore_layers(std::size_t first, std::size_t count) {
  for (std::size_t i = 0; i < read_.size() && count > 0; ++i) {
    const auto layer = layer_of(file_.tensors()[i].name);
    if (layer && *layer >= first && *layer - first < count) read_[i] = true;
  }
}

void tensor_source::refuse_unread(std::string_view architecture, const limits& most) {
  if (failure_) return;
  const tensor_info* first = nullptr;
  std::size_t count = 0;
  for (std::size_t i = 0; i < read_.size(); ++i) {
    const tensor_info& info = file_.tensors()[i];
    if (read_[i] || is_harmless(info, most)) continue;
    if (count++ == 0) first = &info;
  }
  if (!first) return;
  fail(errc::unread_tensor, first->name,
       std::string(architecture) + " does not read this tensor" +
           (count > 1 ? ", nor " + std::to_string(count - 1) + " others" : std::string()) +
           ": without it, the results would not be the model's");
}

bool tensor_source::is_harmless(const tensor_info& info, const limits& most) {
  for (const std::string_view part : {"v.", "a.", "mm."}) {
    if (info.name.starts_with(part)) return true;
  }
  if (info.name.ends_with(".attn_rot_embd.weight")) return true;
  constexpr std::string_view of_activations = ".input_scale";
  if (info.name.ends_with(of_activations)) {
    return has(std::string(info.name.substr(0, info.name.size() - of_activations.size())) + ".weight");
  }
  const bool is_bias = info.name.ends_with(".bias"), is_factors = info.name == "rope_freqs.weight";
  if (info.n_dims != 1 || (!is_bias && !is_factors)) return false;
  if (info.dims[0] > std::max({most.width, most.hidden, most.vocabulary})) return false;
  return all_are(info, is_bias ? 0.0f : 1.0f);
}

/// Whether a vector of F32, F16 or BF16 repeats one number. Looks as far as it does, a few numbers at a time.
bool tensor_source::all_are(const tensor_info& info, float number) {
  constexpr std::size_t at_once = 4096;
  bool all = false;
  visit_format(info.type, [&]<class Q>(std::type_identity<Q>) {
    if constexpr (float_format<Q>) {
      std::array<float, at_once> numbers;
      std::vector<std::byte> copy;
      const auto n = static_cast<std::size_t>(info.dims[0]);
      all = true;
      for (std::size_t at = 0; all && at < n; at += at_once) {
        const std::size_t count = std::min(at_once, n - at);
        const std::byte* bytes = part_of(info, at * sizeof(typename Q::block), count * sizeof(typename Q::block), copy);
        if (bytes) decode_row<Q>(bytes, count, numbers.data());
        all = bytes && std::all_of(numbers.data(), numbers.data() + count, [&](float x) { return x == number; });
      }
    }
  });
  return all;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
