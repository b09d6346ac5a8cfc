/// time_text: a time as strftime writes it, without a locale.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "nibble/config.hpp"
#include "nibble/text/template/run.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail::jinja {

/// A day and a time of it.
struct calendar {
  std::int64_t year, month, day, hour, minute, second, weekday, yearday;  // month and day from 1, weekday from Sunday
};

/// @param seconds  since the beginning of 1970
/// @source         Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days
inline calendar calendar_of(std::int64_t seconds) noexcept {
  const std::int64_t days = seconds / 86'400 - (seconds % 86'400 < 0), rest = seconds - days * 86'400;
  const std::int64_t z = days + 719'468, era = (z >= 0 ? z : z - 146'096) / 146'097, of_era = z - era * 146'097;
  const std::int64_t years = (of_era - of_era / 1'460 + of_era / 36'524 - of_era / 146'096) / 365;
  const std::int64_t from_march = of_era - (365 * years + years / 4 - years / 100), shifted = (5 * from_march + 2) / 153;
  calendar c{};
  c.day = from_march - (153 * shifted + 2) / 5 + 1;
  c.month = shifted < 10 ? shifted + 3 : shifted - 9;
  c.year = years + era * 400 + (c.month <= 2);
  c.hour = rest / 3'600, c.minute = rest / 60 % 60, c.second = rest % 60;
  c.weekday = ((days + 4) % 7 + 7) % 7;
  const bool leaps = (c.year % 4 == 0 && c.year % 100 != 0) || c.year % 400 == 0;
  c.yearday = c.month > 2 ? from_march + 59 + leaps : from_march - 306;
  return c;
}

inline std::string padded(std::int64_t number, std::size_t width, char fill = '0') {
  std::string out = std::to_string(number);
  while (out.size() < width) out.insert(0, 1, fill);
  return out;
}

/// What strftime writes for a letter: a number in its width, a word, or a format that stands for it.
struct time_field {
  char letter;
  std::int64_t number = 0;
  std::size_t width = 0;  ///< 0: a word
  char fill = '0';
  std::string_view word = {};
};

/// What stands for a letter: a format of other letters, or nothing.
inline std::string_view time_format(char letter) noexcept {
  constexpr std::pair<char, std::string_view> formats[] = {{'F', "%Y-%m-%d"},
                                                           {'T', "%H:%M:%S"},
                                                           {'X', "%H:%M:%S"},
                                                           {'R', "%H:%M"},
                                                           {'D', "%m/%d/%y"},
                                                           {'x', "%m/%d/%y"},
                                                           {'c', "%a %b %e %H:%M:%S %Y"},
                                                           {'r', "%I:%M:%S %p"}};
  for (const auto& [its_letter, stands_for] : formats)
    if (its_letter == letter) return stands_for;
  return {};
}

/// Appends what a letter stands for, or the letter itself where it is not known.
/// @param bare  without zeros in front
inline void append_time(char letter, bool bare, const calendar& c, std::int64_t seconds, std::string& out) {
  constexpr std::string_view months[] = {"January", "February", "March",     "April",   "May",      "June",
                                         "July",    "August",   "September", "October", "November", "December"};
  constexpr std::string_view days[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
  const std::string_view month = months[c.month - 1], day = days[c.weekday];
  const time_field fields[] = {{'Y', c.year, 1},
                               {'y', c.year % 100, 2},
                               {'C', c.year / 100, 2},
                               {'m', c.month, 2},
                               {'d', c.day, 2},
                               {'e', c.day, 2, ' '},
                               {'H', c.hour, 2},
                               {'I', c.hour % 12 == 0 ? 12 : c.hour % 12, 2},
                               {'M', c.minute, 2},
                               {'S', c.second, 2},
                               {'f', 0, 6},
                               {'j', c.yearday + 1, 3},
                               {'u', c.weekday == 0 ? 7 : c.weekday, 1},
                               {'w', c.weekday, 1},
                               {'s', seconds, 1},
                               {'B', 0, 0, '0', month},
                               {'b', 0, 0, '0', month.substr(0, 3)},
                               {'h', 0, 0, '0', month.substr(0, 3)},
                               {'A', 0, 0, '0', day},
                               {'a', 0, 0, '0', day.substr(0, 3)},
                               {'p', 0, 0, '0', c.hour < 12 ? "AM" : "PM"},
                               {'n', 0, 0, '0', "\n"},
                               {'t', 0, 0, '0', "\t"},
                               {'%', 0, 0, '0', "%"},
                               {'z'},
                               {'Z'}};
  for (const time_field& f : fields)
    if (f.letter == letter)
      return static_cast<void>(out += f.width == 0 ? std::string(f.word) : padded(f.number, bare ? 1 : f.width, f.fill));
  (out += '%') += letter;
}

/// The same of a format.
inline void append_times(std::string_view format, const calendar& c, std::int64_t seconds, std::string& out) {
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 == format.size()) {
      out += format[i];
      continue;
    }
    const bool bare = format[i + 1] == '-' && i + 2 < format.size();
    i += bare ? 2 : 1;
    const std::string_view other = time_format(format[i]);
    if (other.empty())
      append_time(format[i], bare, c, seconds, out);
    else
      append_times(other, c, seconds, out);
  }
}

/// The time that a run knows. It is written by whoever wrote the format.
/// @param format  letters behind '%' as strftime knows them; a '-' before one leaves zeros out
/// @source        strftime in the C locale
inline traced_text time_text(run& r, const traced_text& format) {
  const calendar c = calendar_of(r.now);
  const std::string_view all = format.view();
  traced_text out;
  for (std::size_t at = 0; at < all.size() && r.charge(256) && r.may_be_long(out);) {
    const std::size_t percent = (std::min)(all.find('%', at), all.size());
    out.append(format, at, percent);
    at = (std::min)(percent + (all.substr(percent, 2) == "%-" ? 3 : 2), all.size());
    std::string written;
    append_times(all.substr(percent, at - percent), c, r.now, written);
    out.append(written, format.cut(percent, at).whole_origin());
  }
  return out;
}

}  // namespace detail::jinja
}  // namespace NIBBLE_ABI
}  // namespace nibble
