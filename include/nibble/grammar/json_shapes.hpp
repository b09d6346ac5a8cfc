/// json_shapes: what strings, arrays and objects may look like, as data that a parser runs on.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

struct json_shapes {
  static constexpr std::uint32_t none = (std::numeric_limits<std::uint32_t>::max)();

  /// A string: the automaton of its characters, without escapes, and how many there may be. Where they are counted, the
  /// automaton takes any text.
  struct string {
    std::uint32_t start;
    std::uint32_t least = 0, most = none;
    bool remembered = false;     // its value is a hash of its characters; nothing is counted then
    std::uint32_t names = none;  // the object of which these are names that are remembered
    bool counted() const noexcept { return least > 0 || most != none; }
    friend bool operator==(const string&, const string&) = default;
  };

  /// A value that something else must be of, too: which demands it meets, and the target of those values.
  struct choice {
    std::uint32_t met;  // bits
    std::uint32_t target;
    friend bool operator==(const choice&, const choice&) = default;
  };

  /// How many values must, or may at most, meet something.
  struct demand {
    std::uint32_t least = 1, most = none;
    friend bool operator==(const demand&, const demand&) = default;
  };

  /// The values of the first places, and of all behind them. Without choices a place cannot be filled.
  struct array {
    std::vector<std::vector<choice>> first;
    std::vector<choice> rest;
    std::uint32_t least = 0, most = none;
    std::vector<demand> demands = {};
    bool set = false;        // each choice is one value, which comes once
    bool remembers = false;  // its items are remembered strings, each of which comes once
  };

  /// Keys fall into classes: the first `known` are one name each and come once, the others are any number of names. These may
  /// come twice, but where that would count: then they are remembered.
  struct object {
    std::uint32_t keys;  // the automaton of names; its tags are classes
    std::uint32_t known = 0;
    std::vector<std::vector<choice>> classes = {};  // the values of each; without choices the key is forbidden
    std::vector<std::uint32_t> required = {};       // bits of known classes
    std::uint32_t least = 0, most = none;
    std::vector<demand> demands = {};
    std::uint32_t target = 0;                                      // of its names
    std::uint32_t first_state = 0;                                 // of the automaton; `reach` has words for each from here on
    std::shared_ptr<const std::vector<std::uint32_t>> reach = {};  // bits of the classes that a name may still fall into
    bool free_names = false;                                       // any beginning of a name may become a new one
    bool remembers = false;                                        // names behind the known ones come once, too
    std::uint32_t words() const noexcept { return (static_cast<std::uint32_t>(classes.size()) + 31) / 32; }
    std::uint32_t seen_words() const noexcept { return (known + 31) / 32; }
    std::uint32_t others() const noexcept { return static_cast<std::uint32_t>(classes.size()) - known; }
    /// The value of a name: its class, or what tells it from the others that fall into its class.
    std::uint32_t value_of(std::uint32_t key_class, std::uint32_t hash) const noexcept {
      if (!remembers || key_class < known) return key_class;
      return known + hash % ((none - known) / others() - 1) * others() + (key_class - known);
    }
    std::uint32_t class_of(std::uint32_t value) const noexcept {
      return !remembers || value < known ? value : known + (value - known) % others();
    }
  };

  std::uint32_t spaces = 80;      // in a row, between the parts of a value
  std::uint32_t any_text = none;  // the automaton of all texts, which has one state
  std::vector<string> strings;
  std::vector<array> arrays;
  std::vector<object> objects;
};

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
