/// What models write instead of JSON, as JSON: texts of parameters, Gemma's objects, calls in Python.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// One call of a tool.
struct tool_call {
  std::string id;  ///< as the model wrote it, or call_1, call_2 and so on
  std::string name;
  std::string arguments;  ///< a JSON object, if the call is complete
  bool complete = false;  ///< it ended as its format says, with an object for arguments, and there is a tool of this name
};

namespace detail {

inline constexpr std::string_view blanks = " \t\r\n";

/// A text without the blanks at its ends.
inline std::string_view without_blanks(std::string_view text) noexcept {
  const std::size_t first = text.find_first_not_of(blanks);
  return first == text.npos ? std::string_view() : text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

/// Appends what a parameter says as JSON. A text that is no number, object, array, true, false or null (None, True and False,
/// too) is a string.
/// @param quoted  a string of JSON is that, and not a text that begins with a quote
void append_parameter(std::string_view text, bool quoted, std::string& json);

/// Appends an object of Gemma's, without its outer braces, as JSON. What is not well formed does not become JSON.
/// @cost  O(text)
void append_gemma_object(std::string_view text, std::string& json);

/// Reads NAME(KEY=VALUE, ...), NAME(...): the literals of Python, in brackets or a fence of Markdown or none.
/// @return  false if there is anything else, or if it ends too early: then the calls before that are there
/// @cost    O(text)
bool read_python_calls(std::string_view text, std::vector<tool_call>& calls);

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
