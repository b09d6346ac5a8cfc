/// value: what an expression of a template gives, and the heap that keeps texts, lists and dicts of one run.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/config.hpp"
#include "nibble/text/template/traced_text.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail::jinja {

class heap;
class run;
struct node;

enum class kind : std::uint8_t {
  undefined,  // from here on without a node, but for the text that says why
  none,
  boolean,
  integer,
  real,
  function,  // of the language: range, namespace, ...
  digits,    // an integer that no 64 bits hold, as it is written; from here on with a node
  text,
  list,
  dict,
  space,  // a namespace
  loop,
  macro,
  method,  // of an object
  cycler,
  joiner,
  scope,  // the variables of a block: no expression gives one
};

/// Why a value is undefined.
enum class lack : std::uint8_t { said, name, attribute, unsafe };

/// 16 bytes: a number, or a reference to a node that is counted.
class value {
 public:
  value() noexcept = default;
  value(const value& other) noexcept;
  value(value&& other) noexcept
      : kind_(other.kind_), from_(other.from_), lack_(other.lack_), owner_(other.owner_), as_(other.as_) {
    other.kind_ = kind::none;
    other.as_.integer = 0;
  }
  value& operator=(const value& other) noexcept {
    value copy(other);
    return *this = std::move(copy);
  }
  value& operator=(value&& other) noexcept {
    std::swap(kind_, other.kind_);
    std::swap(from_, other.from_);
    std::swap(lack_, other.lack_);
    std::swap(owner_, other.owner_);
    std::swap(as_, other.as_);
    return *this;
  }
  ~value();

  static value none() noexcept { return of(kind::none); }
  static value boolean(bool truth, origin from = origin::program) noexcept {
    value out = of(kind::boolean, from);
    out.as_.integer = truth;
    return out;
  }
  static value integer(std::int64_t number, origin from = origin::program) noexcept {
    value out = of(kind::integer, from);
    out.as_.integer = number;
    return out;
  }
  static value real(double number, origin from = origin::program) noexcept {
    value out = of(kind::real, from);
    out.as_.real = number;
    return out;
  }
  static value function(std::int64_t id) noexcept {
    value out = of(kind::function);
    out.as_.integer = id;
    return out;
  }
  /// Refers to a node; of an undefined value: to the text that tells of it.
  static value refer(kind k, node* to) noexcept;
  /// A name that has no value, or an attribute that an owner of a kind does not have.
  static value undefined(lack why, const value& text, kind owner = kind::none) noexcept;

  kind type() const noexcept { return kind_; }
  bool is(kind k) const noexcept { return kind_ == k; }
  bool is_undefined() const noexcept { return kind_ == kind::undefined; }
  bool is_text() const noexcept { return kind_ == kind::text; }
  /// True for booleans and 64-bit integers, which compute alike.
  bool is_integer() const noexcept { return kind_ == kind::integer || kind_ == kind::boolean; }
  bool is_number() const noexcept { return is_integer() || kind_ == kind::real; }
  origin from() const noexcept { return from_; }
  lack why() const noexcept { return lack_; }
  kind owner() const noexcept { return owner_; }

  std::int64_t as_integer() const noexcept { return as_.integer; }
  double as_real() const noexcept { return kind_ == kind::real ? as_.real : static_cast<double>(as_.integer); }
  node* referred() const noexcept { return has_node() ? as_.to : nullptr; }
  bool has_node() const noexcept { return kind_ >= kind::digits || (kind_ == kind::undefined && as_.to); }

 private:
  friend class heap;
  void drop() noexcept;
  static value of(kind k, origin from = origin::program) noexcept {
    value out;
    out.kind_ = k;
    out.from_ = from;
    out.as_.integer = 0;
    return out;
  }

  kind kind_ = kind::undefined;
  origin from_ = origin::program;
  lack lack_ = lack::said;
  kind owner_ = kind::none;
  union {
    std::int64_t integer;
    double real;
    node* to;
  } as_{0};
};

struct entry {
  value key, held;
};

/// What a value refers to. All of a run stand in one chain, for values may refer to each other in a circle.
struct node {
  heap* home = nullptr;
  node *before = nullptr, *after = nullptr;
  std::size_t bytes = 0;
  std::uint32_t references = 0;
  kind type = kind::none;
};

struct text_node : node {
  traced_text text;
  bool safe = false;  ///< marked as HTML: what is joined to it is escaped
};

/// What a list is in Python: that decides how it is written, indexed and counted.
enum class list_form : std::uint8_t { list, tuple, range, group, items, keys, values, iterator };

/// Whether it has places with numbers, and slices; others are only gone through.
constexpr bool is_indexed(list_form form) noexcept { return form <= list_form::group; }

/// What a call is given.
struct arguments {
  std::vector<value> plain;
  std::vector<std::pair<value, value>> named;  ///< names as texts

  const value* find(std::string_view name) const noexcept;
};

/// Where the items of an iterator come from: those of a source through a filter, each of them made when it is asked for.
struct stream {
  /// The next item; false if there is none, or after a failure.
  using step = bool (*)(run& r, stream& from, value& out);

  step next = nullptr;
  value source;
  arguments given = {};             ///< to the filter
  std::vector<value> pending = {};  ///< what was taken from the source, and is not given yet
  value kept = {};                  ///< what the filter remembers
  std::size_t at = 0;               ///< items that were taken of a source that is a list
  bool begun = false;
};

/// An iterator has no items, but a stream.
struct list_node : node {
  std::vector<value> items;
  list_form form = list_form::list;
  std::unique_ptr<stream> rest = {};
};

/// Keys in their order, found by hash where there are many. A namespace is one, too.
struct dict_node : node {
  std::vector<entry> entries;
  std::vector<std::uint32_t> slots;  // 1 + index of an entry, by hash; empty for few
};

struct binding {
  std::uint32_t name;
  value held;
};
/// Variables, found by the hash of their names where there are many.
struct scope_node : node {
  std::vector<binding> bindings;
  std::vector<std::uint32_t> slots;  // 1 + index of a binding; empty for few
  value parent;

  /// The variable of a name, or null.
  /// @cost  O(1)
  value* find(std::uint32_t name) noexcept {
    if (slots.empty()) {
      for (binding& b : bindings)
        if (b.name == name) return &b.held;
      return nullptr;
    }
    const std::uint32_t slot = slots[place_of(name)];
    return slot == 0 ? nullptr : &bindings[slot - 1].held;
  }
  /// A name that find() does not know.
  void add(std::uint32_t name, value held) {
    bindings.push_back({name, std::move(held)});
    if (bindings.size() > 8 && bindings.size() * 2 > slots.size()) {
      slots.assign((std::max)(std::size_t{32}, slots.size() * 4), 0);
      for (std::size_t i = 0; i + 1 < bindings.size(); ++i)
        slots[place_of(bindings[i].name)] = static_cast<std::uint32_t>(i + 1);
    }
    if (!slots.empty()) slots[place_of(name)] = static_cast<std::uint32_t>(bindings.size());
  }

 private:
  /// Where a name stands among the slots, or would.
  std::size_t place_of(std::uint32_t name) const noexcept {
    std::size_t at = (name * std::uint64_t{0x9E3779B97F4A7C15} >> 20) & (slots.size() - 1);
    while (slots[at] != 0 && bindings[slots[at] - 1].name != name) at = (at + 1) & (slots.size() - 1);
    return at;
  }
};

struct loop_node : node {
  std::vector<value> items;  ///< as far as they are known
  stream rest = {};          ///< those behind, as long as it is open
  bool is_open = false;
  std::size_t index = 0;
  std::int64_t depth = 0;
  value changed;           ///< the arguments of the latest changed()
  std::uint32_t body = 0;  ///< its statement, if it is recursive
  bool recursive = false;
  value scope;  ///< where it stands
};

struct macro_node : node {
  std::uint32_t definition = 0;
  value scope;  ///< where it was defined
};

struct method_node : node {
  value self;
  std::uint32_t id = 0;
};

/// cycler: what it gives, and where it stands; joiner: its separator.
struct cycle_node : node {
  std::vector<value> items;
  std::size_t position = 0;
};

/// Makes nodes, counts their bytes, and ends them all.
class heap {
 public:
  explicit heap(std::size_t most_bytes) noexcept : most_(most_bytes) {}
  heap(const heap&) = delete;
  heap& operator=(const heap&) = delete;
  /// Nodes that refer to each other in a circle are left: what they hold is forgotten before they end.
  ~heap();

  std::size_t bytes() const noexcept { return bytes_; }
  /// Nodes that were made since this was asked last.
  std::size_t take_made() noexcept { return std::exchange(made_, 0); }
  bool is_full() const noexcept { return bytes_ > most_; }

  value text(traced_text text, bool safe = false, kind k = kind::text) {
    auto* made = make<text_node>(k);
    made->text = std::move(text);
    made->safe = safe;
    recount(made, sizeof(text_node) + made->text.memory_bytes());
    return value::refer(k, made);
  }
  value text(std::string text, origin from = origin::program) { return this->text(traced_text(std::move(text), from)); }
  value list(std::vector<value> items, list_form form = list_form::list) {
    auto* made = make<list_node>(kind::list);
    made->items = std::move(items);
    made->form = form;
    recount(made, sizeof(list_node) + made->items.capacity() * sizeof(value));
    return value::refer(kind::list, made);
  }
  template <class Node>
  Node* make(kind k) {
    auto* made = new Node;
    made->type = k;
    made->home = this;
    made->after = first_;
    if (first_) first_->before = made;
    first_ = made;
    ++made_;
    recount(made, sizeof(Node));
    return made;
  }
  /// To be called when a node has come to need so much.
  void recount(node* n, std::size_t bytes) noexcept {
    bytes_ = bytes_ - n->bytes + bytes;
    n->bytes = bytes;
  }
  void recount(dict_node* n) noexcept {
    recount(n, sizeof(dict_node) + n->entries.capacity() * sizeof(entry) + n->slots.capacity() * sizeof(std::uint32_t));
  }

  /// Ends a node that nobody refers to, and what only it referred to: one after another, however deep they hold each other.
  void release(node* n) noexcept;

 private:
  void unlink(node* n) noexcept {
    (n->before ? n->before->after : first_) = n->after;
    if (n->after) n->after->before = n->before;
    bytes_ -= n->bytes;
  }
  /// Ends one node, which holds nothing.
  static void end(node* n) noexcept;

  node* first_ = nullptr;
  std::size_t bytes_ = 0, made_ = 0, most_;
};

inline value::value(const value& other) noexcept
    : kind_(other.kind_), from_(other.from_), lack_(other.lack_), owner_(other.owner_), as_(other.as_) {
  if (node* n = referred()) ++n->references;
}
inline value::~value() {
  if (has_node()) drop();
}
inline value value::refer(kind k, node* to) noexcept {
  value out = of(k);
  out.as_.to = to;
  ++to->references;
  return out;
}
inline value value::undefined(lack why, const value& text, kind owner) noexcept {
  value out = refer(kind::undefined, text.referred());
  out.lack_ = why;
  out.owner_ = owner;
  return out;
}

inline text_node* text_of(const value& v) noexcept { return static_cast<text_node*>(v.referred()); }
inline list_node* list_of(const value& v) noexcept { return static_cast<list_node*>(v.referred()); }
inline dict_node* dict_of(const value& v) noexcept { return static_cast<dict_node*>(v.referred()); }
inline scope_node* scope_of(const value& v) noexcept { return static_cast<scope_node*>(v.referred()); }
inline loop_node* loop_of(const value& v) noexcept { return static_cast<loop_node*>(v.referred()); }
inline macro_node* macro_of(const value& v) noexcept { return static_cast<macro_node*>(v.referred()); }
inline method_node* method_of(const value& v) noexcept { return static_cast<method_node*>(v.referred()); }
inline cycle_node* cycle_of(const value& v) noexcept { return static_cast<cycle_node*>(v.referred()); }

/// The bytes of a text; nothing for other values.
inline std::string_view view_of(const value& v) noexcept { return v.is_text() ? text_of(v)->text.view() : std::string_view(); }
inline const value* arguments::find(std::string_view name) const noexcept {
  for (const auto& [known, held] : named)
    if (view_of(known) == name) return &held;
  return nullptr;
}
inline bool is_list(const value& v, list_form form) noexcept { return v.is(kind::list) && list_of(v)->form == form; }

}  // namespace detail::jinja
}  // namespace NIBBLE_ABI
}  // namespace nibble
