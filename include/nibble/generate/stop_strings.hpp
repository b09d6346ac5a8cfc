/// stop_filter: keeps stop strings, and whatever may be the beginning of one, out of streamed text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/config.hpp"
#include "nibble/core/token.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

class special_tokens;

/// Text goes in piece by piece and comes out as soon as it is certain not to belong to a stop string.
///
/// The stop string that ends first wins; of those that end together, the longest. It is dropped, and what follows it too. What
/// comes out of whole characters is whole characters, even where a stop string begins within one: that one is dropped with it.
/// @example  nibble::stop_filter filter(stops);       // {"\nUser:"}
///           out << filter.feed("Hello.\nUs");        // "Hello."
///           out << filter.feed("e this:\nUser: x");  // "\nUse this:"
///           filter.stopped();                        // true
/// @cost     O(bytes * stop strings) over all pieces together, however the text repeats; allocates nothing for pieces that
///           reserve() made room for
/// @source   Knuth, Morris and Pratt 1977, one automaton a stop string
class stop_filter {
 public:
  stop_filter() = default;
  /// Copies the stop strings; empty ones do not count.
  explicit stop_filter(std::span<const std::string> stops);
  /// The same for a text in which control tokens have no letters. Where a stop string has the name of one, alone or among
  /// letters, two things match the name: the token, which is given by pass(), and the name's letters. Other stop strings do not
  /// see the token.
  stop_filter(std::span<const std::string> stops, const special_tokens& controls);

  /// Makes room for pieces of so many bytes.
  void reserve(std::size_t piece);

  /// The text that became certain with this piece. @returns a view that is valid until the next call, or as long as `piece`
  std::string_view feed(std::string_view piece);

  /// The text that became certain with a control token, which itself adds none.
  std::string_view pass(token control);

  /// The end of the text: what was held back after all.
  std::string_view flush();

  /// True once a stop string came: from then on nothing comes out.
  bool stopped() const noexcept { return stop_ < stops_.size(); }
  /// Which one it was; empty as long as none came.
  std::string_view stop() const noexcept { return stopped() ? std::string_view(stops_[stop_]) : std::string_view(); }

  /// Ready for another text.
  void reset() noexcept;

 private:
  using symbol = std::uint32_t;  // a byte, or behind all bytes a control token

  /// How much of one stop string the text ends with.
  struct pattern {
    struct place {
      symbol wanted;
      std::size_t border;  // of the beginning up to here: the longest shorter beginning that it ends with
      std::size_t bytes;   // of text in it
    };
    void add(symbol next, std::size_t bytes);
    void finish();
    bool advance(symbol next) noexcept;  // true at its end
    std::size_t held() const noexcept { return matched > 0 ? places[matched - 1].bytes : 0; }

    std::size_t stop;  // index in stops_
    bool has_controls = false;
    std::vector<place> places = {};
    std::size_t matched = 0;
  };

  void add(std::size_t stop);
  void add(std::size_t stop, const special_tokens& controls);
  /// Cuts off the longest of the complete patterns, which end behind `end` bytes of text_.
  void stop_at(std::size_t end) noexcept;
  std::string_view release() noexcept;
  std::size_t whole(std::size_t end) const noexcept;
  void forget_matches() noexcept;

  std::vector<std::string> stops_;
  std::vector<pattern> patterns_;
  std::string text_;          // what was handed out lately, then what is held back
  std::size_t released_ = 0;  // how much of text_ was handed out
  std::size_t stop_ = SIZE_MAX;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
