/// time_text: a time as strftime writes it, without a locale.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "nibble/config.hpp"

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

/// @param format  letters behind '%' as strftime knows them; a '-' before one leaves zeros out
/// @source        strftime in the C locale
inline std::string time_text(std::string_view format, std::int64_t seconds) {
  constexpr std::string_view months[] = {"January", "February", "March",     "April",   "May",      "June",
                                         "July",    "August",   "September", "October", "November", "December"};
  constexpr std::string_view days[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
  const calendar c = calendar_of(seconds);
  const std::string_view month = months[c.month - 1], day = days[c.weekday];
  const std::int64_t half = c.hour % 12 == 0 ? 12 : c.hour % 12;
  std::string out;
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 == format.size()) {
      out += format[i];
      continue;
    }
    const bool bare = format[i + 1] == '-' && i + 2 < format.size();
    i += bare ? 2 : 1;
    const auto two = [&](std::int64_t number, char fill = '0') {
      out += bare ? std::to_string(number) : padded(number, 2, fill);
    };
    switch (format[i]) {
      case 'Y':
        out += std::to_string(c.year);
        break;
      case 'y':
        two(c.year % 100);
        break;
      case 'C':
        two(c.year / 100);
        break;
      case 'm':
        two(c.month);
        break;
      case 'd':
        two(c.day);
        break;
      case 'e':
        two(c.day, ' ');
        break;
      case 'H':
        two(c.hour);
        break;
      case 'I':
        two(half);
        break;
      case 'M':
        two(c.minute);
        break;
      case 'S':
        two(c.second);
        break;
      case 'f':
        out += "000000";
        break;
      case 'j':
        out += bare ? std::to_string(c.yearday + 1) : padded(c.yearday + 1, 3);
        break;
      case 'B':
        out += month;
        break;
      case 'b':
      case 'h':
        out += month.substr(0, 3);
        break;
      case 'A':
        out += day;
        break;
      case 'a':
        out += day.substr(0, 3);
        break;
      case 'u':
        out += std::to_string(c.weekday == 0 ? 7 : c.weekday);
        break;
      case 'w':
        out += std::to_string(c.weekday);
        break;
      case 'p':
        out += c.hour < 12 ? "AM" : "PM";
        break;
      case 's':
        out += std::to_string(seconds);
        break;
      case 'F':
        out += time_text("%Y-%m-%d", seconds);
        break;
      case 'T':
      case 'X':
        out += time_text("%H:%M:%S", seconds);
        break;
      case 'R':
        out += time_text("%H:%M", seconds);
        break;
      case 'D':
      case 'x':
        out += time_text("%m/%d/%y", seconds);
        break;
      case 'c':
        out += time_text("%a %b %e %H:%M:%S %Y", seconds);
        break;
      case 'r':
        out += time_text("%I:%M:%S %p", seconds);
        break;
      case 'n':
        out += '\n';
        break;
      case 't':
        out += '\t';
        break;
      case 'z':
      case 'Z':
        break;
      case '%':
        out += '%';
        break;
      default:
        (out += '%') += format[i];
    }
  }
  return out;
}

}  // namespace detail::jinja
}  // namespace NIBBLE_ABI
}  // namespace nibble
