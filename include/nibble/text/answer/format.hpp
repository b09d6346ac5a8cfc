/// answer_format: how the models of a family write calls of tools and their reasoning: marks and shapes, as data.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// What stands between the marks of a call.
enum class call_shape : std::uint8_t {
  none,            ///< there are no calls
  json,            ///< {"name": NAME, "arguments": {...}}; several in brackets, where `list` says so
  keyed_json,      ///< {NAME: {...}}
  json_arguments,  ///< NAME name_end {...}
  parameters,      ///< NAME name_end (key_begin KEY key_end value_begin VALUE value_end)...
  gemma,           ///< NAME {key:<|"|>text<|"|>,other:1}, without the outer braces, which are marks
  python,          ///< [NAME(key="text", other=1)]
};

/// Reasoning stands between two marks: at the beginning of an answer, or behind another mark.
struct reasoning_marks {
  std::string_view begin, end;
  bool anywhere = false;  ///< behind text, too
};

/// One format. A call is written as
///
///     calls_begin  (call_begin  [ID id_end]  NAME  name_end  ...  call_end)...  calls_end
///
/// with the marks as they are; of JSON and Python objects, calls_begin is followed by them at once. White space at the ends of
/// marks is what models were shown: a reader takes more and less of it, a grammar asks for it. An empty mark is not there.
struct answer_format {
  std::string_view name;
  std::array<std::string_view, 2> signs = {};  ///< all of them stand in the chat templates of these models
  call_shape shape = call_shape::none;
  bool list = false;
  std::string_view calls_begin = {}, calls_end = {};
  std::string_view call_begin = {}, call_end = {};
  std::array<std::string_view, 3> other_begins =
      {};  ///< what models write for calls_begin, too; where it is empty, for call_begin
  std::array<std::string_view, 3> own_begins = {};  ///< and for tools of their own, which no prompt names
  std::string_view name_end = {};                   ///< empty: a name ends with its line, or at the next mark
  std::string_view id_end = {}, id_begin = {};  ///< an id stands before the name and id_end, or behind the name and id_begin
  std::string_view id_prefix = {}, id_suffix = {};  ///< the name stands in an id, between these
  std::string_view key_begin = {}, key_end = {}, value_begin = {}, value_end = {};
  bool value_typed = false;  ///< "true" or "false" stands before value_begin: a text, or JSON
  std::string_view name_key = "name", arguments_key = "arguments", id_key = "id";
  bool whole = false;               ///< no marks: a call begins an answer, or follows another one
  bool bare_calls = false;          ///< models leave calls_begin out: call_begin of a tool begins a call, too
  bool plain_marks = false;         ///< its marks may stand in any text
  bool ascii_marks = false;         ///< models write them in the other spellings of mark_spellings, too
  std::string_view text_name = {};  ///< what is given to the call of this name is text for the reader
  std::string_view code_begin =
      {};                           ///< behind it NAME.call(KEY=VALUE, ...), a call as usual, or code to the end of the answer,
  std::string_view code_name = {};  ///< which is a call of this name with {"code": ...}; so is code behind this name
  reasoning_marks reasoning = {};   ///< empty: those that the template names
  std::array<std::string_view, 6> ignored = {};  ///< marks that structure an answer
};

/// How models write a mark of U+FF5C (a bar) and U+2581 (a space): as templates do, or in ASCII.
struct mark_spelling {
  std::string_view bar = "\uFF5C", space = "\u2581";  ///< what stands for these two
};
/// The first is that of templates.
inline constexpr std::array<mark_spelling, 8> mark_spellings = {{
    {},
    {"\uFF5C", "_"},
    {"\uFF5C", " "},
    {"\uFF5C", "\\_"},
    {"|"},
    {"|", "_"},
    {"|", " "},
    {"|", "\\_"},
}};

namespace detail {
/// How much of a mark a text begins with.
struct mark_match {
  bool fits = false, whole = false;  // as far as the text goes; to the mark's end
  std::size_t bytes = 0;             // of the text
};
mark_match match_mark(std::string_view mark, std::string_view text, const mark_spelling& how) noexcept;
std::string spelled(std::string_view mark, const mark_spelling& how);
}  // namespace detail

/// Where an answer stands when it begins, by what its prompt ended with.
struct answer_beginning {
  /// What the prompt has begun already: the answer goes on within it.
  enum class part : std::uint8_t {
    text,       ///< nothing, or what has ended
    reasoning,  ///< behind the mark that begins it
    call,       ///< behind the mark that begins one, in front of its id or name
  };
  part where = part::text;     ///< it goes on behind this
  bool reasoned = false;       ///< the prompt ended with the mark that ends the reasoning
  std::string_view turn = {};  ///< a mark of the answer's structure that it ended with, if longer ones begin with it
};

/// What a reader has to know of a model. It refers to a format and to texts that have to live as long as whoever reads: those
/// of answer_formats and known_reasoning always do.
struct answer_syntax {
  const answer_format* calls = nullptr;  ///< null: none
  reasoning_marks reasoning = {};

  /// That of the model with this chat template.
  /// @cost  O(bytes of the template) for each format
  static answer_syntax of(std::string_view chat_template);
  /// That of a format by its name; the reasoning is <think> where the format has no marks of its own. No calls for other names.
  static answer_syntax named(std::string_view format);

  /// What reads an answer and what a grammar asks of it begin here. White space at the ends of marks is as it likes.
  /// @param prompt_end  what the prompt ended with: see nibble::prompt_end
  answer_beginning behind(std::string_view prompt_end) const;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
