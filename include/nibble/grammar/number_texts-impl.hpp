/// The definitions behind number_texts.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/grammar/automaton-impl.hpp"
#include "nibble/grammar/number_texts.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

std::optional<decimal> decimal_of(std::string_view number) {
  decimal out;
  std::size_t at = 0;
  if (at < number.size() && number[at] == '-') out.negative = true, ++at;
  std::string digits;
  std::int64_t point = -1, exponent = 0;
  for (; at < number.size() && number[at] != 'e' && number[at] != 'E'; ++at) {
    if (number[at] == '.') {
      point = static_cast<std::int64_t>(digits.size());
    } else {
      digits += number[at];
    }
  }
  if (at < number.size()) {
    const bool minus = ++at < number.size() && number[at] == '-';
    if (at < number.size() && (number[at] == '-' || number[at] == '+')) ++at;
    for (; at < number.size() && exponent < 100'000; ++at) exponent = exponent * 10 + (number[at] - '0');
    if (exponent > 400) return std::nullopt;
    if (minus) exponent = -exponent;
  }
  if (point < 0) point = static_cast<std::int64_t>(digits.size());
  point += exponent;
  if (point < 0) digits.insert(0, static_cast<std::size_t>(-point), '0'), point = 0;
  if (const auto size = static_cast<std::int64_t>(digits.size()); point > size)
    digits.append(static_cast<std::size_t>(point - size), '0');
  out.whole = digits.substr(0, static_cast<std::size_t>(point));
  out.fraction = digits.substr(static_cast<std::size_t>(point));
  out.whole.erase(0, (std::min)(out.whole.find_first_not_of('0'), out.whole.size()));
  if (out.whole.empty()) out.whole = "0";
  out.fraction.resize(out.fraction.find_last_not_of('0') + 1);  // npos is -1
  if (out.is_zero()) out.negative = false;
  return out;
}

/// Builds the automaton: a state is how far a number is read, and what each demand remembers of it.
class number_automaton {
 public:
  number_automaton(const std::vector<number_demand>& demands, std::uint32_t most, automaton& out) : most_(most), out_(out) {
    for (const number_demand& d : demands) {
      const bool step = d.what == number_demand::kind::multiple || d.what == number_demand::kind::no_multiple;
      for (const decimal& value : d.values) step ? add_step(d.what, value) : add_bound(value);
      demands_.push_back({d.what, d.values.size()});
    }
  }

  result<std::uint32_t> run() {
    if (too_large_ || watchers_.size() > most_watchers) return too_many_states(most_);
    const std::size_t most_lists = most_list_words / (2 + watchers_.size());
    std::vector<std::uint32_t> begin(2 + watchers_.size());
    const std::uint32_t first = number_of(begin);
    for (std::size_t i = 0; i < lists_.size(); ++i) {
      if (out_.size() > most_ || lists_.size() > most_lists) return too_many_states(most_);
      expand(i);
    }
    return first;
  }

 private:
  enum place : std::uint32_t { start, behind_minus, zero, whole, behind_point, fraction };
  enum order : std::uint32_t { equal, less, greater };

  /// Follows the digits for one value: compares them with it, or keeps their remainder.
  struct watcher {
    bool is_step = false;
    decimal bound;
    std::uint64_t step = 1;  // of a step: value = step / 10^decimals
    std::size_t decimals = 0;
  };
  static constexpr std::size_t most_list_words = std::size_t{1} << 21;
  static constexpr std::size_t most_watchers = 256;  // values of all lists and bounds: a state has a word for each

  struct demand {
    number_demand::kind what;
    std::size_t watchers;
  };

  void add_bound(const decimal& value) { watchers_.push_back({false, value}); }
  void add_step(number_demand::kind what, const decimal& value) {
    watcher w{true, value};
    w.decimals = value.fraction.size();
    w.step = 0;
    for (const char c : value.whole + value.fraction) {
      w.step = w.step * 10 + static_cast<std::uint64_t>(c - '0');
      if (w.step > 1'000'000) too_large_ = true, w.step = 1;
    }
    if (w.step == 0 || w.decimals > 60) too_large_ = true;
    if (what == number_demand::kind::multiple) {
      limited_ = true;
      most_decimals_ = (std::max)(most_decimals_, (std::max<std::size_t>)(w.decimals, 1));
    }
    watchers_.push_back(std::move(w));
  }

  // A list: 0 the place (times 4: bit 0 negative, bit 1 not zero), 1 decimals so far, and a word a watcher.
  std::uint32_t number_of(const std::vector<std::uint32_t>& list) {
    const auto [found, is_new] = numbers_.try_emplace(list, 0);
    if (is_new) {
      found->second = out_.add({.tag = ends(list) ? 0u : automaton::none});
      lists_.push_back({found->second, list});
    }
    return found->second;
  }

  void expand(std::size_t i) {
    const std::uint32_t number = lists_[i].first;
    const std::vector<std::uint32_t> list = lists_[i].second;
    const auto where = static_cast<place>(list[0] >> 2);
    std::vector<automaton::edge> edges;
    const auto lead = [&](char c, std::vector<std::uint32_t> next) {
      const auto code = static_cast<char32_t>(c);
      edges.push_back({code, code, number_of(next)});
    };
    if (where == start) {
      std::vector<std::uint32_t> next = list;
      next[0] = behind_minus << 2 | 1;
      lead('-', next);
    }
    if (where == zero || where == whole) lead('.', behind_the_point(list));
    for (char c = '0'; c <= '9'; ++c) {
      if (where == zero) break;
      if ((where == behind_point || where == fraction) && limited_ && list[1] >= most_decimals_) break;
      lead(c, behind_digit(list, where, static_cast<std::uint32_t>(c - '0')));
    }
    std::sort(edges.begin(), edges.end(), [](const automaton::edge& a, const automaton::edge& b) { return a.low < b.low; });
    out_[number].edges = std::move(edges);
  }

  std::vector<std::uint32_t> behind_the_point(std::vector<std::uint32_t> list) const {
    list[0] = behind_point << 2 | (list[0] & 3);
    for (std::size_t w = 0; w < watchers_.size(); ++w)
      if (!watchers_[w].is_step) list[2 + w] = compared_whole(watchers_[w], list[2 + w]);  // then: order, digits compared
    return list;
  }

  std::vector<std::uint32_t> behind_digit(std::vector<std::uint32_t> list, place where, std::uint32_t digit) const {
    const bool in_fraction = where == behind_point || where == fraction;
    const place next = in_fraction ? fraction : (where == start || where == behind_minus) && digit == 0 ? zero : whole;
    list[0] = static_cast<std::uint32_t>(next) << 2 | (list[0] & 3) | (digit != 0 ? 2u : 0u);
    if (in_fraction && limited_) ++list[1];
    for (std::size_t w = 0; w < watchers_.size(); ++w) {
      const watcher& x = watchers_[w];
      std::uint32_t& word = list[2 + w];
      if (x.is_step) {
        word = behind_step_digit(x, word, in_fraction, digit);
      } else if (in_fraction) {
        word = behind_fraction_digit(x, word, digit);
      } else {
        word = behind_whole_digit(x, word, digit);
      }
    }
    return list;
  }

  /// Digits so far, up to one more than the bound has, times 4, and how they compare.
  static std::uint32_t behind_whole_digit(const watcher& x, std::uint32_t word, std::uint32_t digit) noexcept {
    const std::uint32_t count = word >> 2;
    std::uint32_t how = word & 3;
    if (count > x.bound.whole.size()) return word;
    if (count == x.bound.whole.size()) return (count + 1) << 2 | greater;
    const auto other = static_cast<std::uint32_t>(x.bound.whole[count] - '0');
    if (how == equal && digit != other) how = digit < other ? less : greater;
    return (count + 1) << 2 | how;
  }
  static std::uint32_t compared_whole(const watcher& x, std::uint32_t word) noexcept {
    const std::uint32_t count = word >> 2;
    if (count != x.bound.whole.size()) return count < x.bound.whole.size() ? less : greater;
    return word & 3;
  }
  static std::uint32_t behind_fraction_digit(const watcher& x, std::uint32_t word, std::uint32_t digit) noexcept {
    const std::uint32_t count = word >> 2;
    if ((word & 3) != equal) return word & 3;
    if (count == x.bound.fraction.size()) return digit == 0 ? word : std::uint32_t{greater};
    const auto other = static_cast<std::uint32_t>(x.bound.fraction[count] - '0');
    return digit == other ? (count + 1) << 2 | equal : digit < other ? less : greater;
  }

  /// The remainder of all digits up to the decimals of the step, times 64, and how many decimals came; all ones: no multiple.
  static constexpr std::uint32_t off = 0xFFFFFFFF;
  static std::uint32_t behind_step_digit(const watcher& x, std::uint32_t word, bool in_fraction, std::uint32_t digit) noexcept {
    if (word == off) return word;
    const std::uint32_t came = word & 63;
    if (in_fraction && came == x.decimals) return digit == 0 ? word : off;
    const std::uint64_t rest = (std::uint64_t{word >> 6} * 10 + digit) % x.step;
    return static_cast<std::uint32_t>(rest) << 6 | (in_fraction ? came + 1 : came);
  }
  static bool is_multiple(const watcher& x, std::uint32_t word) noexcept {
    if (word == off) return false;
    std::uint64_t rest = word >> 6;
    for (std::size_t came = word & 63; came < x.decimals; ++came) rest = rest * 10 % x.step;
    return rest == 0;
  }

  order compared(const watcher& x, std::uint32_t word, const std::vector<std::uint32_t>& list) const noexcept {
    const bool is_zero = (list[0] & 2) == 0, negative = (list[0] & 1) != 0 && !is_zero;
    if (x.bound.is_zero()) return is_zero ? equal : negative ? less : greater;
    if (negative != x.bound.negative) return negative ? less : greater;
    const auto where = static_cast<place>(list[0] >> 2);
    if (where == zero || where == whole) word = compared_whole(x, word);
    auto size = static_cast<order>(word & 3);
    if (size == equal && word >> 2 < x.bound.fraction.size()) size = less;
    if (size == equal || !negative) return size;
    return size == less ? greater : less;
  }

  bool ends(const std::vector<std::uint32_t>& list) const {
    const auto where = static_cast<place>(list[0] >> 2);
    if (where == start || where == behind_minus || where == behind_point) return false;
    std::size_t w = 0;
    for (const demand& d : demands_) {
      bool some_equal = false;
      for (const std::size_t end = w + d.watchers; w < end; ++w) {
        const watcher& x = watchers_[w];
        const std::uint32_t word = list[2 + w];
        using enum number_demand::kind;
        if (d.what == multiple || d.what == no_multiple) {
          if (is_multiple(x, word) != (d.what == multiple)) return false;
          continue;
        }
        const order how = compared(x, word, list);
        some_equal |= how == equal;
        if ((d.what == at_least && how == less) || (d.what == above && how != greater) ||
            (d.what == at_most && how == greater) || (d.what == below && how != less))
          return false;
      }
      if ((d.what == number_demand::kind::one_of && !some_equal) || (d.what == number_demand::kind::none_of && some_equal))
        return false;
    }
    return true;
  }

  const std::uint32_t most_;
  automaton& out_;
  std::vector<watcher> watchers_;
  std::vector<demand> demands_;
  list_numbers numbers_;
  std::vector<std::pair<std::uint32_t, std::vector<std::uint32_t>>> lists_;
  bool limited_ = false, too_large_ = false;
  std::size_t most_decimals_ = 0;
};

/// -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?
inline std::uint32_t add_any_number(automaton& out) {
  const std::uint32_t exponent = out.add({.tag = 0});
  out[exponent].edges = {{'0', '9', exponent}};
  const std::uint32_t sign = out.add({.edges = {{'0', '9', exponent}}});
  const std::uint32_t letter = out.add({.edges = {{'+', '+', sign}, {'-', '-', sign}, {'0', '9', exponent}}});
  const std::uint32_t fraction = out.add({.tag = 0});
  out[fraction].edges = {{'0', '9', fraction}, {'E', 'E', letter}, {'e', 'e', letter}};
  const std::uint32_t point = out.add({.edges = {{'0', '9', fraction}}});
  const std::uint32_t whole = out.add({.tag = 0});
  out[whole].edges = {{'.', '.', point}, {'0', '9', whole}, {'E', 'E', letter}, {'e', 'e', letter}};
  const std::uint32_t zero = out.add({.edges = {{'.', '.', point}, {'E', 'E', letter}, {'e', 'e', letter}}, .tag = 0});
  const std::uint32_t minus = out.add({.edges = {{'0', '0', zero}, {'1', '9', whole}}});
  return out.add({.edges = {{'-', '-', minus}, {'0', '0', zero}, {'1', '9', whole}}});
}

/// A long list: each number as it is written shortest.
inline result<std::uint32_t> add_listed_numbers(const std::vector<decimal>& values, std::uint32_t most, automaton& out) {
  std::vector<std::string> texts;
  for (const decimal& value : values)
    texts.push_back((value.negative ? "-" : "") + value.whole + (value.fraction.empty() ? "" : ".") + value.fraction);
  return add_texts(texts, text_tags::alike, most, out);
}

result<std::uint32_t> add_numbers(const std::vector<number_demand>& demands, std::uint32_t most_states, automaton& out) {
  if (demands.empty()) return add_any_number(out);
  if (demands.size() == 1 && demands[0].what == number_demand::kind::one_of && demands[0].values.size() > 64)
    return add_listed_numbers(demands[0].values, most_states, out);
  const auto first = static_cast<std::uint32_t>(out.size());
  auto start = number_automaton(demands, most_states, out).run();
  if (!start) return start;
  std::vector<bool> alive;
  remove_dead_ends(out, {}, first, alive);
  return alive[*start - first] ? *start : automaton::none;
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
