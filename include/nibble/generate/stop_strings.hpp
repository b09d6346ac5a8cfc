/// stop_filter: keeps stop strings, and whatever may be the beginning of one, out of streamed text.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Text goes in piece by piece and comes out as soon as it is certain not to belong to a stop string.
///
/// The stop string that ends first wins; of those that end together, the longest. It is dropped, and what follows it too.
/// @example  nibble::stop_filter filter(stops);       // {"\nUser:"}
///           out << filter.feed("Hello.\nUs");        // "Hello."
///           out << filter.feed("e this:\nUser: x");  // "\nUse this:"
///           filter.stopped();                        // true
/// @cost     O(bytes * stop strings) over all pieces together, however the text repeats; allocates nothing once pieces and
///           stop strings fit into what was allocated at first
/// @source   Knuth, Morris and Pratt 1977, one automaton a stop string
class stop_filter {
 public:
  stop_filter() = default;
  /// Copies the stop strings; empty ones do not count.
  explicit stop_filter(std::span<const std::string> stops);

  /// The text that became certain with this piece. @returns a view that is valid until the next call, or as long as `piece`
  std::string_view feed(std::string_view piece);

  /// The end of the text: what was held back after all.
  std::string_view flush();

  /// True once a stop string came: from then on nothing comes out.
  bool stopped() const noexcept { return stopped_; }
  /// Which one it was.
  std::string_view stop() const noexcept { return stop_; }

  /// Ready for another text.
  void reset() noexcept;

 private:
  /// How much of one stop string the text ends with.
  struct pattern {
    explicit pattern(std::string_view stop);
    bool advance(char c) noexcept;  // true at its end

    std::string text;
    std::vector<std::size_t> border;  // of each beginning: the longest shorter beginning that it ends with
    std::size_t matched = 0;
  };

  std::vector<pattern> patterns_;
  std::string text_, stop_;
  std::size_t released_ = 0;  // how much of text_ was handed out
  bool stopped_ = false;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
