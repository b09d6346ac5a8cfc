/// The definitions behind jinja_template.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <charconv>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/core/heap_bytes.hpp"
#include "nibble/text/template/interpreter.hpp"
#include "nibble/text/template/jinja_template.hpp"
#include "nibble/text/template/lexer.hpp"
#include "nibble/text/template/statements.hpp"
#include "nibble/text/template/value-impl.hpp"
#include "nibble/text/utf8.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail::jinja {

/// A source with line feeds alone, without the last one.
/// @source  the lexer of Jinja: newline_sequence, keep_trailing_newline
inline std::string normalized_lines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n') continue;
    out += source[i] == '\r' ? '\n' : source[i];
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

inline error failure_at(const mistake& wrong, const std::string& source, errc code) {
  return error(code, "template, " + place_in(source, wrong.at) + ": " + wrong.what);
}

/// Values of JSON as those of templates.
class value_maker {
 public:
  explicit value_maker(run& r) : run_(r) {}

  /// @param words  plain words count as the template's own
  value make(const json& from, bool words = false) {
    const run::level inside(run_);
    if (!run_.charge()) return value::none();
    switch (from.kind()) {
      case json_kind::boolean:
        return value::boolean(from.boolean(), origin::people);
      case json_kind::number:
        return number(from);
      case json_kind::string: {
        const bool own = words && is_word(from.string());
        return run_.text(to_valid_utf8(from.string()), own ? origin::program : origin::people);
      }
      case json_kind::array:
        return list(from, false);
      case json_kind::object:
        return dict(from, false);
      default:
        return value::none();
    }
  }
  /// A list of messages, which have roles.
  value messages(const json& from) { return from.is(json_kind::array) ? list(from, true) : make(from); }

 private:
  static bool is_word(std::string_view text) noexcept {
    return std::all_of(text.begin(), text.end(), [](char c) { return is_ascii_word(c) || c == '_' || c == '-' || c == ' '; });
  }
  value number(const json& from) {
    const std::string_view digits = from.digits();
    if (digits.find_first_of(".eE") != digits.npos) return value::real(real_of(digits), origin::people);
    if (const auto whole = from.integer()) return value::integer(*whole, origin::people);
    return run_.memory.text(traced_text(std::string(digits), origin::people), false, kind::digits);
  }
  value list(const json& from, bool messages) {
    std::vector<value> items;
    for (const json& item : from.items()) {
      if (run_.failed()) break;
      items.push_back(messages && item.is(json_kind::object) ? dict(item, true) : make(item));
    }
    return run_.list(std::move(items));
  }
  value dict(const json& from, bool message) {
    auto* made = run_.memory.make<dict_node>(kind::dict);
    value out = value::refer(kind::dict, made);
    for (const json::member& m : from.members()) {
      if (run_.failed()) break;
      const value key = run_.text(to_valid_utf8(m.key), origin::people);
      set_entry(run_, *made, key, make(m.value, message && m.key == "role"));
    }
    return out;
  }

  run& run_;
};

/// The value of each name of a program that is not set by it.
inline std::vector<value> outside_values(run& r, const program& code, const json& values, const template_options& options) {
  std::vector<value> out(code.names.size());
  value_maker maker(r);
  for (std::size_t i = 0; i < code.names.size() && !r.failed(); ++i) {
    const std::string& name = code.names[i];
    const auto own = std::find_if(options.own.begin(), options.own.end(), [&](const auto& each) { return each.first == name; });
    const json* given = values.find(name);
    if (own != options.own.end()) {
      out[i] = r.text(own->second);
    } else if (given) {
      out[i] = name == "messages" ? maker.messages(*given) : maker.make(*given);
    } else {
      out[i] = value::undefined(lack::name, r.text(name));
      for (std::size_t f = 0; f < all_functions.size(); ++f)
        if (all_functions[f].name == name) out[i] = value::function(static_cast<std::int64_t>(f));
    }
  }
  return out;
}

}  // namespace detail::jinja

jinja_template::jinja_template(std::shared_ptr<const detail::jinja::program> code, const limits& limits)
    : code_(std::move(code)), limits_(limits) {}

result<jinja_template> jinja_template::try_parse(std::string_view source, const limits& limits) {
  using namespace detail::jinja;
  if (source.size() > limits.template_bytes)
    return error(errc::limit_exceeded, "a template of " + std::to_string(source.size()) + " bytes, the limit is " +
                                           std::to_string(limits.template_bytes));
  std::size_t bytes = 0;
  auto code = std::allocate_shared<program>(detail::counting_allocator<program>(bytes));
  code->bytes = bytes;
  code->source = normalized_lines(source);
  mistake wrong;
  if (const std::size_t valid = valid_utf8_prefix(code->source); valid < code->source.size()) {
    wrong.set(valid, "a byte that is no UTF-8");
  } else {
    std::vector<lexeme> tokens;
    lexer(code->source, tokens, wrong).run();
    if (!wrong.found()) program_parser(tokens, *code, wrong, limits.template_depth).run();
  }
  if (wrong.found()) return failure_at(wrong, code->source, errc::malformed);
  return jinja_template(std::move(code), limits);
}

result<std::vector<prompt_part>> jinja_template::try_render(const json& values, const template_options& options) const {
  using namespace detail;
  if (!values.is(json_kind::object) && !values.is(json_kind::null))
    return error(errc::invalid_argument, "values: expected an object of them, found " + described(values));
  jinja::run r(limits_);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  r.now = options.now.value_or(std::chrono::duration_cast<std::chrono::seconds>(now).count());
  traced_text text;
  {
    std::vector<jinja::value> outside = jinja::outside_values(r, *code_, values, options);
    if (!r.failed()) text = jinja::interpreter(*code_, r, std::move(outside)).render();
  }
  if (!r.failed()) static_cast<void>(r.may_be_long(text));
  if (r.failed())
    return jinja::failure_at(r.wrong(), code_->source, r.is_beyond() ? errc::limit_exceeded : errc::invalid_argument);
  std::vector<prompt_part> out;
  text.each_run(0, text.size(), [&](std::string_view run, origin from) {
    out.push_back({std::string(run), from == origin::program});
  });
  return out;
}

bool jinja_template::reads(std::string_view variable) const noexcept {
  return std::find(code_->names.begin(), code_->names.end(), variable) != code_->names.end();
}

std::size_t jinja_template::memory_bytes() const noexcept {
  using detail::heap_bytes;
  const detail::jinja::program& c = *code_;
  std::size_t bytes = c.bytes;
  const auto add = [&](std::size_t more) { bytes = sum_of_sizes(bytes, more); };
  for (const std::string& name : c.names) add(heap_bytes(name));
  for (const auto& constant : c.constants) add(heap_bytes(constant.text));
  for (const auto& block : c.blocks) add(heap_bytes(block));
  for (const auto& target : c.targets) add(heap_bytes(target.parts));
  for (const auto& definition : c.definitions) add(heap_bytes(definition.parameters));
  for (const std::size_t part :
       {heap_bytes(c.source), heap_bytes(c.names), heap_bytes(c.constants), heap_bytes(c.expressions), heap_bytes(c.children),
        heap_bytes(c.arguments), heap_bytes(c.operands), heap_bytes(c.statements), heap_bytes(c.blocks), heap_bytes(c.targets),
        heap_bytes(c.definitions)})
    add(part);
  return bytes;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
