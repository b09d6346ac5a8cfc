/// The definitions behind schema.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "nibble/grammar/grammar.hpp"
#include "nibble/grammar/schema.hpp"
#include "nibble/grammar/schema_document-impl.hpp"
#include "nibble/grammar/schema_names-impl.hpp"
#include "nibble/grammar/schema_negation-impl.hpp"
#include "nibble/grammar/schema_possible-impl.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Makes shapes of the alternatives of all values of a document. A node is a set of values: those that meet some literals.
class schema_compiler {
 public:
  schema_compiler(const json& schema, const grammar_limits& most)
      : most_(most), document_(schema), expander_(document_, most, made_.texts), names_(most, made_) {}

  result<grammar_program> run() {
    std::vector<schema_literal> root = {literal_of(document_.root())};
    const std::optional<std::uint32_t> first = node_of(std::move(root));
    for (std::size_t n = 0; n < nodes_.size(); ++n) {
      if (nodes_.size() > most_.schema_nodes)
        return error(errc::limit_exceeded,
                     "schema: more than " + std::to_string(most_.schema_nodes) + " different sets of values");
      if (nodes_[n] == std::vector<schema_literal>{nothing}) continue;  // made with its shape
      auto branches = expander_.expand(nodes_[n]);
      if (!branches) return std::move(branches).failure().in("schema");
      for (const schema_branch& b : *branches) {
        auto done = add_shapes(static_cast<std::uint32_t>(n), b);
        if (!done) return std::move(done).failure().in(place_of(n)).in("schema");
      }
    }
    possible_values possible(made_);
    if (const auto unsure = possible.remove_others())
      return error(errc::bad_value, std::string(unsure->what)).in(place_of(unsure->target)).in("schema");
    if (!first || !possible.contains(*first)) return error(errc::malformed, "schema: no value is valid");
    made_.root = *first;
    made_.shapes.any_text = expander_.any_text();
    made_.shapes.spaces = most_.json_spaces;
    std::uint32_t object = 0;
    if (auto done = names_.add_names(object); !done)
      return std::move(done).failure().in(place_of(node_of_object(object))).in("schema");
    return std::move(made_);
  }

 private:
  using choices = std::vector<json_shapes::choice>;

  std::string place_of(std::size_t node) const {
    return expander_.place_of(node < nodes_.size() ? nodes_[node] : std::vector<schema_literal>());
  }

  std::size_t node_of_object(std::uint32_t object) const {
    const auto has = [object](const grammar_target& t) {
      return std::find(t.objects.begin(), t.objects.end(), object) != t.objects.end();
    };
    return static_cast<std::size_t>(std::find_if(made_.targets.begin(), made_.targets.end(), has) - made_.targets.begin());
  }

  /// The node of some literals; empty: none can meet them all.
  std::optional<std::uint32_t> node_of(std::vector<schema_literal> all) {
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    std::erase(all, anything);
    for (const schema_literal x : all)
      if (x == nothing || std::binary_search(all.begin(), all.end(), opposite(x))) return std::nullopt;
    if (nodes_.size() > most_.schema_nodes) return std::nullopt;  // which run() says
    const auto [found, is_new] = numbers_.try_emplace(all, static_cast<std::uint32_t>(nodes_.size()));
    if (is_new) {
      nodes_.push_back(std::move(all));
      made_.targets.emplace_back();
    }
    return found->second;
  }

  static void add_once(std::vector<std::uint32_t>& to, std::uint32_t x) {
    if (x != automaton::none && std::find(to.begin(), to.end(), x) == to.end()) to.push_back(x);
  }

  result<void> add_shapes(std::uint32_t n, const schema_branch& b) {
    static constexpr std::pair<std::uint8_t, std::string_view> words[] = {
        {schema_branch::null, "null"}, {schema_branch::no, "false"}, {schema_branch::yes, "true"}};
    for (const auto& [type, word] : words)
      if ((b.types & type) != 0) add_once(made_.targets[n].texts, start_of(word));
    if ((b.types & schema_branch::number) != 0) {
      std::vector<number_demand> demands = b.numbers;
      std::sort(demands.begin(), demands.end());
      auto known = number_starts_.find(demands);
      if (known == number_starts_.end()) {
        auto start = add_numbers(demands, most_.states, made_.texts);
        if (!start)
          return std::move(start).failure().in("the numbers of multipleOf, minimum, maximum, enum and const together");
        known = number_starts_.emplace(std::move(demands), *start).first;
      }
      add_once(made_.targets[n].texts, known->second);
    }
    if ((b.types & schema_branch::string) != 0) {
      auto s = string_of(b);
      if (!s) return std::move(s).failure();
      add_once(made_.targets[n].strings, *s);
    }
    if ((b.types & schema_branch::array) != 0) NIBBLE_TRY(add_array(n, b));
    if ((b.types & schema_branch::object) != 0) NIBBLE_TRY(add_object(n, b));
    return {};
  }

  std::uint32_t start_of(std::string_view word) {
    const auto [found, is_new] = words_.try_emplace(std::string(word), 0);
    if (is_new) {
      std::uint32_t at = made_.texts.add({.tag = 0});
      for (std::size_t i = word.size(); i > 0; --i) {
        const auto c = static_cast<char32_t>(word[i - 1]);
        at = made_.texts.add({.edges = {{c, c, at}}});
      }
      found->second = at;
    }
    return found->second;
  }

  result<std::uint32_t> string_of(const schema_branch& b) {
    std::vector<text_literal> texts = b.texts;
    std::sort(texts.begin(), texts.end());
    auto key = std::tuple(texts, b.least_characters, b.most_characters);
    const auto known = string_numbers_.find(key);
    if (known != string_numbers_.end()) return known->second;
    json_shapes::string shape{expander_.any_text(), b.least_characters, b.most_characters};
    if (!texts.empty()) {
      auto start = expander_.texts_of(b, true);
      if (!start) return std::move(start).failure();
      shape = {*start};
    }
    std::uint32_t number = automaton::none;
    if (shape.start != automaton::none) {
      number = static_cast<std::uint32_t>(made_.shapes.strings.size());
      made_.shapes.strings.push_back(shape);
    }
    string_numbers_.emplace(std::move(key), number);
    return number;
  }

  /// Values that meet some literals, and any of the demands beside them: which ones is a choice.
  struct wish {
    schema_literal what;
    bool counted;  // where it is not met, its opposite must be
  };
  choices choices_of(const std::vector<schema_literal>& all, const std::vector<wish>& wishes) {
    choices out;
    for (std::uint32_t met = 0; met < 1u << wishes.size(); ++met) {
      std::vector<schema_literal> literals = all;
      for (std::size_t d = 0; d < wishes.size(); ++d) {
        if ((met >> d & 1) != 0) literals.push_back(wishes[d].what);
        if ((met >> d & 1) == 0 && wishes[d].counted) literals.push_back(opposite(wishes[d].what));
      }
      if (const auto node = node_of(std::move(literals))) out.push_back({met, *node});
    }
    return out;
  }

  result<void> add_array(std::uint32_t n, const schema_branch& b) {
    if (b.unique && b.most_items > 1) return add_set(n, b);
    if (b.contains.size() > 4) return error(errc::bad_value, "contains: more than 4 that apply to one array are not supported");
    json_shapes::array shape;
    shape.least = b.least_items, shape.most = b.most_items;
    std::size_t places = 0;
    for (const schema_branch::items& p : b.places) places = (std::max)(places, p.first.size());
    for (const schema_branch::contained& c : b.contains)
      places = (std::max)(places, std::size_t{c.from}), shape.demands.push_back({c.least, c.most});
    places = (std::min)(places, std::size_t{b.most_items});
    for (std::size_t i = 0; i <= places; ++i) {
      std::vector<schema_literal> all;
      for (const schema_branch::items& p : b.places) all.push_back(i < p.first.size() ? p.first[i] : p.rest);
      std::vector<wish> wishes;
      for (const schema_branch::contained& c : b.contains)
        wishes.push_back({i < c.from ? nothing : c.what, c.most != schema_branch::unlimited});
      choices here = choices_of(all, wishes);
      if (i == places) {
        shape.rest = std::move(here);
      } else {
        shape.first.push_back(std::move(here));
      }
    }
    for (const json_shapes::demand& d : shape.demands)
      if (d.least > d.most || d.least > shape.most) return {};
    add_once(made_.targets[n].arrays, static_cast<std::uint32_t>(made_.shapes.arrays.size()));
    made_.shapes.arrays.push_back(std::move(shape));
    return {};
  }

  static constexpr std::size_t most_values = 31;  // of a set: bits of a word

  /// An array whose items differ: of values that are not many, or of strings.
  result<void> add_set(std::uint32_t n, const schema_branch& b) {
    const auto refusal = [] {
      return error(errc::bad_value, "uniqueItems is supported for strings, for items of up to 31 values, and for one item");
    };
    if (!b.contains.empty()) return refusal();
    std::size_t places = 0;
    for (const schema_branch::items& p : b.places) places = (std::max)(places, p.first.size());
    places = (std::min)(places, std::size_t{b.most_items});
    if (places > 0 && b.least_items > 0) return refusal();     // an item may need the value that another one took
    std::vector<std::vector<schema_literal>> all(places + 1);  // fits: of places in a schema
    std::vector<json> values;
    bool few = true;
    for (std::size_t i = 0; i <= places; ++i) {
      for (const schema_branch::items& p : b.places) all[i].push_back(i < p.first.size() ? p.first[i] : p.rest);
      few &= add_values_of(all[i], values) || (i == places && b.most_items <= places);
    }
    if (!few || values.size() > most_values) return places == 0 ? add_string_set(n, b, all[0], refusal()) : refusal();
    json_shapes::array shape;
    shape.least = b.least_items, shape.most = b.most_items, shape.set = true;
    shape.demands.assign(values.size(), {0, 1});
    shape.first.resize(places);
    for (std::size_t i = 0; i <= places; ++i) {
      for (std::size_t v = 0; v < values.size(); ++v) {
        std::vector<schema_literal> literals = all[i];
        literals.push_back(literal_of(document_.add_made(json::object({{"const", values[v]}}), document_.root(), "enum")));
        if (const auto node = node_of(std::move(literals)))
          (i < places ? shape.first[i] : shape.rest).push_back({1u << v, *node});
      }
    }
    add_once(made_.targets[n].arrays, static_cast<std::uint32_t>(made_.shapes.arrays.size()));
    made_.shapes.arrays.push_back(std::move(shape));
    return {};
  }

  /// Adds the values that literals leave, where those are a list. False: they may be many.
  bool add_values_of(const std::vector<schema_literal>& all, std::vector<json>& out) {
    for (const schema_literal x : all) {
      if (x == nothing) return true;
      const auto list = x % 2 == 0 && x < anything ? expander_.values_of(x / 2) : std::nullopt;
      if (!list) continue;
      for (const json& value : *list) {
        const auto same = [&](const json& other) {
          if (value.is(json_kind::number) && other.is(json_kind::number))
            return decimal_of(value.digits()) == decimal_of(other.digits());
          return value.text() == other.text();
        };
        if (value.is(json_kind::array) || value.is(json_kind::object)) return false;
        if (out.size() > most_values) return false;
        if (std::none_of(out.begin(), out.end(), same)) out.push_back(value);
      }
      return true;
    }
    return false;
  }

  /// An array of strings that differ: each is remembered by a hash. Strings of a language that soon ends are not taken.
  result<void> add_string_set(std::uint32_t n, const schema_branch& b, const std::vector<schema_literal>& all, error refusal) {
    auto branches = expander_.expand(all);
    if (!branches) return std::move(branches).failure();
    if (branches->size() != 1 || branches->front().types != schema_branch::string) return refusal;
    auto start = expander_.texts_of(branches->front(), true);
    if (!start) return std::move(start).failure();
    if (*start == automaton::none) return refusal;
    if (!is_large(*start)) return refusal;
    json_shapes::array shape;
    shape.least = b.least_items, shape.most = b.most_items, shape.remembers = true;
    const auto target = static_cast<std::uint32_t>(nodes_.size());
    nodes_.push_back({nothing});  // a node of its own
    made_.targets.emplace_back();
    made_.targets[target].strings.push_back(static_cast<std::uint32_t>(made_.shapes.strings.size()));
    made_.shapes.strings.push_back({.start = *start, .remembered = true});
    shape.rest = {{0, target}};
    add_once(made_.targets[n].arrays, static_cast<std::uint32_t>(made_.shapes.arrays.size()));
    made_.shapes.arrays.push_back(std::move(shape));
    return {};
  }

  /// More than a million texts, counted until a loop is found.
  bool is_large(std::uint32_t start) const {
    std::map<std::uint32_t, double> ways = {{start, 1}};
    double texts = 0;
    std::size_t work = 0;
    for (std::size_t length = 0; length < 5'000 && work < 200'000 && texts < 1e6 && !ways.empty(); ++length) {
      std::map<std::uint32_t, double> next;
      for (const auto& [q, n] : ways) {
        work += made_.texts[q].edges.size();
        if (made_.texts[q].tag != automaton::none) texts += n;
        for (const automaton::edge& e : made_.texts[q].edges) next[e.to] += n * (double(e.high) - double(e.low) + 1);
      }
      ways = std::move(next);
    }
    return texts >= 1e6;
  }

  /// The value that a group has for a name, which fits some expressions.
  static void add_values(const schema_branch::members& g, const std::string* name, const std::vector<text_literal>& fits,
                         std::vector<schema_literal>& out) {
    bool own = false;
    if (name) {
      const auto found = g.named.find(*name);
      own = found != g.named.end();
      if (own) out.push_back(found->second);
    }
    for (const auto& [text, x] : g.fitting) {
      if (std::find(fits.begin(), fits.end(), text) == fits.end()) continue;
      own = true;
      out.push_back(x);
    }
    if (!own) out.push_back(g.others);
  }

  /// The values that a branch allows for a name, which fits some expressions: by the demands that they meet.
  choices member_values(const schema_branch& b, const std::string* name, const std::vector<text_literal>& fits) {
    std::vector<schema_literal> all;
    for (const schema_branch::members& g : b.groups) add_values(g, name, fits, all);
    std::vector<std::vector<schema_literal>> some(b.some.size());
    for (std::size_t d = 0; d < b.some.size(); ++d) add_values(b.some[d], name, fits, some[d]);
    choices here;
    for (std::uint32_t met = 0; met < 1u << some.size(); ++met) {
      std::vector<schema_literal> literals = all;
      for (std::size_t d = 0; d < some.size(); ++d)
        if ((met >> d & 1) != 0) literals.insert(literals.end(), some[d].begin(), some[d].end());
      if (const auto node = node_of(std::move(literals))) here.push_back({met, *node});
    }
    return here;
  }

  result<void> add_object(std::uint32_t n, const schema_branch& b) {
    if (b.some.size() > 4) return error(errc::bad_value, "not: more than 4 members that must be otherwise are not supported");
    std::vector<std::string> names = b.required;
    std::vector<std::uint32_t> expressions;
    for (const auto* groups : {&b.groups, &b.some}) {
      for (const schema_branch::members& g : *groups) {
        for (const auto& [name, x] : g.named) names.push_back(name);
        for (const auto& [text, x] : g.fitting) add_once(expressions, text / 2);
      }
    }
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    auto classes = names_.classes(names, expressions, expander_.any_text());
    if (!classes) return std::move(classes).failure();
    const std::size_t lists = b.groups.size() + b.some.size() + expressions.size();
    NIBBLE_TRY(expander_.spend(std::uint64_t{classes->fits.size()} * (lists * lists + 1) << b.some.size()));

    json_shapes::object shape;
    shape.keys = classes->start, shape.first_state = classes->first_state;
    shape.known = static_cast<std::uint32_t>(names.size());
    shape.least = b.least_members, shape.most = b.most_members;
    shape.demands.assign(b.some.size(), {});
    shape.required.resize(shape.seen_words());
    for (const std::string& name : b.required) {
      const auto i = static_cast<std::uint32_t>(std::lower_bound(names.begin(), names.end(), name) - names.begin());
      shape.required[i / 32] |= 1u << i % 32;
    }
    for (std::size_t c = 0; c < classes->fits.size(); ++c) {
      std::vector<text_literal> fits;
      for (std::size_t e = 0; e < expressions.size(); ++e) fits.push_back(2 * expressions[e] + (classes->fits[c][e] ? 0u : 1u));
      shape.classes.push_back(member_values(b, c < names.size() ? &names[c] : nullptr, fits));
    }
    if (shape.least > 1 || !shape.demands.empty()) NIBBLE_TRY(remember_names(shape, b.required.size()));
    add_once(made_.targets[n].objects, static_cast<std::uint32_t>(made_.shapes.objects.size()));
    made_.shapes.objects.push_back(std::move(shape));
    return {};
  }

  /// Names that come twice are one member: where members count, each of them has to be another one.
  static result<void> remember_names(json_shapes::object& shape, std::size_t required) {
    constexpr std::uint32_t most_names = 1'000, most_classes = 4'000;
    if (shape.classes.size() > most_classes) {
      return error(errc::limit_exceeded, "minProperties, or members that must be otherwise, beside more than " +
                                             std::to_string(most_classes) + " names");
    }
    const bool others = std::any_of(shape.classes.begin() + std::ptrdiff_t(shape.known), shape.classes.end(),
                                    [](const choices& c) { return !c.empty(); });
    shape.remembers = others && (shape.least > (std::max<std::size_t>)(required, 1) || !shape.demands.empty());
    if (!shape.remembers) return {};
    if (shape.least > most_names || required > most_names)
      return error(errc::limit_exceeded, "minProperties: at most " + std::to_string(most_names) + " are supported");
    shape.most = (std::min)(shape.most, most_names);
    return {};
  }

  const grammar_limits& most_;
  grammar_program made_;
  schema_document document_;
  schema_expander expander_;
  std::vector<std::vector<schema_literal>> nodes_;
  std::map<std::vector<schema_literal>, std::uint32_t> numbers_;
  std::map<std::string, std::uint32_t, std::less<>> words_;
  std::map<std::vector<number_demand>, std::uint32_t> number_starts_;
  std::map<std::tuple<std::vector<text_literal>, std::uint32_t, std::uint32_t>, std::uint32_t> string_numbers_;
  name_automatons names_;
};

result<grammar_program> compile_schema(const json& schema, const grammar_limits& most) {
  return schema_compiler(schema, most).run();
}

}  // namespace detail

result<grammar> grammar::try_from_schema(const json& schema, const grammar_limits& most) {
  auto made = detail::compile_schema(schema, most);
  if (!made) return std::move(made).failure();
  return detail::grammar_parts::made_of(*std::move(made));
}

result<grammar> grammar::try_from_schema(std::string_view schema, const grammar_limits& most) {
  auto read = json::try_parse(schema);
  if (!read) return std::move(read).failure().in("schema");
  return try_from_schema(*read, most);
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
