/// hyperparameters: the metadata of one architecture, read with bounds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/error.hpp"
#include "nibble/file/limits.hpp"
#include "nibble/gguf/metadata.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Reads values whose keys begin with the name of the architecture. The first that is missing or out of bounds is kept as the
/// error of the whole; reading goes on with a harmless value, so that a config is filled in straight lines and checked once.
///
/// It remembers which keys were read: one that changes the results of models that have it, and that this architecture did not
/// ask for, ends in an error, see refuse_unread().
/// @example  const auto layers = h.count("block_count", 1, 4096);
class hyperparameters {
 public:
  /// Both must outlive it.
  hyperparameters(const metadata& meta, std::string_view architecture, const nibble::limits& most);
  hyperparameters(const metadata&&, std::string_view, const nibble::limits&) = delete;
  hyperparameters(const metadata&, std::string_view, const nibble::limits&&) = delete;

  /// What a file may ask for.
  const nibble::limits& limits() const noexcept { return most_; }
  /// Whether the file has a key. Asking is not reading.
  bool has(std::string_view key) const;
  /// Says that a key must be there, whatever its value is.
  void need(std::string_view key);

  /// A count that must be there, within [least, most].
  std::size_t count(std::string_view key, std::uint64_t least, std::uint64_t most);
  /// A count with a default.
  std::size_t count_or(std::string_view key, std::uint64_t fallback, std::uint64_t least, std::uint64_t most);
  /// A count with a default, under a key that is not the architecture's alone: its whole name.
  std::size_t count_of_any_or(std::string_view name, std::uint64_t fallback, std::uint64_t least, std::uint64_t most);
  /// A count for each of n layers, that must be there: one number for all, or an array with a number for each.
  std::vector<std::size_t> counts(std::string_view key, std::size_t n, std::uint64_t least, std::uint64_t most);
  /// A positive finite number that must be there.
  float positive(std::string_view key);
  float positive_or(std::string_view key, float fallback);
  /// The same, or 0, by which files turn off what the number is for.
  float positive_or_zero(std::string_view key, float fallback);
  /// A positive factor; 0, by which files turn it off, is 1.
  float factor_or(std::string_view key, float fallback) {
    const float found = positive_or_zero(key, fallback);
    return found > 0 ? found : 1;
  }
  /// A positive finite number that files write under one of several names: those that are there have to agree.
  float positive_of(std::initializer_list<std::string_view> keys, float fallback);
  /// A finite number, of any sign.
  float number_or(std::string_view key, float fallback);
  /// A finite number for each of n layers, that must be there, of a key without the architecture's name before it.
  std::vector<float> shared_numbers(const std::string& key, std::size_t n);
  /// A flag that must be there, or may be.
  bool flag(std::string_view key);
  bool flag_or(std::string_view key, bool fallback);
  /// A flag for each of n layers, where the key holds an array of any kind; nothing where it does not. Files may have flags for
  /// the `drafts` blocks behind the layers, too.
  std::optional<std::vector<bool>> flags_or_none(std::string_view key, std::size_t n, std::size_t drafts = 0);
  /// How many elements an array has; 0 where there is none.
  std::size_t elements(std::string_view key);
  /// A string, or the default where there is none.
  std::string_view text_or(std::string_view key, std::string_view fallback);

  /// Says that a key is known, and that its value changes nothing here.
  void ignore(std::string_view key);
  /// Says that a value contradicts another: `expected`, and what was found, which is quoted where it is a file's own text.
  void reject(std::string_view key, std::string_view expected, std::string_view found);

  /// Refuses a file with a key that was neither read nor ignored, that changes the results of models that have it, and whose
  /// value is not the one that changes nothing (a scale of 1, a cap of 0, ...).
  ///
  /// The keys are a list. Keys that are not in it pass: publishers add new ones that say what a file is, not what it computes;
  /// and what a new kind of layer computes comes with tensors, see tensor_source::refuse_unread().
  /// @errors  kept: bad_value
  void refuse_unread();
  const std::optional<error>& failure() const noexcept { return failure_; }

 private:
  std::string name_of(std::string_view key) const { return prefix_ + std::string(key); }
  const value* find(std::string_view key) const;
  /// The value of a key, which is read from now on.
  template <class T>
  std::optional<T> read(std::string_view key);
  std::size_t in_bounds(std::string_view key, std::uint64_t found, std::uint64_t least, std::uint64_t most);
  float checked(std::string_view key, float found, bool may_be_zero);
  void fail(const error& e);

  const metadata& meta_;
  std::string prefix_;
  const nibble::limits& most_;
  std::vector<const value*> read_;
  std::optional<error> failure_;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
