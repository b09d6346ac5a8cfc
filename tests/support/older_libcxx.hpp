/// What libc++ has since version 14, for Debian's emscripten, which carries 13: tests/wasm.sh puts it before each file.
#pragma once

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#include <version>

#if defined(_LIBCPP_VERSION) && _LIBCPP_VERSION < 14000
namespace std {

template <class To, class From>
constexpr To bit_cast(const From& from) noexcept {
  return __builtin_bit_cast(To, from);
}

inline to_chars_result to_chars(char* first, char* last, double v, chars_format format, int precision) {
  const char* forms[] = {"%.*e", "%.*f", "%.*g"};
  char text[1200];
  const int size = std::snprintf(text, sizeof text,
                                 forms[format == chars_format::scientific ? 0
                                       : format == chars_format::fixed    ? 1
                                                                          : 2],
                                 precision, v);
  if (size > last - first) return {last, errc::value_too_large};
  std::memcpy(first, text, static_cast<size_t>(size));
  return {first + size, errc()};
}
template <class Float, class = enable_if_t<is_floating_point_v<Float>>>
to_chars_result to_chars(char* first, char* last, Float v, chars_format format = chars_format::general) {
  to_chars_result done{last, errc::value_too_large};
  for (int precision = 0; precision < 1100; ++precision) {  // the shortest that is read as the same
    char text[1200];
    const auto end = to_chars(text, text + sizeof text, static_cast<double>(v), format, precision).ptr;
    *end = 0;
    done = to_chars(first, last, static_cast<double>(v), format, precision);
    if (v != v || static_cast<Float>(is_same_v<Float, float> ? std::strtof(text, nullptr) : std::strtod(text, nullptr)) == v)
      break;
  }
  return done;
}

}  // namespace std
#endif
