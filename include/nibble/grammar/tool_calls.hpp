/// tool_calls: the patterns of calls, as an answer_format writes them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/error.hpp"
#include "nibble/grammar/mark_speller.hpp"
#include "nibble/grammar/program_builder.hpp"
#include "nibble/grammar/tool_values.hpp"
#include "nibble/text/answer/format.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// The tools of a prompt.
/// @errors  bad_value: what is no tool
result<std::vector<tool_shape>> read_tools(const json& tools);

class call_rules {
 public:
  using id = patterns::id;
  call_rules(program_builder& out, const mark_speller& speller, const answer_format& format, std::span<const tool_shape> tools)
      : out_(out), speller_(speller), format_(format), tools_(tools) {}

  bool any() const noexcept { return !tools_.empty(); }
  /// The marks, blanks at their ends apart, of which one begins a call or several.
  std::vector<std::string_view> marks() const;
  /// What stands behind such a mark.
  id behind_mark(bool parallel);
  /// What stands behind a call_begin, where the mark that begins all calls was left out.
  id behind_bare_mark(bool parallel);

 private:
  id section(bool parallel);
  id several(id call, std::string_view between, bool parallel);
  id objects();
  id headed();
  id python(bool parallel);
  id parameters(const tool_shape& tool);
  id parameter(const tool_shape& tool, const json::member& m);
  id arguments(const tool_shape& tool);
  id header(const tool_shape& tool);
  std::string where(const tool_shape& tool) const { return "tool \"" + tool.name + "\": "; }
  id literal(std::string_view text) { return out_.text(characters_of(text)); }

  program_builder& out_;
  const mark_speller& speller_;
  const answer_format& format_;
  std::span<const tool_shape> tools_;
  std::uint32_t headed_ = automaton::none;  // the rule of a call from its id or name to its end, once it is made
};

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
