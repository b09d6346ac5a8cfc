/// layer_of: the layer that a tensor belongs to, by its name.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// The layer of "blk.<layer>.<rest>", or nothing.
inline std::optional<std::size_t> layer_of(std::string_view tensor) noexcept {
  if (!tensor.starts_with("blk.")) return std::nullopt;
  const char* const end_of_name = tensor.data() + tensor.size();
  std::uint32_t layer = 0;
  const auto [end, failed] = std::from_chars(tensor.data() + 4, end_of_name, layer);
  if (failed != std::errc() || end == end_of_name || *end != '.') return std::nullopt;
  return layer;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
