/// What a template is after it is read: lexemes, expressions and statements, as flat lists that refer to each other by number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/config.hpp"
#include "nibble/gguf/metadata.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail::jinja {

enum class lexeme_kind : std::uint8_t {
  text,
  tag_begin,
  tag_end,
  expression_begin,
  expression_end,
  name,
  string,
  integer,
  real,
  symbol,
  end,
};
struct lexeme {
  lexeme_kind kind;
  std::size_t at;
  std::string_view text;
};

/// The first thing that is wrong with a template, and where.
struct mistake {
  bool found() const noexcept { return !what.empty(); }
  void set(std::size_t place, std::string sentence) {
    if (found()) return;
    at = place;
    what = std::move(sentence);
  }

  std::size_t at = 0;
  std::string what;
};

using index = std::uint32_t;
inline constexpr index nothing = 0xFFFFFFFF;

enum class expression_kind : std::uint8_t {
  constant,   // of number `a`
  name,       // of number `a`
  list,       // of children
  tuple,      // of children
  dict,       // of children: key, value, key, value
  attribute,  // of `a`; `b` is the constant with its name
  item,       // of `a`, at `b`
  slice,      // of `a`, from `b` to `c` in steps of `d`, each of which may be nothing
  call,       // of `a` with arguments
  filter,     // `b` the constant with its name, of `a`, with arguments
  test,       // the same
  negative,   // -a
  positive,   // +a
  negation,   // not a
  conjunction,
  disjunction,
  binary,      // a op b
  comparison,  // of children, with an operation before each but the first
  join,        // children, one after another: ~
  choice,      // a if b else c
};

enum class operation : std::uint8_t {
  add,
  subtract,
  multiply,
  divide,
  divide_whole,
  modulo,
  power,
  equal,
  unequal,
  less,
  at_most,
  more,
  at_least,
  in,
  not_in
};

/// An expression. Its children, or arguments, are `count` entries from `first` on of the list of children, or of arguments.
struct expression {
  expression_kind kind = expression_kind::constant;
  operation op = operation::add;
  index a = nothing, b = nothing, c = nothing, d = nothing;
  index first = 0, count = 0;
  std::size_t at = 0;
};

enum class argument_kind : std::uint8_t { plain, named, spread, spread_named };
struct argument {
  argument_kind kind;
  index name;  ///< the constant with it
  index value;
};
struct operand {
  operation op;
  index value;
};

enum class constant_kind : std::uint8_t { none, yes, no, integer, real, digits, text };
struct constant {
  constant_kind kind = constant_kind::none;
  std::int64_t integer = 0;
  double real = 0;
  std::string text = {};
};

enum class statement_kind : std::uint8_t {
  text,          // the constant `a`
  print,         // the expression `a`
  branch,        // if `a`, the block `b`, else the block `c`
  loop,          // for target `a` in `b` if `c`: the block `d`, else `e`; recursive where `flag`
  assign,        // target `a` = the expression `b`
  assign_block,  // target `a` = the block `b`, through the filter `c`
  define,        // a macro: definition `a`
  call_block,    // definition `a` is the caller of the call `b`
  filter_block,  // the block `b` through the filter `a`
  with,          // targets and values as children, the block `b`
  scope,         // the block `b`; one of a name where `flag`
  leave,         // break
  next,          // continue
  unavailable,   // include and the like: an error where it is run
};
struct statement {
  statement_kind kind = statement_kind::text;
  bool flag = false;
  index a = nothing, b = nothing, c = nothing, d = nothing, e = nothing;
  index first = 0, count = 0;
  std::size_t at = 0;
};

/// What a value is assigned to: a name, an attribute of a namespace, or several of these.
struct target {
  enum class form : std::uint8_t { name, attribute, several } kind = form::name;
  index name = nothing;       ///< of the variable, or of the namespace
  index attribute = nothing;  ///< the constant with it
  std::vector<index> parts = {};
  std::size_t at = 0;
};

/// A macro, or what stands in a call block.
struct definition {
  struct parameter {
    index name, text;  ///< `text`: the constant with the name
    index fallback;    ///< an expression or nothing
  };
  index name = nothing;  ///< of the variable; `nothing` for a call block
  index text = nothing;  ///< the constant with the name
  std::vector<parameter> parameters = {};
  index body = nothing;
  bool uses_caller = false, uses_named = false, uses_more = false;
  std::size_t at = 0;
};

/// A whole template. Nothing in it points elsewhere.
struct program {
  std::string source;
  std::vector<std::string> names;  ///< of variables
  std::vector<constant> constants;
  std::vector<expression> expressions;
  std::vector<index> children;
  std::vector<argument> arguments;
  std::vector<operand> operands;
  std::vector<statement> statements;
  std::vector<std::vector<index>> blocks;
  std::vector<target> targets;
  std::vector<definition> definitions;
  index body = nothing;   ///< a block
  std::size_t bytes = 0;  ///< of the object itself, as it is shared
};

}  // namespace detail::jinja
}  // namespace NIBBLE_ABI
}  // namespace nibble
