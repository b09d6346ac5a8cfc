/// The definitions behind tools.hpp: where in a reply calls may stand. Compiled once: see nibble/compile.hpp; never include it
/// yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/grammar/tool_calls-impl.hpp"
#include "nibble/grammar/tools.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// The rules of a reply around those of its calls.
class reply_rules {
 public:
  using id = patterns::id;
  reply_rules(program_builder& out, const mark_speller& speller, const answer_syntax& form, const tool_rules& rules,
              std::span<const tool_shape> tools)
      : out_(out),
        speller_(speller),
        form_(form),
        rules_(rules),
        calls_(out, speller, form.calls ? *form.calls : no_calls_, tools),
        format_(form.calls ? *form.calls : no_calls_) {}

  /// The rule of the whole.
  std::uint32_t reply() {
    const std::uint32_t said = out_.declare();  // behind the reasoning
    if (calls()) define_calls(said);
    define_said(said);
    const answer_beginning begun = form_.behind(rules_.prompt_end);
    if (begun.where == answer_beginning::part::reasoning) return reasoning_before(said);
    if (begun.where == answer_beginning::part::call && behind_mark_ != automaton::none) return behind_mark_;
    std::vector<id> parts{call_behind(begun.turn, said)};
    if (const std::string_view mark = without_blanks(form_.reasoning.begin); !mark.empty())
      parts.push_back(out_.all.sequence({blanks(), speller_.pattern(mark, out_), out_.all.call(reasoning_before(said))}));
    return out_.rule(out_.all.choice(std::move(parts)));
  }

 private:
  /// What is said at once. Where the prompt ended with the beginning of a mark of calls, such as that of the assistant's turn,
  /// the rest of the mark begins a call, and nothing else begins with its first letter.
  id call_behind(std::string_view turn, std::uint32_t said) {
    const auto mark = std::find_if(format_.other_begins.begin(), format_.other_begins.end(),
                                   [turn](std::string_view m) { return m.size() > turn.size() && m.starts_with(turn); });
    if (turn.empty() || mark == format_.other_begins.end() || behind_mark_ == automaton::none) return out_.all.call(said);
    const std::string_view rest = mark->substr(turn.size());
    const id call = out_.all.sequence({speller_.pattern(rest, out_), out_.all.call(behind_mark_)});
    if (must_call()) return out_.all.choice({call, out_.all.call(said)});
    const std::uint32_t other = out_.declare();
    out_.define_search_but(other, std::u32string(1, static_cast<unsigned char>(rest.front())), said);
    return out_.all.choice({call, out_.all.call(other)});
  }

  bool calls() const { return form_.calls != nullptr && format_.shape != call_shape::none && calls_.any(); }
  bool has_text_call() const { return !format_.text_name.empty(); }  // what is given to it is text for the reader
  bool must_call() const { return rules_.choice == tool_choice::required; }
  id blanks() { return out_.blanks(must_call() ? 2 : pattern::unlimited); }  // a model that is free writes what it likes

  void define_calls(std::uint32_t said) {
    std::vector<id> parts;
    if (rules_.choice != tool_choice::none) parts.push_back(calls_.behind_mark(rules_.parallel));
    if (has_text_call() && !must_call()) {
      marked_sequence text(out_, speller_);
      text.mark(format_.text_name).mark(format_.name_end).add(out_.all.call(said));
      parts.push_back(text.pattern());
    }
    if (parts.empty()) return;
    behind_mark_ = out_.declare();
    out_.define(behind_mark_, out_.all.choice(std::move(parts)));
  }

  /// What stands behind the mark that begins the reasoning: that, and what is said then.
  std::uint32_t reasoning_before(std::uint32_t said) {
    std::vector<search_mark> marks;
    speller_.add_marks(without_blanks(form_.reasoning.end), said, marks);
    const std::uint32_t made = out_.declare();
    out_.define_search(made, marks, must_call() ? search_end::at_marks : search_end::anywhere, search_text::bytes);
    return made;
  }

  /// Text, or calls, or both.
  void define_said(std::uint32_t said) {
    const bool may_call = behind_mark_ != automaton::none;
    if (must_call()) return out_.define(said, out_.all.sequence({blanks(), whole_calls()}));
    std::vector<search_mark> marks;
    if (calls())
      for (const std::string_view mark : calls_.marks())
        for (std::size_t i = 0; i < (format_.ascii_marks ? mark_spellings.size() : 1); ++i)
          speller_.add_marks(spelled(mark, mark_spellings[i]), behind_mark_, marks);
    if (may_call && format_.bare_calls)
      speller_.add_marks(without_blanks(format_.call_begin), out_.rule(calls_.behind_bare_mark(rules_.parallel)), marks);
    const std::uint32_t text = format_.whole ? out_.declare() : said;
    if (form_.reasoning.anywhere) speller_.add_marks(without_blanks(form_.reasoning.begin), reasoning_before(text), marks);
    out_.define_search(text, marks, search_end::anywhere, search_text::bytes);
    if (!format_.whole) return;
    const std::uint32_t other = out_.declare();  // a call begins the text, or never comes
    out_.define_search_but(other, calls() ? std::u32string_view(U"{") : std::u32string_view(), text);
    const id plain = out_.all.call(other);
    out_.define(said, may_call ? out_.all.choice({plain, out_.all.sequence({blanks(), out_.all.call(behind_mark_)})}) : plain);
  }

  id whole_calls() {
    if (format_.whole) return out_.all.call(behind_mark_);
    std::vector<id> begins;
    for (const std::string_view mark : calls_.marks()) begins.push_back(speller_.pattern(mark, out_));
    return out_.all.sequence({out_.all.choice(std::move(begins)), out_.all.call(behind_mark_)});
  }

  static constexpr answer_format no_calls_{};
  program_builder& out_;
  const mark_speller& speller_;
  const answer_syntax& form_;
  const tool_rules& rules_;
  call_rules calls_;
  const answer_format& format_;
  std::uint32_t behind_mark_ = automaton::none;
};

}  // namespace detail

result<grammar> try_tool_grammar(const json& tools, const answer_syntax& form, const tokenizer& words, const tool_rules& rules,
                                 const grammar_limits& most) {
  auto shapes = detail::read_tools(tools);
  if (!shapes) return std::move(shapes).failure();
  if (!rules.only.empty()) {
    std::erase_if(*shapes, [&](const detail::tool_shape& t) { return t.name != rules.only; });
    if (shapes->empty()) return error(errc::invalid_argument, "tools: there is no \"" + rules.only + "\" among them");
  }
  if (rules.choice == tool_choice::required) {
    if (shapes->empty()) return error(errc::invalid_argument, "tools: there is none, and a call is required");
    if (!form.calls) return error(errc::invalid_argument, "a call is required, and how the model writes calls is not known");
  }
  grammar_limits limits = most;  // a model may go on with spaces for long
  limits.json_spaces = (std::min)(limits.json_spaces, 1u);
  detail::program_builder out(limits);
  const detail::mark_speller speller(words);
  return out.finish(detail::reply_rules(out, speller, form, rules, *shapes).reply());
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
