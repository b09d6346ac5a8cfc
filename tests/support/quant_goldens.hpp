/// The published bytes of weight formats, found by the format's name, and a walk through all formats that have some.
///
/// tests/golden/quant holds 6 rows of 1024 floats, their blocks by libggml v0.5.0 (`ggml_quantize_chunk`, with and without
/// importance weights, where it can do either) and the floats that library reads from them, or the SHA-256 of these.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "nibble/core/type_list.hpp"
#include "nibble/quant/registry.hpp"
#include "support/files.hpp"

namespace nibble_test {

/// The golden of a format, "plain.q", "plain.deq.f32" and so on, in any case of letters; an empty path if there is none.
inline std::filesystem::path quant_golden(std::string_view format, std::string_view kind) {
  const auto lower = [](std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
    return text;
  };
  const std::string wanted = lower(std::string(format) + "." + std::string(kind));
  for (const auto& entry : std::filesystem::directory_iterator(golden("quant"))) {
    if (lower(entry.path().filename().string()) == wanted) return entry.path();
  }
  return {};
}

/// The floats that a format's published blocks are, as decoded here; empty where nobody has published any.
template <class Q>
std::vector<float> published_floats(std::string_view kind) {
  const auto file = quant_golden(Q::name, std::string(kind) + ".q");
  if (file.empty()) return {};
  const auto blocks = read_all<std::byte>(file);
  std::vector<float> out(blocks.size() / sizeof(typename Q::block) * Q::block_size);
  nibble::decode_row<Q>(blocks.data(), out.size(), out.data());
  return out;
}

/// Calls f(std::type_identity<Q>{}) for every registered format that rounds: all but plain numbers.
template <class F>
void for_each_rounding_format(F&& f) {
  nibble::any_type(nibble::quant_formats{}, [&]<class Q>(std::type_identity<Q> format) {
    if constexpr (!nibble::float_format<Q>) {
      INFO("format ", std::string(Q::name));
      f(format);
    }
    return false;
  });
}

/// Calls f(std::type_identity<Q>{}) for every registered integer format.
template <class F>
void for_each_integer_format(F&& f) {
  nibble::any_type(nibble::quant_formats{}, [&]<class Q>(std::type_identity<Q> format) {
    if constexpr (nibble::integer_format<Q>) {
      INFO("format ", std::string(Q::name));
      f(format);
    }
    return false;
  });
}

}  // namespace nibble_test
