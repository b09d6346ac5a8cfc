/// chat_parser: takes the answer of a chat model apart, as it comes: text, reasoning, and calls of tools.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/text/answer/arguments.hpp"
#include "nibble/text/answer/format.hpp"
#include "nibble/text/answer/json_scanner.hpp"
#include "nibble/text/json.hpp"
#include "nibble/text/utf8.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// All that a model has said.
struct chat_answer {
  std::string text;       ///< for the reader
  std::string reasoning;  ///< the model's to itself
  std::vector<tool_call> calls;
};

/// What a piece of an answer is.
enum class answer_part : std::uint8_t {
  text,
  reasoning,
  call,       ///< begins: its name
  arguments,  ///< more of their JSON
  call_end,   ///< no text; answer().calls says whether it is complete
};

/// What is new. The text is whole characters.
struct answer_delta {
  answer_part part;
  std::string_view text;
  std::size_t call = 0;  ///< its place in answer().calls
};

/// Reads an answer in pieces of any size. However it is cut, the parts sum to the same.
///
/// Marks are those of the syntax, and only where they can stand: reasoning at the beginning or behind another mark, unless it
/// may be anywhere. White space beside marks is dropped. What looks like a call and is none is text, as long as it has no
/// name; a call that breaks off behind its name is not complete, and what follows is text. Any bytes are taken; what is no
/// UTF-8 becomes U+FFFD.
///
/// The marks of many models are control tokens: give it the text of events with generate_options::show_special. Of a session's
/// reply, generation::parser is the one to take.
/// @cost     O(bytes), and no more memory than the answer takes
/// @example  auto reply = session.chat(talk, {.tools = tools}, {.show_special = true});
///           nibble::chat_parser parser = reply.parser();
///           for (auto& event : reply)
///             for (const nibble::answer_delta& delta : parser.feed(event.text)) show(delta);
///           parser.finish();
///           for (const nibble::tool_call& call : parser.answer().calls) run(call.name, call.arguments);
class chat_parser {
 public:
  /// @param prompt_end  what the template wrote at the end of the prompt, which may have begun the reasoning or a call already:
  ///                    see nibble::prompt_end
  /// @param tools       those of the prompt, as OpenAI's interface describes them; without any, calls of any name are complete.
  ///                    Where calls have no marks, or such as may stand in any text (Llama 3, functionary), only calls of these
  ///                    are calls. Where a format writes parameters without their types, one whose schema allows texts alone is
  ///                    a text, and not the number that it may look like; one that may be something else is JSON where it is
  ///                    that, texts in quotes included; one that no schema tells of is a text in quotes as it stands
  explicit chat_parser(answer_syntax syntax = {}, std::string_view prompt_end = {}, const json& tools = {});

  /// @return  what is new; it stays until the next call
  std::span<const answer_delta> feed(std::string_view bytes) &;
  /// Ends the answer: what was held back is given out.
  std::span<const answer_delta> finish() &;

  /// All that has come so far.
  const chat_answer& answer() const& noexcept { return answer_; }
  chat_answer answer() && { return std::move(answer_); }

 private:
  enum class place : std::uint8_t {
    text,
    reasoning,
    calls,
    json,
    header,
    arguments,
    call_end,
    keys,
    key,
    value,
    gemma,
    python,
    code
  };
  enum class meaning : std::uint8_t { reasoning, reasoning_end, calls, call, code, nothing };
  enum class found : std::uint8_t { none, beginning, whole };
  struct mark {
    std::string_view text;
    meaning says;
  };
  struct piece {
    answer_part part;
    std::size_t call, begin;
  };
  struct parameter {
    std::string tool, name;
    bool is_text;
  };

  void read_tools(const json& tools);
  void begin_behind(std::string_view prompt_end);
  void add_mark(std::string_view text, meaning says);
  std::span<const answer_delta> run();
  bool step();
  detail::mark_match match(std::string_view text) const noexcept;
  found find(std::string_view text) const noexcept;
  void pass(std::string_view text) noexcept { at_ += match(text).bytes; }
  bool find_mark(mark& out, bool& waits) const noexcept;
  bool may_stand(meaning says) const noexcept;

  // of text and reasoning
  bool read_prose();
  void begin_part(const mark& m);
  void give_prose(std::size_t end);
  void leave_mark(place next) noexcept;

  // of calls
  bool read_calls();
  bool read_json();
  void read_member(char c, detail::json_scanner::state before, std::size_t depth, bool key);
  void end_member();
  bool read_header();
  bool end_header();
  bool read_arguments();
  bool read_call_end();
  bool read_keys();
  bool read_key();
  bool read_value();
  bool read_gemma();
  bool read_python();
  bool read_code();
  void add_parameter();

  bool is_tool(std::string_view name) const noexcept;
  const parameter* find_parameter(std::string_view tool, std::string_view name) const noexcept;
  void begin_call(std::string_view name);
  void add_arguments(std::string_view json);
  void add_whole_arguments(std::string_view json);
  void end_call(bool ended_well);
  bool give_up();
  bool skip_blanks() noexcept;
  void give(answer_part part, std::string_view text);

  answer_syntax syntax_;
  std::vector<mark> marks_;
  std::bitset<256> first_bytes_;  // of marks
  utf8_stream characters_;
  std::string buffer_;
  std::size_t from_ = 0, at_ = 0;  // what is before is given out, or looked at
  std::size_t prose_end_ = 0;      // behind the last character that is not blank
  place place_ = place::text;
  bool ended_ = false;                               // nothing more comes
  bool fresh_ = false;                               // behind a mark: blanks are dropped
  bool said_ = false;                                // something, since the last mark
  bool named_ = false;                               // the call that is read
  bool any_name_ = false;                            // it may have any; otherwise, that of a tool
  bool misnamed_ = false;                            // it has none that it may have
  bool open_member_ = false;                         // of a call's object: its value is read
  bool streams_ = false, has_arguments_ = false;     // that value is the arguments, given out as it comes; they are there
  bool holds_arguments_ = false;                     // they came before the name
  bool behind_key_ = false, typed_as_text_ = false;  // of a parameter
  bool quoted_ = false, escaped_ = false;            // of Gemma's texts, of Python's
  char bracket_ = 0, quote_ = 0;
  std::size_t calls_here_ = 0;  // behind the mark that began them
  detail::json_scanner scanner_;
  std::string key_, value_, held_, id_;
  std::vector<std::string> tools_;     // their names, sorted
  std::vector<parameter> parameters_;  // of all tools, sorted

  chat_answer answer_;
  std::string given_;  // the text of deltas
  std::vector<piece> pieces_;
  std::vector<answer_delta> deltas_;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
