/// The definitions behind parser.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/core/checked.hpp"
#include "nibble/grammar/parser.hpp"
#include "nibble/grammar/stacks-impl.hpp"
#include "nibble/grammar/states-impl.hpp"
#include "nibble/text/utf8.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

grammar_parser::grammar_parser(const grammar& g)
    : program_(detail::grammar_parts::program_of(g)), states_(*program_), stacks_(states_) {
  const detail::grammar_stacks::mark before = stacks_.now();
  stacks_.begin(first_);
  first_may_end_ = stacks_.may_end();
  stacks_.settle(first_, before);
  reset();
}

void grammar_parser::reset() {
  places_ = first_;
  may_end_ = first_may_end_;
}

bool grammar_parser::accept(std::string_view bytes) {
  if (bytes.empty()) return true;
  const detail::grammar_stacks::mark before = stacks_.now();
  const std::vector<detail::grammar_place>* from = &places_;
  bool end = may_end_;
  next_.clear();
  std::size_t begin = 0;
  for (const char byte : bytes) {
    const std::size_t count = next_.size();
    // what step() reads must not move while it adds
    const std::size_t room = sum_of_sizes(count, detail::grammar_stacks::most_places + 1);
    if (next_.capacity() < room) next_.reserve((std::max)(room, product_of_sizes(2, next_.capacity())));
    const std::span<const detail::grammar_place> now = from == &places_
                                                           ? std::span<const detail::grammar_place>(places_)
                                                           : std::span<const detail::grammar_place>(next_).subspan(begin);
    if (now.empty() || !stacks_.step(now, static_cast<unsigned char>(byte), next_)) {
      stacks_.release(before);
      return false;
    }
    begin = count;
    from = &next_;
    end = stacks_.may_end();
    if (begin > 4 * detail::grammar_stacks::most_places) {
      next_.erase(next_.begin(), next_.begin() + std::ptrdiff_t(begin));
      begin = 0;
    }
  }
  places_.assign(next_.begin() + std::ptrdiff_t(begin), next_.end());
  may_end_ = end;
  stacks_.settle(places_, before);
  return true;
}

/// The only byte that goes on from any of the places, or -1.
int grammar_parser::only_byte(std::span<const detail::grammar_place> places) {
  int found = -1;
  for (const detail::grammar_place& p : places) {
    for (int byte = 0; byte < 256; ++byte) {
      if (byte == found || states_.step(p.state, static_cast<unsigned char>(byte)) == detail::grammar_states::dead) continue;
      if (found >= 0) return -1;
      found = byte;
    }
  }
  return found;
}

bool grammar_parser::forced_text(std::string& out) {
  constexpr std::size_t longest = 1000;
  const detail::grammar_stacks::mark before = stacks_.now();
  out.clear();
  ahead_ = places_;
  bool end = may_end_;
  while (!end && out.size() < longest) {
    const int byte = only_byte(ahead_);
    if (byte < 0 || byte >= 0xF5) break;
    next_.clear();
    next_.reserve(detail::grammar_stacks::most_places + 1);  // fits: a constant
    if (!stacks_.step(ahead_, static_cast<unsigned char>(byte), next_)) break;
    out += static_cast<char>(byte);
    ahead_.swap(next_);
    end = stacks_.may_end();
  }
  stacks_.release(before);
  while (!is_utf8(out)) out.pop_back();
  return end && ahead_.empty();
}

/// True where states and calls have new numbers.
bool grammar_parser::forget_if_full() {
  if (memory_bytes() <= bound) return false;
  const std::size_t count = places_.size();
  places_.insert(places_.end(), first_.begin(), first_.end());
  stacks_.compact(places_);
  first_.assign(places_.begin() + std::ptrdiff_t(count), places_.end());
  places_.resize(count);
  return true;
}

std::size_t grammar_parser::memory_bytes() const noexcept {
  return sum_of_sizes(states_.memory_bytes(), stacks_.memory_bytes());
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
