/// traced_text: a text of which every byte knows whether a program or somebody else wrote it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/config.hpp"
#include "nibble/core/checked.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Who wrote something: a template, in which names of control tokens count, or people, whose texts stay texts.
enum class origin : std::uint8_t { program, people };

/// What people had a hand in is theirs.
constexpr origin joined_origin(origin a, origin b) noexcept { return a == origin::people ? a : b; }

/// Whatever is cut out of it or put together keeps its origins.
class traced_text {
 public:
  traced_text() = default;
  traced_text(std::string text, origin from) : bytes_(std::move(text)), first_(from) {}

  std::string_view view() const noexcept { return bytes_; }
  std::size_t size() const noexcept { return bytes_.size(); }
  bool empty() const noexcept { return bytes_.empty(); }
  /// Stretches of one origin; none of an empty text.
  std::size_t runs() const noexcept { return bytes_.empty() ? 0 : turns_.size() + 1; }
  std::size_t memory_bytes() const noexcept { return bytes_.capacity() + turns_.capacity() * sizeof(std::size_t); }

  /// Who wrote the byte at `at`; that of the last byte, past the end.
  origin origin_at(std::size_t at) const noexcept { return origin_of(turns_before(at)); }
  /// People, if they wrote any of it.
  origin whole_origin() const noexcept { return turns_.empty() ? first_ : origin::people; }

  void append(std::string_view text, origin from) {
    if (text.empty()) return;
    if (bytes_.empty()) {
      first_ = from;
      turns_.clear();
    } else if (origin_of(turns_.size()) != from) {
      turns_.push_back(bytes_.size());
    }
    bytes_ += text;
  }
  void append(const traced_text& other) { append(other, 0, other.size()); }
  void append(const traced_text& other, std::size_t begin, std::size_t end) {
    other.each_run(begin, end, [&](std::string_view run, origin from) { append(run, from); });
  }
  traced_text cut(std::size_t begin, std::size_t end) const {
    traced_text out;
    out.append(*this, begin, end);
    return out;
  }

  /// The text so many times.
  traced_text repeated(std::size_t count) const {
    traced_text out;
    if (turns_.empty() && count > 0) {
      out = *this;
      out.bytes_.reserve(product_of_sizes(bytes_.size(), count));
      while (out.bytes_.size() <= bytes_.size() * count / 2 && !bytes_.empty()) out.bytes_ += out.bytes_;
      out.bytes_.append(out.bytes_, 0, bytes_.size() * count - out.bytes_.size());
    }
    for (std::size_t i = 0; i < count && !turns_.empty(); ++i) out.append(*this);
    return out;
  }

  /// Calls f(bytes, origin) for each stretch of one origin, in pieces of whole characters and some kilobytes, until it is
  /// false: for what may become much longer.
  template <class F>
  void each_piece(F&& f) const {
    constexpr std::size_t most = 1 << 14;
    bool more = true;
    each_run(0, size(), [&](std::string_view run, origin from) {
      while (more && !run.empty()) {
        std::size_t end = (std::min)(most, run.size());
        while (end < run.size() && (static_cast<unsigned char>(run[end]) & 0xC0) == 0x80) ++end;
        more = f(run.substr(0, end), from);
        run.remove_prefix(end);
      }
    });
  }
  /// Calls f(bytes, origin) for each stretch of one origin between two places.
  template <class F>
  void each_run(std::size_t begin, std::size_t end, F&& f) const {
    for (std::size_t turn = turns_before(begin); begin < end; ++turn) {
      const std::size_t stop = turn < turns_.size() ? (std::min)(turns_[turn], end) : end;
      f(view().substr(begin, stop - begin), origin_of(turn));
      begin = stop;
    }
  }

 private:
  std::size_t turns_before(std::size_t at) const noexcept {
    return static_cast<std::size_t>(std::upper_bound(turns_.begin(), turns_.end(), at) - turns_.begin());
  }
  origin origin_of(std::size_t turns) const noexcept {
    return (turns % 2 == 0) == (first_ == origin::program) ? origin::program : origin::people;
  }

  std::string bytes_;
  std::vector<std::size_t> turns_;  // places where the other one goes on
  origin first_ = origin::program;
};

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
