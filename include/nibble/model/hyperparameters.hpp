/// hyperparameters: the metadata of one architecture, read with bounds.
#pragma once

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "nibble/error.hpp"
#include "nibble/file/limits.hpp"
#include "nibble/gguf/metadata.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Reads `<architecture>.<key>` values. The first that is missing or out of bounds is kept as the error of the whole; reading
/// goes on with a harmless value, so that a config is filled in straight lines and checked once.
///
/// @example  const auto layers = h.count("block_count", 1, 4096);
class hyperparameters {
 public:
  hyperparameters(const metadata& meta, std::string_view architecture, const limits& most)
      : meta_(meta), prefix_(std::string(architecture) + "."), most_(most) {}

  const nibble::limits& limits() const noexcept { return most_; }
  bool has(std::string_view key) const { return meta_.find(prefix_ + std::string(key)) != nullptr; }

  /// A count that must be there, within [least, most].
  std::size_t count(std::string_view key, std::uint64_t least, std::uint64_t most) {
    const auto found = meta_.try_get<std::uint64_t>(prefix_ + std::string(key));
    if (!found) return fail(found.failure()), static_cast<std::size_t>(least);
    return in_bounds(key, *found, least, most);
  }
  /// A count with a default.
  std::size_t count_or(std::string_view key, std::uint64_t fallback, std::uint64_t least, std::uint64_t most) {
    return has(key) ? count(key, least, most) : static_cast<std::size_t>(fallback);
  }
  /// A positive finite number that must be there.
  float positive(std::string_view key) {
    const auto found = meta_.try_get<float>(prefix_ + std::string(key));
    if (!found) return fail(found.failure()), 1.0f;
    if (!(*found > 0) || !std::isfinite(*found)) return reject(key, "expected a positive number", std::to_string(*found)), 1.0f;
    return *found;
  }
  float positive_or(std::string_view key, float fallback) { return has(key) ? positive(key) : fallback; }
  /// A string, or the default where there is none.
  std::string_view text_or(std::string_view key, std::string_view fallback) {
    if (!has(key)) return fallback;
    const auto found = meta_.try_get<std::string_view>(prefix_ + std::string(key));
    if (!found) return fail(found.failure()), fallback;
    return *found;
  }

  /// Says that a value contradicts another: `expected`, and what was found.
  void reject(std::string_view key, std::string_view expected, std::string_view found) {
    fail(error(errc::bad_value,
               "key '" + prefix_ + std::string(key) + "': " + std::string(expected) + ", found " + std::string(found)));
  }
  const std::optional<error>& failure() const noexcept { return failure_; }

 private:
  void fail(const error& e) {
    if (!failure_) failure_ = e;
  }
  std::size_t in_bounds(std::string_view key, std::uint64_t found, std::uint64_t least, std::uint64_t most) {
    if (found >= least && found <= most) return static_cast<std::size_t>(found);
    reject(key, "expected " + std::to_string(least) + " to " + std::to_string(most), std::to_string(found));
    return static_cast<std::size_t>(least);
  }

  const metadata& meta_;
  std::string prefix_;
  const nibble::limits& most_;
  std::optional<error> failure_;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
