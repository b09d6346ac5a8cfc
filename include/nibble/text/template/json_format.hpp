/// append_json: a value as JSON, which keeps its origins.
#pragma once

#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/config.hpp"
#include "nibble/text/json.hpp"
#include "nibble/text/template/printing.hpp"
#include "nibble/text/template/run.hpp"
#include "nibble/text/template/sorting.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail::jinja {

/// @source  the arguments of Python's json.dumps
struct json_style {
  bool indents = false, ascii = false, sorts = false;
  traced_text indent = {};
  traced_text items{", ", origin::program}, keys{": ", origin::program};
};

class json_writer {
 public:
  json_writer(run& r, const json_style& style, traced_text& out) : run_(r), style_(style), out_(out) {}

  void write(const value& v) {
    const run::level inside(run_);
    if (!run_.charge() || !run_.may_be_long(out_)) return;
    switch (v.type()) {
      case kind::none:
        return put("null");
      case kind::boolean:
        return put(v.as_integer() ? "true" : "false", v.from());
      case kind::integer:
        return put(std::to_string(v.as_integer()), v.from());
      case kind::real:
        return put(real(v.as_real()), v.from());
      case kind::digits:
        return out_.append(text_of(v)->text);
      case kind::text:
        return write_text(text_of(v)->text);
      case kind::list:
        if (is_indexed(list_of(v)->form) && list_of(v)->form != list_form::range) return write_list(*list_of(v));
        break;
      case kind::dict:
        return write_dict(*dict_of(v));
      default:
        break;
    }
    run_.fail(v.is_undefined() ? undefined_reason(v) + ", and cannot be written as JSON"
                               : "a " + std::string(type_name(v)) + " cannot be written as JSON");
  }

 private:
  void put(std::string_view text, origin from = origin::program) { out_.append(text, from); }
  void put(const traced_text& text) {
    if (run_.charge(text.size()) && run_.may_be_long(out_, text.size())) out_.append(text);
  }
  static std::string real(double number) {
    if (std::isnan(number)) return "NaN";
    return std::isinf(number) ? (number < 0 ? "-Infinity" : "Infinity") : real_text(number);
  }
  void write_text(const traced_text& text) {
    run_.charge(text.size() * 16);
    put("\"");
    text.each_piece([&](std::string_view piece, origin from) {
      std::string written;
      append_json_string(piece, written, style_.ascii);
      put(std::string_view(written).substr(1, written.size() - 2), from);
      return run_.may_be_long(out_);
    });
    put("\"");
  }
  void new_line(std::size_t depth) {
    if (!style_.indents) return;
    put("\n");
    for (std::size_t i = 0; i < depth && !run_.failed(); ++i) put(style_.indent);
  }
  void write_list(const list_node& list) {
    if (list.items.empty()) return put("[]");
    put("[");
    ++depth_;
    for (std::size_t i = 0; i < list.items.size() && !run_.failed(); ++i) {
      if (i > 0) put(style_.items);
      new_line(depth_);
      write(list.items[i]);
    }
    new_line(--depth_);
    put("]");
  }
  void write_key(const value& key) {
    if (key.is_text()) return write_text(text_of(key)->text);
    const bool plain = key.is(kind::none) || key.is_number() || key.is(kind::digits);
    if (!plain) return run_.fail("a " + std::string(type_name(key)) + " cannot be a key in JSON");
    put("\"");
    write(key);
    put("\"");
  }
  void write_dict(const dict_node& dict) {
    if (dict.entries.empty()) return put("{}");
    std::vector<keyed> order;
    if (!run_.charge(dict.entries.size() * 32)) return;
    for (const entry& e : dict.entries) order.push_back({e.key, e.held});
    if (style_.sorts) sort_keyed(run_, order, false);
    put("{");
    ++depth_;
    for (std::size_t i = 0; i < order.size() && !run_.failed(); ++i) {
      if (i > 0) put(style_.items);
      new_line(depth_);
      write_key(order[i].key);
      put(style_.keys);
      write(order[i].item);
    }
    new_line(--depth_);
    put("}");
  }

  run& run_;
  const json_style& style_;
  traced_text& out_;
  std::size_t depth_ = 0;
};

}  // namespace detail::jinja
}  // namespace NIBBLE_ABI
}  // namespace nibble
