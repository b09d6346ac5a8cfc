/// The definitions behind stop_strings.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <iterator>
#include <utility>

#include "nibble/generate/stop_strings.hpp"
#include "nibble/text/special_tokens.hpp"
#include "nibble/text/utf8.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

stop_filter::stop_filter(std::span<const std::string> stops) {
  std::copy_if(stops.begin(), stops.end(), std::back_inserter(stops_), [](const std::string& s) { return !s.empty(); });
  for (std::size_t i = 0; i < stops_.size(); ++i) add(i);
  reserve(1024);
}

stop_filter::stop_filter(std::span<const std::string> stops, const special_tokens& controls) : stop_filter(stops) {
  for (std::size_t i = 0; i < stops_.size(); ++i) add(i, controls);
}

void stop_filter::reserve(std::size_t piece) {
  std::size_t longest = 0;
  for (const std::string& stop : stops_) longest = std::max(longest, stop.size());
  if (!stops_.empty())
    text_.reserve(2 * longest + piece);  // fits: texts in memory; no more was handed out than is held back: see feed()
}

/// The automaton of a stop string's letters.
void stop_filter::add(std::size_t stop) {
  pattern p{stop};
  for (const char c : stops_[stop]) p.add(static_cast<unsigned char>(c), 1);
  p.finish();
  patterns_.push_back(std::move(p));
}

/// A second one, if it has names of control tokens.
void stop_filter::add(std::size_t stop, const special_tokens& controls) {
  const std::string_view text = stops_[stop];
  pattern p{stop};
  std::size_t at = 0;
  const auto add_bytes = [&](std::size_t end) {
    for (; at < end; ++at) p.add(static_cast<unsigned char>(text[at]), 1);
  };
  std::vector<special_tokens::match> names;
  controls.find_all(text, names);
  p.has_controls = !names.empty();
  for (const special_tokens::match& name : names) {
    add_bytes(name.begin);
    p.add(256 + static_cast<symbol>(name.id), 0);
    at += name.size;
  }
  add_bytes(text.size());
  p.finish();
  if (p.has_controls) patterns_.push_back(std::move(p));
}

std::string_view stop_filter::feed(std::string_view piece) {
  if (stopped()) return {};
  if (patterns_.empty()) return piece;
  if (released_ >= text_.size() - released_) {  // moves each byte once on average, however long text is held back
    text_.erase(0, released_);
    released_ = 0;
  }
  text_ += piece;
  for (std::size_t i = text_.size() - piece.size(); i < text_.size() && !stopped(); ++i) {
    bool complete = false;
    for (pattern& p : patterns_) complete |= p.advance(static_cast<unsigned char>(text_[i]));
    if (complete) stop_at(i + 1);
  }
  return release();
}

std::string_view stop_filter::pass(token control) {
  if (stopped()) return {};
  bool complete = false;
  for (pattern& p : patterns_)
    if (p.has_controls) complete |= p.advance(256 + static_cast<symbol>(control));
  if (complete) stop_at(text_.size());
  return release();
}

std::string_view stop_filter::flush() {
  if (stopped()) return {};
  forget_matches();
  return release();
}

void stop_filter::reset() noexcept {
  text_.clear();
  released_ = 0;
  stop_ = SIZE_MAX;
  forget_matches();
}

void stop_filter::stop_at(std::size_t end) noexcept {
  const pattern* longest = nullptr;
  for (const pattern& p : patterns_)
    if (p.matched == p.places.size() && (!longest || p.held() > longest->held())) longest = &p;
  stop_ = longest->stop;
  text_.resize(whole(end - longest->held()));
}

/// Hands out what is not held back.
std::string_view stop_filter::release() noexcept {
  std::size_t held = 0;
  if (!stopped())
    for (const pattern& p : patterns_) held = std::max(held, p.held());
  const std::size_t first = std::exchange(released_, held > 0 ? whole(text_.size() - held) : text_.size());
  return std::string_view(text_).substr(first, released_ - first);
}

/// Of the first `end` bytes: without the beginning of a character that goes on behind them, unless it was handed out.
std::size_t stop_filter::whole(std::size_t end) const noexcept {
  const std::string_view text = std::string_view(text_).substr(0, end);
  for (std::size_t at = end - std::min<std::size_t>(end - std::min(end, released_), 3); at < end; ++at) {
    if (decode_utf8(text, at).kind == utf8_character::state::cut) return at;
  }
  return end;
}

void stop_filter::forget_matches() noexcept {
  for (pattern& p : patterns_) p.matched = 0;
}

void stop_filter::pattern::add(symbol next, std::size_t bytes) {
  places.push_back({next, 0, (places.empty() ? 0 : places.back().bytes) + bytes});
}

void stop_filter::pattern::finish() {
  for (std::size_t i = 1, k = 0; i < places.size(); ++i) {
    while (k > 0 && places[i].wanted != places[k].wanted) k = places[k - 1].border;
    k += places[i].wanted == places[k].wanted;
    places[i].border = k;
  }
}

bool stop_filter::pattern::advance(symbol next) noexcept {
  while (matched > 0 && places[matched].wanted != next) matched = places[matched - 1].border;
  matched += places[matched].wanted == next;
  return matched == places.size();
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
