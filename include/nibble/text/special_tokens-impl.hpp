/// The definitions behind special_tokens.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <numeric>

#include "nibble/text/special_tokens.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

void special_tokens::add(std::string_view text, token id) {
  NIBBLE_ASSERT(!text.empty() && byte_.empty() && text.size() < (std::size_t{1} << 31) - arena_.size());
  entries_.push_back({static_cast<std::uint32_t>(text.size()), id});
  arena_.append(text.rbegin(), text.rend());
  longest_text_ = (std::max)(longest_text_, text.size());
}

std::optional<token> special_tokens::finish() {
  const std::vector<std::uint32_t> begins = sort();
  const auto text_of = [&](std::size_t i) { return std::string_view(arena_).substr(begins[i], entries_[i].size); };
  for (std::size_t i = 1; i < entries_.size(); ++i)
    if (text_of(i) == text_of(i - 1)) return entries_[i].id;
  if (!entries_.empty()) grow(begins);
  std::string().swap(arena_);
  link();
  byte_.shrink_to_fit(), first_.shrink_to_fit(), longest_.shrink_to_fit();
  return std::nullopt;
}

std::size_t special_tokens::memory_bytes() const noexcept {
  return detail::heap_bytes(arena_) + detail::heap_bytes(entries_) + detail::heap_bytes(byte_) + detail::heap_bytes(first_) +
         detail::heap_bytes(fail_) + detail::heap_bytes(longest_);
}

/// Sorts the entries by their reversed texts. @returns where in the arena those begin
std::vector<std::uint32_t> special_tokens::sort() {
  std::vector<std::uint32_t> begins(entries_.size()), order(entries_.size());
  for (std::uint32_t i = 0, at = 0; i < entries_.size(); at += entries_[i++].size) begins[i] = at;
  std::iota(order.begin(), order.end(), 0u);
  const auto text_of = [&](std::uint32_t i) { return std::string_view(arena_).substr(begins[i], entries_[i].size); };
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    const int way = text_of(a).compare(text_of(b));
    return way < 0 || (way == 0 && entries_[a].id < entries_[b].id);
  });
  std::vector<entry> sorted;
  sorted.reserve(order.size());
  for (const std::uint32_t i : order) sorted.push_back(entries_[i]);
  for (std::uint32_t& i : order) i = begins[i];
  entries_ = std::move(sorted);
  return order;
}

/// Makes the nodes of one level after the other: a node is a range of entries whose texts begin with it.
void special_tokens::grow(const std::vector<std::uint32_t>& begins) {
  struct range {
    std::uint32_t first, last;
  };
  std::vector<range> level{{0, static_cast<std::uint32_t>(entries_.size())}}, deeper;
  byte_.push_back('\0');
  longest_.push_back(none);
  for (std::uint32_t depth = 0; !level.empty(); ++depth, level.swap(deeper)) {
    deeper.clear();
    for (auto [at, last] : level) {
      first_.push_back(static_cast<node>(byte_.size()));
      if (entries_[at].size == depth) ++at;  // the shortest stands first
      while (at < last) {
        const char byte = arena_[begins[at] + depth];
        const std::uint32_t begin = at;
        while (at < last && arena_[begins[at] + depth] == byte) ++at;
        byte_.push_back(byte);
        longest_.push_back(entries_[begin].size == depth + 1 ? begin : none);
        deeper.push_back({begin, at});
      }
    }
  }
  first_.push_back(static_cast<node>(byte_.size()));
}

/// Finds where to go on where a text goes on unlike any special token. Links lead up, so the levels above are done.
void special_tokens::link() {
  fail_.assign(byte_.size(), 0);
  if (byte_.empty()) return;
  for (node n = first_[0]; n < first_[1]; ++n) roots_[static_cast<unsigned char>(byte_[n])] = n;
  for (node parent = 1; parent < byte_.size(); ++parent)
    for (node n = first_[parent]; n < first_[parent + 1]; ++n) {
      fail_[n] = next(fail_[parent], byte_[n]);
      if (longest_[n] == none) longest_[n] = longest_[fail_[n]];
    }
}

special_tokens::node special_tokens::child(node from, char byte) const noexcept {
  if (from == 0) return roots_[static_cast<unsigned char>(byte)];
  const auto first = byte_.begin() + first_[from], last = byte_.begin() + first_[from + 1];
  const auto at = std::lower_bound(
      first, last, byte, [](char a, char b) { return static_cast<unsigned char>(a) < static_cast<unsigned char>(b); });
  return at == last || *at != byte ? 0 : static_cast<node>(at - byte_.begin());
}

special_tokens::node special_tokens::next(node from, char byte) const noexcept {
  for (; from != 0; from = fail_[from])
    if (const node found = child(from, byte)) return found;
  return child(0, byte);
}

std::optional<token> special_tokens::find(std::string_view text) const noexcept {
  if (text.empty() || byte_.empty()) return std::nullopt;
  node at = 0;
  for (auto c = text.rbegin(); c != text.rend(); ++c)
    if ((at = child(at, *c)) == 0) return std::nullopt;
  if (longest_[at] == none || entries_[longest_[at]].size != text.size()) return std::nullopt;
  return entries_[longest_[at]].id;
}

void special_tokens::find_all(std::string_view text, std::vector<match>& out) const {
  out.clear();
  std::vector<match> some;
  for (std::size_t at = 0; at < text.size();) {
    at = find_some(text, at, some);
    out.insert(out.end(), some.begin(), some.end());
  }
}

/// Reads backwards to know the longest token that begins at each place of the window. From the left, the first place that has
/// one is the leftmost of all, its token the longest there, and places inside of that token are passed over.
std::size_t special_tokens::find_some(std::string_view text, std::size_t from, std::vector<match>& out) const {
  out.clear();
  if (empty() || from >= text.size()) return text.size();
  const std::size_t window = (std::max)(std::size_t{4096}, longest_text_);  // reads no byte more than twice
  const std::size_t to = from + (std::min)(window, text.size() - from);
  node state = 0;
  for (std::size_t at = to + (std::min)(longest_text_ - 1, text.size() - to); at-- > from;) {
    state = next(state, text[at]);
    if (at >= to || state == 0 || longest_[state] == none) continue;
    const entry& e = entries_[longest_[state]];
    out.push_back({e.id, at, e.size});
  }
  std::reverse(out.begin(), out.end());
  std::size_t kept = 0, end = from;
  for (const match& m : out) {
    if (m.begin < end) continue;
    end = m.begin + m.size;
    out[kept++] = m;
  }
  out.resize(kept);
  return (std::max)(to, end);
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
