/// program_builder: a grammar made of rules that name each other before they are known.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/grammar/grammar.hpp"
#include "nibble/grammar/limits.hpp"
#include "nibble/grammar/pattern.hpp"
#include "nibble/grammar/program.hpp"
#include "nibble/grammar/search.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// What goes wrong is kept, and said at the end: what is made of it meanwhile has no meaning.
class program_builder {
 public:
  using id = patterns::id;
  explicit program_builder(const grammar_limits& most) : most_(most) {}

  patterns all;
  const grammar_limits& limits() const noexcept { return most_; }

  /// A rule that will be defined.
  std::uint32_t declare() {
    made_.targets.emplace_back();
    return static_cast<std::uint32_t>(made_.targets.size() - 1);
  }
  void define(std::uint32_t rule, id body);
  void define_search(std::uint32_t rule, std::span<const search_mark> marks, search_end end,
                     search_text of = search_text::characters) {
    made_.targets[rule].start = add_search(marks, end, of, made_.texts);
  }
  /// A rule of a text that another rule searches, but one that begins with none of these characters.
  void define_search_but(std::uint32_t rule, std::u32string_view first, std::uint32_t searched) {
    made_.targets[rule].start = add_search_but(first, made_.targets[searched].start, made_.texts);
  }
  std::uint32_t rule(id body) {
    const std::uint32_t made = declare();
    define(made, body);
    return made;
  }
  /// A call of another grammar, which is copied.
  id call(const grammar& g);
  /// A call of the values of a schema, or nothing that has a meaning.
  id call(result<grammar> made, std::string_view where);
  /// The strings that a schema allows, as they stand, in which none of these marks is.
  id strings(const json& schema, std::span<const search_mark> without, const std::string& where);
  id text(std::u32string_view characters);
  id optional(id part) { return all.repeat(part, 0, 1); }
  id many(id part) { return all.repeat(part, 0, pattern::unlimited); }
  /// White space, at most as much as formats write in front of something: a model may go on with it for long.
  id blanks(std::uint32_t most = 2);
  id nothing() { return all.sequence({}); }

  void fail(error e) {
    if (!failed_) failed_ = std::move(e);
  }
  result<grammar> finish(std::uint32_t root);

 private:
  const grammar_limits& most_;
  grammar_program made_;
  std::optional<error> failed_;
};

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
