/// The definitions behind value.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <vector>

#include "nibble/text/template/value.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail::jinja {

void value::drop() noexcept {
  node* n = as_.to;
  if (--n->references == 0) n->home->release(n);
}

/// Calls f with each value that a node holds.
template <class F>
void each_held(node* n, F&& f) noexcept {
  const auto all = [&](std::vector<value>& values) {
    for (value& v : values) f(v);
  };
  const auto all_of = [&](stream& s) {
    f(s.source), f(s.kept);
    all(s.given.plain), all(s.pending);
    for (auto& [name, held] : s.given.named) f(name), f(held);
  };
  switch (n->type) {
    case kind::list:
      all(static_cast<list_node*>(n)->items);
      if (stream* rest = static_cast<list_node*>(n)->rest.get()) all_of(*rest);
      break;
    case kind::dict:
    case kind::space:
      for (entry& e : static_cast<dict_node*>(n)->entries) f(e.key), f(e.held);
      break;
    case kind::loop:
      all(static_cast<loop_node*>(n)->items);
      all_of(static_cast<loop_node*>(n)->rest);
      f(static_cast<loop_node*>(n)->changed);
      f(static_cast<loop_node*>(n)->scope);
      break;
    case kind::macro:
      f(static_cast<macro_node*>(n)->scope);
      break;
    case kind::method:
      f(static_cast<method_node*>(n)->self);
      break;
    case kind::cycler:
    case kind::joiner:
      all(static_cast<cycle_node*>(n)->items);
      break;
    case kind::scope:
      for (binding& b : static_cast<scope_node*>(n)->bindings) f(b.held);
      f(static_cast<scope_node*>(n)->parent);
      break;
    default:
      break;
  }
}

void heap::release(node* n) noexcept {
  unlink(n);
  n->after = nullptr;
  while (n) {  // a chain by `after` of what is to end
    node* next = n->after;
    each_held(n, [&](value& held) {
      node* of = held.referred();
      held.kind_ = kind::none;
      if (!of || --of->references > 0) return;
      unlink(of);
      of->after = next;
      next = of;
    });
    end(n);
    n = next;
  }
}

heap::~heap() {
  for (node* n = first_; n; n = n->after) each_held(n, [](value& held) { held.kind_ = kind::none; });
  while (first_) {
    node* n = first_;
    unlink(n);
    end(n);
  }
}

void heap::end(node* n) noexcept {
  switch (n->type) {
    case kind::list:
      delete static_cast<list_node*>(n);
      break;
    case kind::dict:
    case kind::space:
      delete static_cast<dict_node*>(n);
      break;
    case kind::loop:
      delete static_cast<loop_node*>(n);
      break;
    case kind::macro:
      delete static_cast<macro_node*>(n);
      break;
    case kind::method:
      delete static_cast<method_node*>(n);
      break;
    case kind::cycler:
    case kind::joiner:
      delete static_cast<cycle_node*>(n);
      break;
    case kind::scope:
      delete static_cast<scope_node*>(n);
      break;
    default:
      delete static_cast<text_node*>(n);
      break;
  }
}

}  // namespace detail::jinja
}  // namespace NIBBLE_ABI
}  // namespace nibble
