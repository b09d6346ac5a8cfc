/// run: what one rendering of a template has at hand: its memory, its limits, and the first thing that went wrong.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/config.hpp"
#include "nibble/core/checked.hpp"
#include "nibble/file/limits.hpp"
#include "nibble/text/template/syntax.hpp"
#include "nibble/text/template/value.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail::jinja {

/// Whoever knows where more items of a loop come from.
struct loop_source {
  /// Takes one more item into a loop; false if there is none.
  virtual bool pull(loop_node& loop) = 0;

 protected:
  ~loop_source() = default;
};

/// A failure is kept and not thrown: what goes on afterwards gives values of no meaning, and ends soon.
class run {
 public:
  explicit run(const nibble::limits& limits) noexcept
      : memory(memory_bytes(limits)), limits_(limits), steps_left_(limits.template_steps) {}

  heap memory;
  std::size_t place = 0;  ///< of the expression that is worked on, for failures
  const traced_text no_text;
  /// The time that strftime_now tells; see clock.hpp.
  std::int64_t now = 0;
  /// Items that were drawn at random.
  std::uint64_t draws = 0;
  loop_source* loops = nullptr;

  void fail(std::string what) { wrong_.set(place, std::move(what)); }
  void fail_beyond(const std::string& what, std::uint64_t limit) {
    if (!failed()) beyond_ = true;
    fail(what + ", the limit is " + std::to_string(limit));
  }
  bool failed() const noexcept { return wrong_.found(); }
  const mistake& wrong() const noexcept { return wrong_; }
  bool is_beyond() const noexcept { return beyond_; }  ///< a limit, and no mistake

  /// Counts work: one step, one for each 64 bytes that are copied, and some for each node that was made. What takes a character
  /// longer than a copy counts it as more bytes. A step is some 50 nanoseconds at most.
  /// @return  false when something has failed
  bool charge(std::size_t bytes = 0) {
    const std::uint64_t steps = 1 + bytes / 64 + steps_of_node * memory.take_made();
    if (steps > steps_left_) {
      steps_left_ = 0;
      fail_beyond("too many steps", limits_.template_steps);
    } else {
      steps_left_ -= steps;
    }
    if (memory.is_full()) fail_beyond("too many bytes of texts and lists", memory_bytes(limits_));
    return !failed();
  }
  /// Whether a text may become so long.
  bool may_be_long(std::uint64_t bytes) {
    if (bytes > limits_.template_output_bytes) fail_beyond("a text too long", limits_.template_output_bytes);
    return !failed();
  }
  /// The same of one that is being written, which must not be made of too many pieces either.
  bool may_be_long(const traced_text& text, std::size_t more = 0) {
    const std::uint64_t most = limits_.template_output_bytes / 16;
    if (text.runs() > most + 16) fail_beyond("a text of too many pieces by turns of a template and others", most);
    return may_be_long(sum_of_sizes(text.size(), more));
  }
  /// Whether there is room for so many bytes beside those of the heap.
  bool may_take(std::size_t bytes) {
    if (sum_of_sizes(memory.bytes(), bytes) > memory_bytes(limits_))
      fail_beyond("too many bytes of texts and lists", memory_bytes(limits_));
    return !failed();
  }

  value text(traced_text text, bool safe = false) {
    charge(text.size());
    return memory.text(std::move(text), safe);
  }
  value text(std::string text, origin from = origin::program) { return this->text(traced_text(std::move(text), from)); }
  value list(std::vector<value> items, list_form form = list_form::list) {
    charge(items.size() * 16);
    return memory.list(std::move(items), form);
  }

  /// What gives its items one after another.
  value iterator(stream from) {
    charge();
    value out = memory.list({}, list_form::iterator);
    list_node& made = *list_of(out);
    const std::size_t given = from.given.plain.capacity() + 2 * from.given.named.capacity();
    made.rest = std::make_unique<stream>(std::move(from));
    memory.recount(&made, sizeof(list_node) + sizeof(stream) + given * sizeof(value));
    return out;
  }

  /// Counts calls inside of each other, as long as it lives.
  class level {
   public:
    explicit level(run& of) : of_(of) {
      if (++of.depth_ > deepest(of.limits_))
        of.fail_beyond("calls and expressions too deep inside of each other", deepest(of.limits_));
    }
    ~level() { --of_.depth_; }
    level(const level&) = delete;
    level& operator=(const level&) = delete;

   private:
    run& of_;
  };

 private:
  static constexpr std::uint64_t steps_of_node = 4;
  /// Four times what may be written, and never less than 16 MiB.
  static std::size_t memory_bytes(const nibble::limits& limits) noexcept {
    return (std::max)(std::size_t{16} << 20, product_of_sizes(as_size(limits.template_output_bytes), 4));
  }
  /// Blocks within macros within blocks: three times what a template may write down. One takes 700 bytes of stack or less.
  static std::uint64_t deepest(const nibble::limits& limits) noexcept {
    return (std::min<std::uint64_t>)(limits.template_depth, 1'000) * 3;
  }

  const nibble::limits& limits_;
  std::uint64_t steps_left_, depth_ = 0;
  mistake wrong_;
  bool beyond_ = false;
};

/// Arguments by the names of their parameters.
class bound {
 public:
  static constexpr std::size_t most = 8;

  /// Fails where one is missing of the first `least`, given twice, or not known.
  bound(run& r, std::string_view function, const arguments& given, std::initializer_list<std::string_view> names,
        std::size_t least = 0) {
    std::size_t at = 0;
    if (given.plain.size() > names.size()) {
      r.fail(std::string(function) + "() takes at most " + std::to_string(names.size()) + " arguments, found " +
             std::to_string(given.plain.size()));
      return;
    }
    for (const value& v : given.plain) values_[at++] = &v;
    std::size_t known = 0;
    at = 0;
    for (const std::string_view name : names) {
      if (const value* v = given.find(name)) {
        if (values_[at]) {
          r.fail(std::string(function) + "() has two values for " + detail::quoted(name));
          return;
        }
        values_[at] = v;
        ++known;
      }
      if (at < least && !values_[at]) {
        r.fail(std::string(function) + "() needs " + detail::quoted(name));
        return;
      }
      ++at;
    }
    if (known < given.named.size())
      r.fail(std::string(function) + "() has no parameter of this name: " + unknown(given, names));
  }

  /// Null where it is not given.
  const value* operator[](std::size_t i) const noexcept { return values_[i]; }
  /// Null where it is not given, or none.
  const value* given(std::size_t i) const noexcept { return values_[i] && !values_[i]->is(kind::none) ? values_[i] : nullptr; }

 private:
  static std::string unknown(const arguments& given, std::initializer_list<std::string_view> names) {
    for (const auto& [name, held] : given.named) {
      bool known = false;
      for (const std::string_view parameter : names) known = known || view_of(name) == parameter;
      if (!known) return detail::quoted(view_of(name));
    }
    return {};
  }

  std::array<const value*, most> values_{};
};

/// What Python calls the type of a value.
inline std::string_view type_name(const value& v) noexcept {
  switch (v.type()) {
    case kind::undefined:
      return "Undefined";
    case kind::none:
      return "NoneType";
    case kind::boolean:
      return "bool";
    case kind::integer:
    case kind::digits:
      return "int";
    case kind::real:
      return "float";
    case kind::text:
      return "str";
    case kind::dict:
      return "dict";
    case kind::space:
      return "Namespace";
    case kind::loop:
      return "LoopContext";
    case kind::macro:
      return "Macro";
    case kind::list:
      switch (list_of(v)->form) {
        case list_form::list:
          return "list";
        case list_form::range:
          return "range";
        case list_form::items:
        case list_form::keys:
        case list_form::values:
          return "dict view";
        case list_form::iterator:
          return "generator";
        default:
          return "tuple";
      }
    default:
      return "function";
  }
}

/// Why a value is undefined, as Jinja says it.
inline std::string undefined_reason(const value& v) {
  const std::string_view text = v.referred() ? text_of(v)->text.view() : std::string_view();
  const std::string name = detail::quoted(text);
  switch (v.why()) {
    case lack::name:
      return name + " is undefined";
    case lack::attribute: {
      constexpr std::pair<kind, std::string_view> owners[] = {
          {kind::dict, "dict"},  {kind::text, "str"},        {kind::list, "list"},
          {kind::none, "None"},  {kind::integer, "int"},     {kind::boolean, "bool"},
          {kind::real, "float"}, {kind::space, "Namespace"}, {kind::loop, "loop"}};
      for (const auto& [owner, called] : owners)
        if (owner == v.owner()) return detail::quoted(std::string(called) + " object") + " has no attribute " + name;
      return "an object has no attribute " + name;
    }
    case lack::unsafe:
      return "the attribute " + name + " cannot be reached from a template";
    default:
      return text.empty() ? "a value is undefined" : std::string(text);
  }
}

}  // namespace detail::jinja
}  // namespace NIBBLE_ABI
}  // namespace nibble
