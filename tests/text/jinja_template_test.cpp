#include "nibble/text/template/jinja_template.hpp"

#include <doctest/doctest.h>

#include <ctime>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/sanitized.hpp"
#include "vocabularies.hpp"

using nibble::errc;
using nibble::jinja_template;
using nibble::json;

namespace {

constexpr std::int64_t july_2024 = 1'721'981'350;  // 2024-07-26 08:09:10

/// "=" and what a template writes, or "!" and why it does not.
std::string written(std::string_view source, const json& values = json::object(), const nibble::limits& limits = {}) {
  const auto made = jinja_template::try_parse(source, limits);
  if (!made) return std::string("!") + made.failure().what();
  nibble::template_options options;
  options.now = july_2024;
  for (const char* name : {"bos_token", "eos_token"})
    if (const json* own = values.find(name)) options.own.emplace_back(name, own->string());
  const auto parts = made->try_render(values, options);
  if (!parts) return std::string("!") + parts.failure().what();
  std::string out = "=";
  for (const auto& part : *parts) out += part.text;
  return out;
}

/// What a template writes, with brackets around what it did not write itself.
std::string traced(std::string_view source, std::string_view values) {
  const auto parts = jinja_template::try_parse(source)->try_render(*json::try_parse(values));
  REQUIRE(parts);
  std::string out;
  for (const auto& part : *parts) out += part.special ? part.text : "[" + part.text + "]";
  return out;
}

/// The same of times: of a format that people wrote, and of the template's.
std::string traced_time(std::string_view values) {
  nibble::template_options options;
  options.now = july_2024;
  const auto parts =
      jinja_template::try_parse("{{ strftime_now(f) }}{{ strftime_now('%Y') }}")->try_render(*json::try_parse(values), options);
  REQUIRE(parts);
  std::string out;
  for (const auto& part : *parts) out += part.special ? part.text : "[" + part.text + "]";
  return out;
}

errc code_of(std::string_view source, const json& values = json::object(), const nibble::limits& limits = {}) {
  const auto made = jinja_template::try_parse(source, limits);
  if (!made) return made.failure().code();
  const auto parts = made->try_render(values);
  REQUIRE_FALSE(parts);
  return parts.failure().code();
}

std::string repeated(std::string_view text, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += text;
  return out;
}

}  // namespace

TEST_CASE("pprint sorts the keys of dicts and begins lines as Python does") {
  // of Jinja 3.1 with Python 3.11
  const std::pair<std::string_view, std::string_view> rows[] = {
      {"{'b': 1, 'a': {'d': none, 'c': [1, 2]}}", "{'a': {'c': [1, 2], 'd': None}, 'b': 1}"},
      {"{2: 'x', 1: 'y', 'a': (1,), none: 1.5}", "{None: 1.5, 1: 'y', 2: 'x', 'a': (1,)}"},
      {"{'words': ['alpha', 'beta', 'gamma', 'delta', 'epsilon', 'zeta', 'eta', 'theta'], 'a': ('b',)}",
       "{'a': ('b',),\n 'words': ['alpha',\n           'beta',\n           'gamma',\n           'delta',\n           "
       "'epsilon',\n   "
       "        'zeta',\n           'eta',\n           'theta']}"},
      {"'one two three ' * 10",
       "('one two three one two three one two three one two three one two three one '\n 'two three one two three one two three "
       "one "
       "two three one two three ')"},
      {"['x' * 90, 'it\\'s ' * 20]",
       "['xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx',\n \"it's it's it's it's "
       "it's it's it's it's it's it's it's it's it's it's it's \"\n \"it's it's it's it's it's \"]"},
      {"'plain'", "'plain'"},
      {"[]", "[]"},
      {"{}", "{}"},
      {"x", "Undefined"},
  };
  for (const auto& [value, said] : rows)
    CHECK(written("{{ (" + std::string(value) + ") | pprint }}") == "=" + std::string(said));
  CHECK(traced("{{ {'b': v, 'a': 1} | pprint }}", R"({"v": "x"})") == "{'a': 1, 'b': '[x]'}");
}

TEST_CASE("a tag that ends or divides what is not open says so") {
  for (const std::string_view tag : {"else", "elif", "endif", "endfor", "endset", "endmacro", "endcall", "endwith", "endraw",
                                     "endblock", "endfilter", "endgeneration"}) {
    const std::string said = "{% " + std::string(tag) + " %} where nothing is open that it could belong to";
    CHECK(written("a{% " + std::string(tag) + " %}") == "!template, line 1, column 5: " + said);
    CHECK(written("{% if a %}b{% endif %}{% " + std::string(tag) + " %}") == "!template, line 1, column 26: " + said);
  }
}

TEST_CASE("templates write what Jinja2 writes, and fail where it fails") {
  const auto records = nibble_test::split(nibble_test::text_of(nibble_test::golden("text/template_cases.txt")), "\x1e");
  REQUIRE(records.size() > 400);
  const json values = *json::try_parse(nibble_test::split(records[0], "\x1f")[1]);
  for (const std::string& record : records) {
    const auto fields = nibble_test::split(record, "\x1f");
    REQUIRE(fields.size() == 3);
    CAPTURE(fields[0]);
    const std::string out = written(fields[0], values);
    if (fields[2][0] == '=')
      CHECK(out == fields[2]);
    else
      CHECK(out.substr(0, 11) == "!template, ");
  }
}

TEST_CASE("published templates write what Jinja2 writes, and refuse what it refuses") {
  const auto folder = nibble_test::shared("templates");
  NIBBLE_NEEDS(folder);
  const auto index = json::try_parse(nibble_test::text_of(folder / "golden/index.json"));
  REQUIRE(index);
  std::size_t refused = 0;
  for (const json::member& m : index->members()) {
    CAPTURE(m.key);
    const std::size_t bar = m.key.find("__");
    std::string context = m.key.substr(bar + 2);
    const bool objects = context.ends_with(".objargs");
    if (objects) context.resize(context.size() - 8);
    json values = *json::try_parse(nibble_test::text_of(folder / "contexts" / (context + ".json")));
    if (objects) {  // arguments of calls as objects instead of texts
      std::vector<json> messages;
      for (json message : values.find("messages")->items()) {
        std::vector<json> calls;
        const json* all = message.find("tool_calls");
        for (json call : all ? all->items() : std::span<const json>()) {
          json function = *call.find("function");
          function.set("arguments", *json::try_parse(function.find("arguments")->string()));
          call.set("function", function);
          calls.push_back(call);
        }
        if (all) message.set("tool_calls", json::array(calls));
        messages.push_back(message);
      }
      values.set("messages", json::array(messages));
    }
    const std::string out = written(nibble_test::text_of(folder / (m.key.substr(0, bar) + ".jinja")), values);
    if (m.value.find("ok")->boolean()) {
      CHECK(out == "=" + nibble_test::text_of(folder / "golden" / (m.key + ".txt")));
    } else {
      CHECK(out[0] == '!');
      ++refused;
    }
  }
  CHECK(refused > 20);
}

TEST_CASE("each piece of the output knows whether the template wrote it") {
  const std::string_view people =
      R"({"s": "a<|b|>c", "d": {"k<|e|>": "v"}, "n": 5, "messages": [{"role": "user", "content": "x"}, {"role": "<s>", "content": ""}]})";
  CHECK(traced("<|b|>{{ s }}<|b|>", people) == "<|b|>[a<|b|>c]<|b|>");
  CHECK(traced("{{ '<' + s + '>' }}", people) == "<[a<|b|>c]>");
  CHECK(traced("{{ '<' ~ s ~ n ~ 6 }}", people) == "<[a<|b|>c5]6");
  CHECK(traced("{{ s[1:6] }}{{ s | upper }}{{ s.split('|')[1] }}{{ s | replace('b', '<|b|>') }}", people) ==
        "[<|b|>A<|B|>Cba<|]<|b|>[|>c]");
  CHECK(traced("{{ ('x' ~ s ~ 'y') | trim | upper | reverse }}", people) == "Y[C>|B|<A]X");
  CHECK(traced("{{ (s ~ '-').split('|') | join('#') }}{{ [s, 't'] | join('/') }}", people) == "[a<]#[b]#[>c]-[a<|b|>c]/t");
  CHECK(traced("{{ s | tojson }}{{ d | tojson }}{{ d }}{{ {'a': s} | tojson }}", people) ==
        "\"[a<|b|>c]\"{\"[k<|e|>]\": \"[v]\"}{'[k<|e|>]': '[v]'}{\"a\": \"[a<|b|>c]\"}");
  CHECK(traced("{% for k, v in d.items() %}{{ k }}={{ v }}{% endfor %}", people) == "[k<|e|>]=[v]");
  CHECK(traced("{% macro m(t) %}<{{ t }}>{% endmacro %}{% set x %}({{ m(s) }}){% endset %}{{ x }}{% filter lower %}A{{ s }}{% "
               "endfilter %}",
               people) == "(<[a<|b|>c]>)a[a<|b|>c]");
  CHECK(traced("{{ '%s:%d' | format(s, n) }}{{ '{}'.format(s) }}{{ s | indent('> ', first=true) }}{{ '%5s' % 'x' }}", people) ==
        "[a<|b|>c]:[5a<|b|>c]> [a<|b|>c]    x");
  CHECK(traced("{{ s | e }}{{ s ~ '' | safe }}{{ s * 2 }}{{ s | list | last }}{{ s | first }}{{ s | int(1) }}", people) ==
        "[a&lt;|b|&gt;ca<|b|>ca<|b|>ca<|b|>cca]1");
  CHECK(traced("{% for m in messages %}<|{{ m.role }}|>{{ m['content'] }}{% endfor %}", people) == "<|user|>[x]<|[<s>]|>");
  CHECK(traced("{{ (s ~ ' x') | wordwrap(7, wrapstring='<br>') }}{{ {'<': s} | xmlattr }}", people) ==
        "[a<|b|>c]<br>x &lt;=\"[a&lt;|b|&gt;c]\"");
  CHECK(traced("{{ ('www.' ~ s[0] ~ '.de') | urlize(rel=s, target=s) }}{{ s[:1] | random }}", people) ==
        "<a href=\"https://www.[a].de\" rel=\"[a&lt;|b|&gt;c noopener]\" target=\"[a&lt;|b|&gt;c]\">www.[a].de</a>[a]");
  CHECK(traced("{{ n + 1 }}{{ n | string }}{{ n | float }}{{ n * 0.5 }}{{ s | length }}", people) == "[655.02.5]7");
}

TEST_CASE("what people wrote stays theirs as a format, what fills a field, a separator or an indent") {
  const std::string_view people =
      R"({"f": "%Y<|b|>%%", "s": "<|", "c": "<", "n": 7, "p": "%+d%5d%-3s|%c%%", "b": "{:+}{:<>3}{{{0:>2}x"})";
  CHECK(traced_time(people) == "[2024<|b|>%]2024");
  CHECK(traced("{{ [1, {'a': 2}] | tojson(separators=(s, c)) }}", people) == "[1[<|]{\"a\"[<]2}]");
  CHECK(traced("{{ [1] | tojson(indent=s) }}", people) == "[\n[<|]1\n]");
  CHECK(traced("{{ 'x'.center(3, c) }}{{ 'x'.ljust(3, c) }}{{ 'x'.rjust(3, c) }}", people) == "[<]x[<]x[<<<<]x");
  CHECK(traced("{{ p % (1, 2, 'x', 65) }}", people) == "[+1    2]x[  |A%]");
  CHECK(traced("{{ b.format(1, 2) }}", people) == "[+1<<2{ 1x]");
  CHECK(traced("{{ '{:+}{:<3}|'.format(1, 2) }}{{ '%3d' % 5 }}{{ n | filesizeformat }}", people) == "+12  |  5[7 Bytes]");
}

TEST_CASE("what is wrong in a template is said with its line and column") {
  const std::pair<std::string_view, std::string_view> rows[] = {
      {"a\n  {{ x.y }}", "!template, line 2, column 7: 'x' is undefined"},
      {"{{ 'a\u00e4' }}{{ 1 / 0 }}", "!template, line 1, column 16: a division by zero"},
      {"{{ {}.x.y }}", "!template, line 1, column 8: 'dict object' has no attribute 'x'"},
      {"{{ 'a'.b.c }}", "!template, line 1, column 9: 'str object' has no attribute 'b'"},
      {"{{ 'a'.__class__.x }}", "!template, line 1, column 17: the attribute '__class__' cannot be reached from a template"},
      {"{% if %}", "!template, line 1, column 7: expected an expression, found the end of the tag"},
      {"{% if a %}", "!template, line 1, column 11: expected {% endif %}, found the end of the template"},
      {"{% for a in b %}{% endif %}", "!template, line 1, column 20: expected {% endfor %}, found {% endif %}"},
      {"{% macro a() %}{% else %}", "!template, line 1, column 19: expected {% endmacro %}, found {% else %}"},
      {"{% if a %}{% edif %}", "!template, line 1, column 14: a tag that is not known: 'edif'; expected {% endif %}"},
      {"{% nothing %}", "!template, line 1, column 4: a tag that is not known: 'nothing'"},
      {"{{ a", "!template, line 1, column 1: a tag that does not end"},
      {"{# a", "!template, line 1, column 1: a comment that does not end"},
      {"{% raw %}a", "!template, line 1, column 1: a raw block that does not end"},
      {"{{ 'a }}", "!template, line 1, column 4: a string that does not end"},
      {"{{ (1] }}", "!template, line 1, column 6: expected ')', found ']'"},
      {"{{ a ? b }}", "!template, line 1, column 6: a character that has no meaning here: '?'"},
      {"{{ [1, 2 }}", "!template, line 1, column 10: expected ']', found '}'"},
      {"{{ '\\x4' }}", "!template, line 1, column 4: too few hexadecimal digits behind \\x"},
      {"{{ '\\ud800' }}", "!template, line 1, column 4: half of a surrogate pair in a string"},
      {"{{ 9223372036854775807 + 1 }}", "!template, line 1, column 24: an integer of more than 64 bits"},
      {"{{ -(-9223372036854775807 - 1) }}", "!template, line 1, column 4: an integer of more than 64 bits"},
      {"{{ (-9223372036854775807 - 1) // -1 }}", "!template, line 1, column 31: an integer of more than 64 bits"},
      {"{{ (-9223372036854775807 - 1) % -1 }}", "=0"},
      {"{{ 1 | nothing }}", "!template, line 1, column 8: a filter that is not known: 'nothing'"},
      {"{{ 1 is nothing }}", "!template, line 1, column 9: a test that is not known: 'nothing'"},
      {"{% include 'a' %}", "!template, line 1, column 4: there is no other template to include"},
      {"{% import 'a' as b %}", "!template, line 1, column 4: there is no other template to import"},
      {"{% break %}", "!template, line 1, column 4: 'break' and 'continue' have no meaning outside of a loop"},
      {"\xff", "!template, line 1, column 1: a byte that is no UTF-8"},
      {"{{ raise_exception('No\x1b system') }}", "!template, line 1, column 19: the template refuses this: No? system"},
      {"{% macro m(a) %}{{ a.b }}{% endmacro %}\n{{ m(1).x.y }}",
       "!template, line 2, column 10: 'str object' has no attribute 'x'"},
      {"{{ {'a b': 1} | xmlattr }}", "!template, line 1, column 17: xmlattr: a name has no space, and none of / > =: 'a b'"},
      {"{{ {'a=': 1} | xmlattr }}", "!template, line 1, column 16: xmlattr: a name has no space, and none of / > =: 'a='"},
      {"{{ 1 | xmlattr }}", "!template, line 1, column 8: xmlattr wants a dict, found a int"},
      {"{{ 'a' | wordwrap(0) }}", "!template, line 1, column 10: wordwrap wants a width of at least 1"},
      {"{{ 1 | wordwrap }}", "!template, line 1, column 8: wordwrap wants a text, found a int"},
      {"{{ {} | random }}", "!template, line 1, column 9: random wants a text or a list, found a dict"},
      {"{{ 'a' | urlize(extra_schemes=['b']) }}", "!template, line 1, column 10: urlize: not the scheme of an address: 'b'"},
      {"{{ loop(1) }}", "!template, line 1, column 8: 'loop' is undefined"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.first);
    CHECK(written(row.first) == row.second);
  }
}

TEST_CASE("hostile templates are refused within their limits") {
  CHECK(code_of("{{ " + repeated("(", 100'000) + " }}") == errc::malformed);
  CHECK(code_of("{{ " + repeated("(", 100'000) + "1" + repeated(")", 100'000) + " }}") == errc::malformed);
  CHECK(code_of("{{ " + repeated("[", 100'000)) == errc::malformed);
  CHECK(code_of("{{ " + repeated("not ", 100'000) + "1 }}") == errc::malformed);
  CHECK(code_of("{{ " + repeated("-", 100'000) + "1 }}") == errc::malformed);
  CHECK(code_of(repeated("{% if 1 %}", 10'000)) == errc::malformed);
  CHECK(code_of("{{ 1" + repeated(" + 1", 100'000) + " }}") == errc::limit_exceeded);
  CHECK(code_of("{{ a" + repeated(".a", 100'000) + " }}") == errc::limit_exceeded);
  CHECK(code_of("{{ 1" + repeated(" | abs", 100'000) + " }}") == errc::limit_exceeded);
  CHECK(written("{% if 0 %}" + repeated("{% elif 0 %}", 50'000) + "{% endif %}") == "=");
  CHECK(code_of("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}") == errc::limit_exceeded);
  CHECK(code_of("{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}") == errc::limit_exceeded);
  CHECK(code_of("{% macro a() %}{{ caller() }}{% endmacro %}{% macro b() %}{% call a() %}{{ b() }}{% endcall %}{% endmacro "
                "%}{{ b() }}") == errc::limit_exceeded);
  CHECK(code_of("{% for a in range(100000) %}{% for b in range(100000) %}{% for c in range(100000) %}{% endfor %}{% endfor "
                "%}{% endfor %}") == errc::limit_exceeded);
  CHECK(code_of("{{ range(10**9) }}") == errc::limit_exceeded);
  CHECK(code_of("{{ '-' * 10**10 }}") == errc::limit_exceeded);
  CHECK(code_of("{{ [1] * 10**10 }}") == errc::limit_exceeded);
  CHECK(code_of("{{ 'a'.center(10**12) }}") == errc::limit_exceeded);
  CHECK(code_of("{{ 'a'.zfill(10**12) }}") == errc::limit_exceeded);
  CHECK(code_of("{{ '%999999999d' % 1 }}") == errc::limit_exceeded);
  CHECK(code_of("{{ '{:999999}'.format(1) }}") == errc::limit_exceeded);
  CHECK(code_of("{{ 'a' | indent(10**9) }}") == errc::limit_exceeded);
  CHECK(code_of("{{ [1] | tojson(indent=10**9) }}") == errc::limit_exceeded);
  CHECK(code_of("{{ [1] | batch(10**9, 0) | list }}") == errc::limit_exceeded);
  CHECK(code_of("{{ [1] | slice(10**9) | list }}") == errc::limit_exceeded);
  CHECK(code_of("{{ ('a b ' * 1000) | wordwrap(1, wrapstring='-' * 100000) }}") == errc::limit_exceeded);
  CHECK(code_of("{{ ('www.a.bc ' * 1000) | urlize(target='-' * 100000) }}") == errc::limit_exceeded);
  CHECK(code_of("{% set n = namespace(x='ab') %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}") ==
        errc::limit_exceeded);
  CHECK(code_of("{% set n = namespace(x='ab') %}{% for i in range(60) %}{% set n.x = n.x | replace('a', n.x) %}{% endfor %}") ==
        errc::limit_exceeded);
  CHECK(code_of("{% set n = namespace(x=[0]) %}{% for i in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}") ==
        errc::limit_exceeded);
  CHECK(code_of(
            "{% set n = namespace(x=[0]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x | tojson }}") ==
        errc::limit_exceeded);
  CHECK(code_of("{% set n = namespace(x=[0]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x == n.x[0] "
                "}}{{ n.x }}") == errc::limit_exceeded);
  CHECK(code_of("{% set n = namespace(x=[0]) %}{% for i in range(90000) %}{% set n.x = [n.x] %}{% endfor %}{{ n.x }}") ==
        errc::limit_exceeded);
  CHECK(written("{% set n = namespace(x=[0]) %}{% for i in range(90000) %}{% set n.x = [n.x] %}{% endfor %}") == "=");
  CHECK(
      written(
          "{% set n = namespace() %}{% set n.n = n %}{% macro m() %}{% endmacro %}{% set n.m = m %}{{ n.n.n.n is defined }}") ==
      "=True");
  CHECK(code_of("{% for i in range(100000) %}{% for j in range(100) %}0123456789{% endfor %}{% endfor %}") ==
        errc::limit_exceeded);
  CHECK(code_of(std::string((1 << 20) + 1, 'a')) == errc::limit_exceeded);
  CHECK(written(std::string(1 << 20, 'a')).size() == (1 << 20) + 1);
  CHECK(code_of("{{ n }}",
                json::object({{"n", *json::try_parse(repeated("[", 150) + repeated("]", 150), {.json_depth = 200})}}),
                {.template_depth = 20}) == errc::limit_exceeded);
}

TEST_CASE("what a template draws depends on the time that it is told alone") {
  const std::string draws = "{% for i in range(40) %}{{ range(10) | random }}{% endfor %}";
  const std::string said = written(draws);
  CHECK(said == written(draws));
  for (const char digit : {'0', '4', '9'}) CHECK(said.find(digit) != said.npos);
}

TEST_CASE("searches take time in proportion to the texts, and so do many names") {
  if (NIBBLE_TEST_SANITIZED) return;
  const auto seconds = [](std::string_view source, const json& values = json::object()) {
    const std::clock_t begin = std::clock();
    static_cast<void>(written(source, values));
    return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  };
  for (const std::string_view search :
       {".find(", ".rfind(", ".count(", ".split(", ".rsplit(", ".partition(", ".rpartition(", ".index("})
    for (const std::string_view part :
         {"'a' * 4000000 + 'b')", "'b' + 'a' * 4000000)", "'a' * 2000000 + 'b' + 'a' * 2000000)"}) {
      CAPTURE(search);
      CAPTURE(part);
      CHECK(seconds("{{ ('a' * 8000000)" + std::string(search) + std::string(part) + " }}") < 2);
    }
  CHECK(seconds("{{ ('a' * 4000000 + 'b') in 'a' * 8000000 }}") < 2);
  CHECK(seconds("{{ ('a' * 8000000).replace('a' * 4000000 + 'b', 'c') | length }}") < 2);
  std::string names = "{% set z = 1 %}", many = "{% macro m(";
  for (int i = 0; i < 50'000; ++i) names += "{%set a" + std::to_string(i) + "=1%}";
  CHECK(seconds(names + "{% for i in range(100000) %}{{ z }}{{ a49999 }}{{ nothing }}{% endfor %}") < 2);
  for (int i = 0; i < 20'000; ++i) many += "p" + std::to_string(i) + ",";
  many += "p) %}{% endmacro %}{{ m(";
  for (int i = 20'000; i > 0; --i) many += "p" + std::to_string(i - 1) + "=1,";
  CHECK(seconds(many + "p=1) }}") < 2);
  CHECK(seconds(
            "{% set n = namespace(i=range(100000) | map('abs')) %}{% for i in range(100000) %}{{ n.i | first }}{% endfor %}") <
        2);
  const json long_texts = json::object({{"s", repeated("a1", 500'000) + "B"}, {"t", repeated("a1", 500'000) + "C"}});
  for (const std::string_view asked :
       {"s is lower", "s.isupper()", "s.isalnum()", "s is sameas t", "s.isascii()", "s.startswith(t)", "s == t",
        "s.removeprefix(t)", "s | int", "s | float", "s | wordcount"}) {
    CAPTURE(asked);
    CHECK(seconds("{% for i in range(100000) %}{% if " + std::string(asked) + " %}{% endif %}{% endfor %}", long_texts) < 3);
  }
  CHECK(seconds("{% for i in range(100) %}{% set x = 'a' * 16000000 %}{% endfor %}") < 5);
}

TEST_CASE("limits hold before memory is taken") {
  CHECK(code_of("{{ ('a ' * 3000000) | wordwrap | length }}") == errc::limit_exceeded);
  CHECK(code_of("{{ strftime_now('%c' * 1000000) | length }}") == errc::limit_exceeded);
  CHECK(code_of("{{ ('<' * 8000000) | e | length }}") == errc::limit_exceeded);
  CHECK(code_of("{{ ('\u20ac' * 5000000) | tojson(ensure_ascii=true) | length }}") == errc::limit_exceeded);
  CHECK(code_of("{{ ('\\x01' * 8000000) | pprint | length }}") == errc::limit_exceeded);
  CHECK(code_of("{{ ('%' * 8000000) | urlencode | length }}") == errc::limit_exceeded);
  CHECK(code_of("{{ s.replace('', '-') | length }}", json::object({{"s", std::string(2'000'000, 'a')}})) ==
        errc::limit_exceeded);
  CHECK(code_of("{{ ((s ~ '-') * 2000000) | length }}", json::object({{"s", "a"}})) == errc::limit_exceeded);
  CHECK(written("{{ ('a' * 16000000)[::-1] | length }}{{ ('ab' * 4000000)[::2] | last }}{{ ('a' * 16000000) | last }}") ==
        "=16000000aa");
}

TEST_CASE("limits of templates are the caller's: one less than what is needed is refused") {
  const std::string loop = "{% for i in range(10) %}{{ i }}{% endfor %}";
  CHECK(written(loop, json::object(), {.template_output_bytes = 10}) == "=0123456789");
  CHECK(code_of(loop, json::object(), {.template_output_bytes = 9}) == errc::limit_exceeded);
  std::uint64_t steps = 1;
  while (written(loop, json::object(), {.template_steps = steps})[0] == '!') ++steps;
  CHECK(steps > 20);
  CHECK(steps < 200);
  CHECK(code_of(loop, json::object(), {.template_steps = steps - 1}) == errc::limit_exceeded);
  CHECK(jinja_template::try_parse("{{ ((1)) }}", {.template_depth = 4}));
  CHECK_FALSE(jinja_template::try_parse("{{ (((1))) }}", {.template_depth = 4}));
  CHECK(jinja_template::try_parse("{{ 1 }}", {.template_bytes = 7}));
  CHECK_FALSE(jinja_template::try_parse("{{ 12 }}", {.template_bytes = 7}));
}

TEST_CASE("numbers of any length pass through a template as they are written, and cannot be computed with") {
  const json values = *json::try_parse(R"({"n": 123456789012345678901234567890, "r": 1.10, "h": 1e400, "z": -0})");
  CHECK(written("{{ n }} {{ n | tojson }} {{ n is integer }} {{ n == n }} {{ r }} {{ h }} {{ h | tojson }} {{ z }}", values) ==
        "=123456789012345678901234567890 123456789012345678901234567890 True True 1.1 inf Infinity 0");
  CHECK(code_of("{{ n + 1 }}", values) == errc::invalid_argument);
}

TEST_CASE("a template of a megabyte, and texts of a megabyte, take time in proportion") {
  if (NIBBLE_TEST_SANITIZED) return;
  const auto seconds = [](std::string_view source, const json& values) {
    const std::clock_t begin = std::clock();
    static_cast<void>(written(source, values));
    return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  };
  for (const std::string_view part :
       {"{", "{{", "{%", "{# #}", "{{ a }}", "{% if a %}", "{%- endif -%}\n ", "{{ 'a' + ", "\n", " ", "{% raw %}",
        "{% raw %} {%", "'", "\\", "((", "\u3000", "{% for m in m %}", "{{ a }}{{- a -}} "})
    for (const std::string_view before : {"", "{{ '", "{{ ", "{% raw %}"}) {
      CAPTURE(part);
      CAPTURE(before);
      std::string source(before);
      while (source.size() < 1'000'000) source += part;
      CHECK(seconds(source, json::object()) < 4);
    }
  std::vector<json> messages;
  for (int i = 0; i < 10'000; ++i)
    messages.push_back(json::object({{"role", "user"}, {"content", "  " + repeated("word ", 20) + "\n"}}));
  const json values = json::object(
      {{"messages", json::array(messages)}, {"s", repeated("a b\n", 250'000)}, {"spaces", std::string(1'000'000, ' ')}});
  CHECK(seconds("{% for m in messages %}<|{{ m['role'] }}|>{{ m.content | trim }}{% if loop.last %}x{% endif %}{% endfor %}",
                values) < 4);
  CHECK(seconds("{{ messages | tojson }}{{ s | indent }}{{ s.split() | length }}{{ s.replace('a', 'bb') | upper | length }}{{ "
                "s | title | wordcount }}",
                values) < 4);
  CHECK(seconds("{{ s.strip('ab \n') }}{{ spaces.strip() }}{{ spaces.split() }}{{ spaces.rsplit() }}{{ s[::-1] | length }}{{ s "
                "| truncate(500000) | length }}",
                values) < 4);
}

#if NIBBLE_EXCEPTIONS
TEST_CASE("the throwing twins of a template give the same values and throw the same errors") {
  CHECK(jinja_template::parse("a").render(json::object())[0].text == "a");
  CHECK_THROWS_AS(static_cast<void>(jinja_template::parse("{{")), nibble::error);
  CHECK_THROWS_AS(static_cast<void>(jinja_template::parse("{{ a.b }}").render(json::object())), nibble::error);
}
#endif

TEST_CASE("a template tells which variables it reads, and what memory it has") {
  const auto made = jinja_template::try_parse("{% if tools %}{{ x.y }}{% endif %}");
  CHECK(made->reads("tools"));
  CHECK(made->reads("x"));
  CHECK_FALSE(made->reads("y"));
  CHECK(made->memory_bytes() > 500);
}
