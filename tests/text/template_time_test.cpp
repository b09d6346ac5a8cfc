/// The limit of a template's steps is one of time: whatever filter, method, test or operator the steps go to, and whatever
/// texts and lists they are given.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/text/json.hpp"
#include "nibble/text/template/filters.hpp"
#include "nibble/text/template/jinja_template.hpp"
#include "nibble/text/template/tests.hpp"
#include "support/sanitized.hpp"

using nibble::json;

namespace {

constexpr std::size_t large = 300'000;

std::string repeated(std::string_view part) {
  std::string out;
  while (out.size() < large) out += part;
  return out;
}

/// Large values that are hard on something.
std::vector<std::pair<std::string, json>> hostile_values() {
  std::vector<std::pair<std::string, json>> out;
  for (const std::string_view part : {"\n", "a", " ", "a ", "a\n", "\u3000", "\u0130\u1E9E", "<b>", "'\"\\", "7", "%", "%s",
                                      "{", "{}", "a-", "http://a.b/ ", "\u0301", "A.b,"})
    out.emplace_back("texts of '" + std::string(part) + "'", repeated(part));
  std::vector<json> texts, numbers, pairs, lists;
  std::vector<json::member> members;
  json deep = 1;
  for (int i = 0; i < 20'000; ++i) {
    texts.emplace_back("Text " + std::to_string(i * 7919 % 20'000));
    numbers.emplace_back(i * 7919 % 20'000);
    pairs.push_back(json::array({json("k" + std::to_string(i)), json(i)}));
    members.push_back({"k" + std::to_string(i), json(i % 100)});
    lists.push_back(json::array({json(0), json::object({{"a", json(i)}})}));
    if (i < 80) deep = json::array({deep, deep.is(nibble::json_kind::array) ? json(0) : json(1)});
  }
  out.emplace_back("texts", json::array(texts));
  out.emplace_back("numbers", json::array(numbers));
  out.emplace_back("pairs", json::array(pairs));
  out.emplace_back("lists", json::array(lists));
  out.emplace_back("members", json::object(members));
  out.emplace_back("large texts", json::array({json(repeated("a")), json(repeated("a")), json(repeated("a") + "b")}));
  out.emplace_back("deep", deep);
  return out;
}

/// Expressions of a large value v and its copy w: each filter, method, test and operator, with arguments of each kind.
std::vector<std::string> expressions() {
  constexpr std::string_view arguments[] = {"",
                                            "v",
                                            "w",
                                            "1",
                                            "'a'",
                                            "'\\n'",
                                            "'', 'b'",
                                            "'a', 'bb'",
                                            "v, w",
                                            "100000",
                                            "1, true, true",
                                            "'upper'",
                                            "'a', 'b', -1",
                                            "attribute='a'",
                                            "indent=4",
                                            "'k'",
                                            "(1, 'a')",
                                            "40, true, w"};
  std::vector<std::string> out = {"v ~ w",
                                  "v == w",
                                  "v < w",
                                  "v in w",
                                  "v[::-1]",
                                  "v[1:]",
                                  "v[-1]",
                                  "v[5]",
                                  "v * 50",
                                  "v % w",
                                  "v % (v,)",
                                  "v + w",
                                  "[v, w] | string",
                                  "{'a': v} | tojson",
                                  "'%s' % v",
                                  "v[::2]",
                                  "(v ~ '') | length",
                                  "v.a",
                                  "v['k7']"};
  for (const std::string_view given : arguments) {
    for (const auto& f : nibble::detail::jinja::all_filters)
      out.push_back("v | " + std::string(f.name) + "(" + std::string(given) + ")");
    for (const auto& m : nibble::detail::jinja::all_methods)
      out.push_back("v." + std::string(m.name) + "(" + std::string(given) + ")");
    if (given.find(',') == given.npos && given.find('=') == given.npos)
      for (const auto& t : nibble::detail::jinja::all_tests)
        if (t.name.front() >= 'a') out.push_back("v is " + std::string(t.name) + "(" + std::string(given) + ")");
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

/// Statements that do little each.
constexpr std::string_view statements[] = {
    "",
    "{{ i }}",
    "{{ 'a' }}",
    "{% set x = i %}",
    "{% set x = [i, i] %}",
    "{% set x = {'a': i} %}",
    "{% set x = (i, i)[0] %}",
    "{% set x = i + 1 %}",
    "{% set x = 'a' ~ i %}",
    "{% set x = 'a' ~ 'b' %}",
    "{% if i is odd %}{% elif i %}{% endif %}",
    "{% set x = i if i else 2 %}",
    "{{ m(i) }}",
    "{{ m(b=i) }}",
    "{% call m(i) %}a{% endcall %}",
    "{% with a = i %}{% endwith %}",
    "{% set n.a = i %}",
    "{% set x = n.a %}",
    "{% set x = loop.index %}",
    "{% set x = loop.changed(i) %}",
    "{% set x = loop.cycle(1, 2) %}",
    "{% set x = namespace(a=1) %}",
    "{% set x = dict(a=1) %}",
    "{% set x = range(1) %}",
    "{% set x = cycler(1) %}",
    "{% set x = joiner()() %}",
    "{% filter upper %}a{% endfilter %}",
    "{% set x %}a{% endset %}",
    "{% for j in [1] %}{% endfor %}",
    "{% for j in 'ab' %}{{ j }}{% endfor %}",
    "{% for j in [1, 2] if j > 1 recursive %}{% if i == 3 %}{{ loop([1]) }}{% endif %}{% endfor %}",
    "{% set a, b = i, 2 %}",
    "{% set x = strftime_now('%c %A %j') %}",
    "{% set x = w[i] %}",
    "{% set x = 'abc'[1:] %}",
    "{% set x = i in [1, 2] %}",
    "{% set x = 'abc'.upper() %}",
    "{% set x = 'abc' | upper %}",
    "{% set x = [1] | map('string') | list %}",
    "{% set x = nothing | default(1) %}",
    "{% set x = nothing %}",
    "{% set x = '%s' % i %}",
    "{% set x = '{}'.format(i) %}",
    "{% set x = 1.5 | string %}",
    "{% set x = i ** 2 % 7 %}",
    "{% generation %}{% endgeneration %}",
    "{% block b %}{% endblock %}"};

double seconds(const nibble::jinja_template& t, const json& values, std::string& said) {
  const std::clock_t begin = std::clock();
  const auto done = t.try_render(values, {.now = 0});
  said = done ? "" : done.failure().what();
  return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
}

}  // namespace

TEST_CASE("a step of a template takes no longer than others, whatever it works on") {
  if (NIBBLE_TEST_SANITIZED) return;
  nibble::limits most;
  most.template_steps /= 10;
  const char* asked = std::getenv("NIBBLE_EXPRESSIONS");  // one in so many
  const std::size_t step = asked ? std::max(1ul, std::strtoul(asked, nullptr, 10)) : 97;
  std::vector<std::pair<double, std::string>> slow;
  const std::vector<std::string> all_expressions = expressions();
  std::size_t at = 0;
  for (const auto& [name, value] : hostile_values()) {
    const json values = json::object({{"v", value}, {"w", value}});
    for (const std::string& e : all_expressions) {
      if (at++ % step != 0) continue;
      for (const bool goes_through : {false, true}) {
        const std::string what = goes_through ? "{% for x in " + e + " %}{% endfor %}" : "{% set x = " + e + " %}";
        const auto t = nibble::jinja_template::try_parse("{% for i in range(100000) %}" + what + "{% endfor %}", most);
        if (!t) continue;
        std::string said;
        const double took = seconds(*t, values, said);
        slow.emplace_back(took, e + " of " + name + (goes_through ? ", gone through: " : ": ") + said.substr(0, 90));
      }
    }
  }
  for (const std::string_view body : statements) {
    const std::string inner = "{% for i in range(100000) %}" + std::string(body) + "{% endfor %}";
    const auto t = nibble::jinja_template::try_parse(
        "{% macro m(a, b=1) %}{{ caller }}{% endmacro %}{% set n = namespace(a=1) %}{% set w = {1: 2} %}{% for o in "
        "range(100000) %}" +
            inner + "{% endfor %}",
        most);
    REQUIRE_MESSAGE(t, body);
    std::string said;
    const double took = seconds(*t, json::object(), said);
    slow.emplace_back(took, std::string(body) + ": " + said);
    CHECK_MESSAGE(said.find("limit") != said.npos, body << said);
  }
  std::sort(slow.rbegin(), slow.rend());
  for (std::size_t i = 0; i < std::min<std::size_t>(asked ? 100 : 3, slow.size()); ++i)
    MESSAGE(slow[i].first << " s: " << slow[i].second);
  CHECK(slow.front().first < 0.5);
}
