#!/usr/bin/env python3
"""Makes tests/golden/text/template_cases.txt: templates and what Jinja2 3.1 writes of them, in the environment in which chat
templates run (transformers: an immutable sandbox, trim_blocks, lstrip_blocks, loop controls, tojson without escapes).

    python3 make_template_goldens.py > ../golden/text/template_cases.txt
    python3 make_template_goldens.py --random 20000 --seed 7 > more.txt      # cases by chance, to compare once

A record is a template, 0x1F, its values as JSON, 0x1F, "=" and the text or "!" and the error, 0x1E. Needs jinja2.
"""
import argparse
import datetime
import json
import random
import re
import sys

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

NOW = datetime.datetime(2024, 7, 26, 8, 9, 10)

CONTEXT = {
    "messages": [
        {"role": "system", "content": "You are <b>brief</b>."},
        {"role": "user", "content": "  Hi there,\n\tWorld!  "},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "f", "arguments": {"a": 1, "b": [1.5, "x'y", None, True], "": {}}}}]},
        {"role": "tool", "content": "{\"a\": \"\u00e4\U0001F600\"}", "name": "f"},
        {"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "image"}, {"type": "text", "text": "two"}]}],
    "tools": [{"type": "function", "function": {"name": "f", "description": "Does \"it\".\n", "parameters": {
        "type": "object", "properties": {"a": {"type": "integer", "enum": [1, 2]}, "b": {"type": ["string", "null"]}}, "required": ["a"]}}}],
    "n": 7, "m": -3, "x": 2.5, "big": 123456789012345678901234567890, "s": "Hello World", "t": "a,b,,c", "u": "stra\u00dfe \u00c9t\u00e9 \u03a9",
    "e": "", "no": None, "yes": True, "off": False, "l": [3, 1, 2], "d": {"b": 2, "a": 1, "C": 3}, "w": ["b", "A", "c", "B"],
    "items": [{"n": "x", "v": 2, "k": {"z": 1}}, {"n": "Y", "v": 1, "k": {"z": 2}}, {"n": "x", "v": 3}], "add_generation_prompt": True,
    "bos_token": "<s>"}

SNIPPETS = r"""
plain text
{{ 'a' }}{# gone #}{{ "b" }}
{{ s }} {{ n }} {{ x }} {{ yes }} {{ no }} {{ missing }} {{ big }} {{ l }} {{ d }} {{ (1,) }} {{ () }} {{ (1, 'a') }} {{ {} }} {{ [] }}
{{ 1e3 }} {{ 1.0 }} {{ 1e16 }} {{ 1e-5 }} {{ 0.0001 }} {{ 123456789.125 }} {{ 1_000 }} {{ 0x1f }} {{ 0b11 }} {{ 0o17 }} {{ 1.5e300 * 1e300 }}
{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 7 / 2 }} {{ 4 / 2 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 2 ** 3 ** 2 }} {{ -2 ** 2 }}
{{ 7.5 // 2 }} {{ -7.5 // 2 }} {{ -7.5 % 2 }} {{ 7.5 % -2 }} {{ 0.1 + 0.2 }} {{ 1 + 2 * 3 - 4 }} {{ (1 + 2) * 3 }} {{ 10 - 2 - 3 }} {{ - - 3 }} {{ +3 }} {{ -x }}
{{ 'a' ~ 1 ~ none ~ true ~ missing }} {{ 'a' + 'b' * 3 }} {{ 3 * 'ab' }} {{ [1] + [2, 3] }} {{ (1,) + (2,) }} {{ [0] * 3 }} {{ 'x' * -1 }} {{ 1 ~ 2 + 3 ~ 4 }}
{{ 1 < 2 < 3 }} {{ 1 < 2 > 3 }} {{ 1 == 1.0 }} {{ true == 1 }} {{ 'a' < 'b' }} {{ [1, 2] < [1, 3] }} {{ 'a' == 1 }} {{ none == false }} {{ 2 != 3 }} {{ [1] == (1,) }}
{{ 1 in [1, 2] }} {{ 'el' in 'hello' }} {{ 'a' in d }} {{ 'z' not in d }} {{ not 1 in [2] }} {{ 1 in missing }} {{ n in (7, 8) }} {{ '' in 'a' }}
{{ true and 'x' }} {{ false or 'y' }} {{ 0 or [] }} {{ not missing }} {{ 1 and 0 or 2 }} {{ 'a' if yes else 'b' }} {{ 'a' if off }} {{ 'a' if off else 'b' if yes else 'c' }}
{{ s[0] }} {{ s[-1] }} {{ s[1:4] }} {{ s[::-1] }} {{ s[:-1] }} {{ s[::2] }} {{ s[20] }} {{ l[1:] }} {{ l[::-1] }} {{ l[5:] }} {{ u[5:8] }} {{ l[-2:] }} {{ l[10] }} {{ s[3:1] }} {{ l[2:0:-1] }}
{{ d.a }} {{ d['a'] }} {{ d.nothing }} {{ d['x'] }} {{ messages[0].role }} {{ messages[0]['content'] }} {{ messages.0.role }} {{ d.items() | list }} {{ d.get('a') }} {{ d.get('q') }} {{ d.get('q', 5) }}
{{ d.keys() | list }} {{ d.values() | list }} {{ d.items() }} {{ d | items | list }} {{ d.copy() }}
{% for m in messages %}{{ loop.index }}/{{ loop.length }}:{{ m.role }}{% if not loop.last %}, {% endif %}{% endfor %}
{% for i in l %}{{ loop.index0 }} {{ loop.revindex }} {{ loop.revindex0 }} {{ loop.first }} {{ loop.last }} {{ loop.previtem }} {{ loop.nextitem }} {{ loop.depth }} {{ loop.cycle('a', 'b') }} {{ loop.changed(i > 1) }};{% endfor %}
{% for k, v in d.items() %}{{ k }}={{ v }} {% endfor %}{% for k in d %}{{ k }}{% endfor %}{% for c in 'abc' %}{{ c }}-{% endfor %}
{% for x in [] %}x{% else %}empty{% endfor %}{% for x in missing %}x{% else %}none{% endfor %}
{% for i in range(10) if i % 2 == 0 %}{{ i }}{{ loop.length }}{% if i == 6 %}{% break %}{% endif %}{% endfor %}{% for i in range(5) %}{% if i == 2 %}{% continue %}{% endif %}{{ i }}{% endfor %}
{% for a in [[1, [2, 3]], [4, [5]]] recursive %}({{ loop.depth }}{{ loop(a) if a is iterable and a is not string else a }}){% endfor %}
{% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}{% for a, b in items | groupby('n') %}{{ a }}:{{ b | length }} {% endfor %}
{% set a = 1 %}{% for i in range(3) %}{% set a = a + i %}{{ a }}{% endfor %}{{ a }}{% set ns = namespace(v=0, w='q') %}{% for i in range(3) %}{% set ns.v = ns.v + i %}{% endfor %}{{ ns.v }}{{ ns.w }}{{ ns.z }}
{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set c = (1, 2) %}{{ c }}{% set d = 1, %}{{ d }}{% if a %}{% set z = 5 %}{% endif %}{{ z }}
{% set x %}block {{ n }}{% endset %}[{{ x }}]{% set y | upper | trim %} block {% endset %}[{{ y }}]
{% macro f(a, b=2, c='z') %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ f(1) }} {{ f(1, 3) }} {{ f(1, c=4) }} {{ f() }} {{ f(b=1, a=0) }}
{% macro f() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, x=3) }} {% macro g(a) %}{{ a if a < 1 else g(a - 1) ~ a }}{% endmacro %}{{ g(4) }}
{% macro wrap(t) %}<{{ t }}>{{ caller() }}</{{ t }}>{% endmacro %}{% call wrap('b') %}in {{ n }}{% endcall %}{% macro each(l) %}{% for i in l %}{{ caller(i) }}{% endfor %}{% endmacro %}{% call(i) each(l) %}[{{ i }}]{% endcall %}
{% macro m() %}{{ later }}{% endmacro %}{% set later = 'seen' %}{{ m() }}{% filter upper %}abc {{ s }}{% endfilter %}{% with a = 1, b = n %}{{ a }}{{ b }}{% endwith %}{{ a }}
{% raw %}{{ not }} {% run %}{% endraw %}|{%- raw -%}  a  {%- endraw -%}  |{% block q %}in block{% endblock %}{% block r %}x{% endblock r %}
{% generation %}kept{% endgeneration %}{% print 'a', 'b' %}{% if yes: %}colon{% endif %}
  {% if yes %}
    indented
  {% endif %}
end
  {%- if yes -%}  tight  {%- endif -%}  |  {{- ' x ' -}}  |  {%+ if yes %} plus {% endif +%}
 |
{% if off %}a{% elif n == 7 %}b{% elif yes %}c{% else %}d{% endif %}{% if off %}{% else %}e{% endif %}{% if n is defined and not missing is defined %}f{% endif %}
{{ s is string }} {{ n is number }} {{ n is integer }} {{ x is float }} {{ l is sequence }} {{ d is mapping }} {{ l is iterable }} {{ no is none }} {{ missing is undefined }} {{ yes is boolean }} {{ yes is true }} {{ off is false }} {{ 3 is odd }} {{ 3 is even }} {{ 9 is divisibleby 3 }} {{ 'a' is in 'abc' }} {{ n is eq 7 }} {{ n is gt(3) }} {{ n is lessthan 3 }} {{ 'ab' is lower }} {{ 'AB' is upper }} {{ range is callable }} {{ s is mapping }} {{ yes is number }} {{ yes is integer }} {{ missing is sequence }} {{ no is sameas none }} {{ 'upper' is filter }} {{ 'odd' is test }} {{ d.items() is sequence }} {{ n is not none }}
{{ s | upper }} {{ s | lower }} {{ 'hello wORLD' | capitalize }} {{ "it's a-b (c)" | title }} {{ '  a ' | trim }}| {{ 'xxaxx' | trim('x') }} {{ s | length }} {{ l | length }} {{ d | count }} {{ u | upper }} {{ u | lower }} {{ u | title }}
{{ s | replace('o', '0') }} {{ s | replace('o', '0', 1) }} {{ 'aaa' | replace('', '-') }} {{ s | reverse }} {{ l | reverse | list }} {{ s | first }} {{ l | last }} {{ [] | first }} {{ l | list }} {{ 'ab' | list }} {{ d | list }}
{{ l | join(', ') }} {{ ['a', 1, none] | join('-') }} {{ items | join(',', attribute='n') }} {{ 'abc' | join('.') }} {{ l | sum }} {{ items | sum(attribute='v') }} {{ l | max }} {{ l | min }} {{ w | max }} {{ [] | max }} {{ items | map(attribute='v') | max }}
{{ l | sort }} {{ w | sort }} {{ w | sort(case_sensitive=true) }} {{ l | sort(reverse=true) }} {{ items | sort(attribute='v') | map(attribute='v') | list }} {{ items | sort(attribute='n,v') | map(attribute='v') | list }} {{ d | dictsort }} {{ d | dictsort(true) }} {{ d | dictsort(by='value', reverse=true) }}
{{ w | unique | list }} {{ l | map('string') | list }} {{ w | map('upper') | join }} {{ items | map(attribute='k.z', default='?') | list }} {{ l | select('odd') | list }} {{ l | reject('gt', 1) | list }} {{ items | selectattr('n', 'equalto', 'x') | map(attribute='v') | list }} {{ items | rejectattr('k') | list | length }} {{ [0, 1, '', 'a'] | select | list }}
{{ l | batch(2) | list }} {{ l | batch(2, 'x') | list }} {{ l | slice(2) | list }} {{ range(7) | slice(3, 0) | list }} {{ missing | default('d') }} {{ e | default('d') }} {{ e | default('d', true) }} {{ no | d('d') }} {{ missing | d }}
{{ '42' | int }} {{ '4.7' | int }} {{ 'x' | int }} {{ 'x' | int(5) }} {{ '0x1f' | int(base=16) }} {{ 3.9 | int }} {{ -3.9 | int }} {{ '1.5' | float }} {{ 'y' | float }} {{ n | float }} {{ m | abs }} {{ 2.5 | round }} {{ 3.5 | round }} {{ 2.675 | round(2) }} {{ 2.1 | round(method='ceil') }} {{ 1234.5 | round(-2) }} {{ 7 | round }} {{ ' 12 ' | int }} {{ '1_0' | int }} {{ 'inf' | float }}
{{ '%s-%d-%05.2f-%x-%r' | format('a', 5, 3.14159, 255, 'q') }} {{ '%(a)s' | format(a=1) }} {{ '%5s|%-5s|%+d|%%' % ('a', 'b', 3) }} {{ '%s' % 'one' }} {{ '%s' % [1] }} {{ '{} {1} {a}' .format(1, 2, a=3) if false else '{0} {1} {a}'.format(1, 2, a=3) }} {{ '{:>5}|{:<5}|{:^5}|{:05d}|{:.2f}|{:,}|{!r}'.format('a', 'b', 'c', 42, 3.14159, 1234567, 'q') }} {{ '{0[a]} {1.x}'.format(d, {'x': 1}) }}
{{ s.split() }} {{ t.split(',') }} {{ t.split(',', 1) }} {{ t.rsplit(',', 1) }} {{ ' a  b '.split() }} {{ ' a  b c '.split(none, 1) }} {{ ' a  b c '.rsplit(none, 1) }} {{ 'a\nb\r\nc\n'.splitlines() }} {{ 'a\nb'.splitlines(true) }} {{ 'a=b=c'.partition('=') }} {{ 'a=b=c'.rpartition('=') }} {{ 'abc'.partition('x') }}
{{ s.startswith('Hell') }} {{ s.endswith(('x', 'd')) }} {{ s.find('o') }} {{ s.rfind('o') }} {{ s.find('z') }} {{ s.index('W') }} {{ s.count('l') }} {{ s.startswith('World', 6) }} {{ s.find('o', 5) }} {{ u.find('\u00c9') }} {{ 'aXbX'.replace('X', '-', 1) }} {{ 'abc'.strip('ac') }} {{ ' a '.lstrip() }}| {{ ' a '.rstrip() }}| {{ '<x>'.removeprefix('<').removesuffix('>') }}
{{ s.upper() }} {{ s.lower() }} {{ s.title() }} {{ s.capitalize() }} {{ s.swapcase() }} {{ 'ab'.center(7, '*') }} {{ 'ab'.center(6) }}| {{ 'a'.ljust(3, '.') }} {{ 'a'.rjust(3) }} {{ '-5'.zfill(4) }} {{ ','.join(['a', 'b']) }} {{ 'a1'.isalnum() }} {{ '12'.isdigit() }} {{ 'ab'.isalpha() }} {{ ' '.isspace() }} {{ ''.isdigit() }} {{ 'Ab'.istitle() }} {{ 'ab'.islower() }} {{ 'AB1'.isupper() }} {{ 'ab' | center(6) }}|
{{ l.index(1) }} {{ l.count(3) }} {{ (1, 2, 1).count(1) }} {{ d | length }} {{ dict(a=1, b=2) }} {{ dict(d, z=1) }} {{ range(3) | list }} {{ range(1, 10, 3) | list }} {{ range(5, 0, -2) | list }} {{ range(3) }} {{ range(3)[1] }}
{{ tools | tojson }} {{ d | tojson }} {{ d | tojson(indent=2) }} {{ d | tojson(sort_keys=true) }} {{ l | tojson(separators=(',', ':')) }} {{ u | tojson }} {{ u | tojson(ensure_ascii=true) }} {{ [1.0, 1e20, none, true, 'a"\\\n\u0007', [], {}] | tojson }} {{ [[1, []], {'a': {}}] | tojson(indent=4) }} {{ {1: 2, none: 3, true: 4, 1.5: 6} | tojson }} {{ (1, 2) | tojson }} {{ big | tojson }} {{ d | tojson(indent=2, separators=(',', ': ')) }}
{{ messages[2].tool_calls[0].function.arguments | tojson }} {{ messages[3].content }} {{ messages[4].content | selectattr('type', 'equalto', 'text') | map(attribute='text') | join('+') }}
{{ '<a href="x">&\'' | e }} {{ '<b>' | safe }} {{ ('<b>' | safe) + '<i>' }} {{ '<p>a <b>b</b></p>' | striptags }} {{ 'a b&c/d\u00e9' | urlencode }} {{ {'a b': 1, 'c': '/'} | urlencode }} {{ 'one two three' | wordcount }} {{ 'a long line of words here' | truncate(12) }} {{ 'a long line of words here' | truncate(12, true, '..') }} {{ 'short' | truncate(3) }}
{{ 'a\nb\n\nc' | indent }} {{ 'a\nb' | indent(2, true) }} {{ 'a\n\nb' | indent('> ', blank=true) }} {{ 1000000 | filesizeformat }} {{ 1 | filesizeformat }} {{ 2048 | filesizeformat(true) }} {{ items | groupby('n') }} {% for g in items | groupby('n') %}{{ g.grouper }}{{ g.list | length }}{% endfor %}
{{ 'The quick brown-fox jumps -- over the lazy dog; extraordinarily long-winded words' | wordwrap(12) }}|{{ 'The quick brown-fox jumps over an extraordinarily lazy dog' | wordwrap(10, false) }}|{{ 'well-known half-a-dozen -b a--b c---d' | wordwrap(5, true, ' / ', false) }}
{{ 'well-known half-a-dozen -b a--b c---d e-f x1-y2 re-e-ntry' | wordwrap(5) }}|{{ '  two  spaces   at ends  ' | wordwrap(6, wrapstring='<br>') }}|{{ u | wordwrap(4) }}|{{ 'a\n\nbb ccc\r\nd' | wordwrap(3) }}|{{ '' | wordwrap }}|{{ '-----abc-def' | wordwrap(4) }}|{{ 'ab \u00a0\u00a0\u00a0\u00a0 cd' | wordwrap(3) }}
{{ s | wordwrap(0) }}
{{ {'class': 'a "b"', 'gone': none, 'lost': missing, 'id': 5, 'q': '<b>' | safe} | xmlattr }}|{{ {'a': 1} | xmlattr(false) }}|{{ {} | xmlattr }}|{{ [7] | random }}{{ 'x' | random }}{{ [] | random }}
{{ 'See http://example.com/a?b=c&d, (www.test.org:80/x) and <https://x.y.dev>. me@mail.co.uk mailto:a@b.cd foo.com foo.xyz x.com:123456 ftp://a.b' | urlize }}|{{ 'http://en.wikipedia.org/wiki/A_(b)). http://127.0.0.1/ http://[::1]:8080 http://localhost www.a (a.org) a@b @c.de a@b-.de' | urlize }}
{{ 'http://example.com/long/path ftp://x.y tel:123' | urlize(12, true, target='_blank', rel='me "x"', extra_schemes=['ftp://', 'tel:']) }}|{{ 'https://xn--a.xn--p1ai x@y.z.w HTTP://UP.COM http://a..b http://a_b.c%d.ee' | urlize }}|{{ '<b> www.a.bc' | safe | urlize }}
{{ s | urlize(extra_schemes=['nope']) }}
{{ l | xmlattr }}
{{ d | random }}
{{ 'a\tb\\n\x41\u00e4\101\q' }} {{ 'con' 'cat' }} {{ "it's" }} {{ ["it's", 'a"b', "a'\"b", '\u00e4\u200b\x00\n', '\U0001F600'] }} {{ 'ä' }}
{{ strftime_now('%d %b %Y %H:%M:%S %A %j %p %I %y') }} {{ strftime_now('%Y-%m-%d') }} {{ strftime_now('%e %C %u %w %h %a %F %T %R %D %r %c %% %-d %-m %-I %-j %f %n%t') }} {% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{% set j = joiner('|') %}{{ j() }}a{{ j() }}b{{ j() }}
{{ raise_exception('Stop: ' ~ n) }}
{{ missing.attribute }}
{{ missing + 1 }}
{{ 'a' + 1 }}
{{ d.pop('a') }}
{{ l.append(1) }}
{{ 1 / 0 }}
{{ 1 % 0 }}
{{ [] | nothing }}
{{ 1 is nothing }}
{{ none | length }}
{{ none.items() }}
{{ s.nothing() }}
{% for x in 5 %}{% endfor %}
{% for a, b in [(1, 2, 3)] %}{% endfor %}
{% set s.x = 1 %}
{{ {[]: 1} }}
{{ missing | tojson }}
{{ range(200000) }}
{{ 'abc'.index('z') }}
{{ 1 < 'a' }}
{% macro f(a) %}{% endmacro %}{{ f(1, 2) }}
{% macro f(a) %}{% endmacro %}{{ f(b=2) }}
{% include 'x' %}
{{ s.__class__ }}|{{ s.__class__.mro }}
{{ ''.join([1]) }}
{{ (1, 2) + [3] }}
{% if %}x{% endif %}
{% for x in l %}
{{ 'a
{{ (1 }}
{% unknown %}
{% endif %}
{{ a b }}
{% if yes %}{% endfor %}
{{ 1 | }}
{{ d.update({'a': 1}) }}
{{ loop }}{% for i in l %}{% endfor %}
{{ s.format }}|{{ l | map }}
{{ [1, 'x', {}] | map('abs') | first }}
{{ [1, 'x', {}] | map('abs') | list }}
{% for i in [1, 'x'] | map('abs') %}{{ i }}{% break %}{% endfor %}
{% set g = l | map('string') %}{{ g | first }}{{ g | first }}{{ g | list }}{{ g | list }}
{% set ns = namespace(x=0) %}{% for i in [1, 5, 2, 7] if i > ns.x %}{{ i }}{% set ns.x = i %}{% endfor %}
{% set ns = namespace(x=0) %}{% for i in [1, 5, 2, 7] if i > ns.x %}{{ i }}{{ loop.last }}{% set ns.x = i %}{% endfor %}
{% set ns = namespace(x=0) %}{% for i in [1, 5, 2, 7] if i > ns.x %}{{ i }}{{ loop.length }}{% set ns.x = i %}{% endfor %}
{% set ns = namespace(x=0) %}{% for i in [1, 5, 2, 7] if i > ns.x %}{{ i }}{{ loop.nextitem }}{{ loop.previtem }}{{ loop.revindex }}{% set ns.x = i %}{% endfor %}
{% set g = [1, 2, 3, 4] | select('odd') %}{{ 1 in g }}{{ g | list }}
{% set g = [1, 2, 3, 4] | select('odd') %}{% for i in g %}{{ i }}{{ loop.last }}{% endfor %}{{ g | list }}
{% set g = [1, 2, 3, 4, 5] | batch(2, 0) %}{{ g | first }}{{ g | list }}
{% set g = [1, 2, 'x'] | map('abs') | batch(2) %}{{ g | first }}
{% set g = [1, 2, 3, 'x'] | map('abs') | batch(2) %}{{ g | first }}
{% set g = [1, 1, 2, {}] | unique %}{{ g | first }}{{ g | first }}
{% set g = [1, 1, 2, {}] | unique %}{{ g | list }}
{% set g = 5 | map('abs') %}{{ g is defined }}
{% set g = 5 | map('abs') %}{{ g | list }}
{% set g = 5 | batch(2) %}{{ g is defined }}{{ 5 | items is defined }}{{ 5 | slice(2) is defined }}{{ [1] | slice('x') is defined }}
{{ 5 | slice(2) | list }}
{{ 0 | map('nothing') | list }}{{ [] | map('nothing') | list }}{{ missing | select('nothing') | list }}
{{ [1] | map('nothing') | list }}
{{ [1] | map | list }}
{{ ([1] | map) is defined }}
{{ [1, 2] | reverse | first }}{% set g = [1, 2] | reverse %}{{ g | list }}{{ g | list }}
{{ [1, 2, 3] | map('string') | reverse }}
{{ d | items | list }}{% set g = d | items %}{{ g | first }}{{ g | list }}
{% for k, v in d | items %}{{ loop.length }}{{ k }}{{ loop.last }}{% endfor %}
{% set a, b = [1, 2] | map('abs') %}{{ a }}{{ b }}
{% for i in [1, 2] | select('odd') | map('string') %}{{ i }}{% else %}none{% endfor %}{% for i in [2] | select('odd') %}{{ i }}{% else %}none{% endfor %}
{% for i in [2] if i == 1 %}{{ i }}{% else %}none{% endfor %}
{% macro f(x) %}{{ x }}{% endmacro %}{{ f(*([1] | map('string'))) }}
{{ [[1, 2], [3]] | map('first') | sum }}{{ [3, 1] | map('abs') | sort }}{{ ['b', 'a'] | map('upper') | join('-') }}
{{ [1, 2] | map('string') | length }}
{{ [1, 2] | map('string') | last }}
{{ {'b': 1, 'a': 2} | tojson(sort_keys=true) }}{{ {2: 1, 1: 2} | tojson(sort_keys=true) }}
{{ {2: 1, 'a': 2} | tojson(sort_keys=true) }}
{{ -9223372036854775808 }}{{ 9223372036854775808 }}{{ +9223372036854775808 }}{{ - big }}{{ - (- big) }}
{{ 18446744073709551616 == 18446744073709551616.0 }}{{ 18446744073709551617 == 18446744073709551616.0 }}{{ 18446744073709551616.0 == 18446744073709551616 }}{{ big == 5 }}{{ 18446744073709551616 in [18446744073709551616.0] }}{{ {18446744073709551616: 1}[18446744073709551616.0] }}
{{ '½'.isnumeric() }}{{ '一'.isnumeric() }}{{ '②'.isdigit() }}{{ '②'.isdecimal() }}{{ '½'.isalnum() }}{{ '²'.isdigit() }}{{ 'Ⅷ'.isnumeric() }}{{ 'Ⅷ'.isalpha() }}{{ 'x'.isnumeric() }}{{ ''.isnumeric() }}{{ '٣'.isdigit() }}
{{ 'ß'.casefold() }}{{ 'ﬁ'.casefold() }}{{ 'Σς'.casefold() }}{{ 'İ'.casefold() }}{{ 'ŉ'.casefold() }}{{ 'ẞ'.casefold() }}{{ 'ſµ'.casefold() }}{{ 'ᾳ'.casefold() }}
{{ 'ΑΣ'.lower() }}{{ 'ΑΣ Σ'.lower() }}{{ 'ﬁx'.upper() }}{{ 'ŉ'.upper() }}{{ 'ﬁx'.title() }}{{ 'İ'.lower() }}{{ 'ǆ'.title() }}
{{ 'abcabc'.find('c', 3) }}{{ 'abcabc'.rfind('b') }}{{ 'a-b-c'.rsplit('-', 1) }}{{ 'aaaa'.count('aa') }}{{ 'aaaa'.split('aa') }}{{ 'aaa'.rsplit('aa') }}
{{ ('ab' * 30).replace('ab' * 10, 'x') }}{{ ('ab' * 30 ~ 'c').find('ab' * 10 ~ 'c') }}{{ ('c' ~ 'ab' * 30).rfind('c' ~ 'ab' * 10) }}{{ ('ab' * 30).count('ba' * 9) }}{{ ('ab' * 30 ~ 'q').partition('ba' * 9) }}{{ ('ab' * 30 ~ 'q').rpartition('ba' * 9) }}{{ 'ab' * 20 in 'ab' * 30 }}
{{ 'äöüß'[::-1] }}{{ 'äöüß€x'[::2] }}{{ 'äöüß€x'[4:0:-2] }}{{ 'äöüß€x'[::3] }}{{ 'äöüß€x'[::-3] }}
{{ strftime_now('%Y-%m-%d %H:%M:%S %c %-d %j %%') }}
{{ 'x'.center(6, '€') }}{{ 'x'.rjust(4) }}{{ '%-5d|%05d|%+d|%c' % (3, 4, 5, 65) }}
{{ [1, [2, {}]] | tojson(indent='--') }}{{ {'a': [1]} | tojson(separators=(';', '=')) }}
{{ (3 | e).splitlines() }}
"""


class Generation(Extension):
    """transformers' own: what stands in it is written as it is."""
    tags = {"generation"}

    def parse(self, parser):
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def environment():
    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    made = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    made.filters["tojson"] = tojson
    made.globals.update(raise_exception=raise_exception, strftime_now=NOW.strftime)
    return made


def written(env, source, context):
    try:
        text = env.from_string(source).render(**json.loads(json.dumps(context)))  # filters may change it
        text.encode()
        return "=" + text
    except Exception as failure:  # whatever it is, a template cannot be rendered
        return "!%s: %s" % (type(failure).__name__, str(failure)[:100])


class Chance:
    """Templates by chance: expressions that mostly make sense, in statements."""
    NAMES = "messages tools n m x s t u e no yes off l d w items missing".split()
    TEXTS = ["''", "'a'", "'o'", "' '", "'Hello'", "','", "'\\n'", "'\u00e4'", "'<x>'", "'%s'", "'{}'", "'name'", "'role'", "'1.50'", "'12'"]
    FILTERS = """upper lower title capitalize trim length list string first last reverse join sort unique int float abs round tojson
        default('d') default('d',true) replace('o','0') replace('l','') indent indent(2,true) map('upper') map(attribute='n') map('length')
        select select('odd') reject('none') selectattr('n') selectattr('v','gt',1) join(',') join('-',attribute='n') batch(2) slice(2) sum
        min max dictsort items groupby('n') tojson(indent=2) e safe wordcount truncate(5) striptags urlencode center(9) format(n) count
        sort(reverse=true) sort(attribute='v') trim('a') d('x') list|length attr('n') round(1) int(2) pprint""".split()
    TESTS = """defined undefined none string mapping iterable sequence boolean true false integer float number odd even lower upper
        callable in(l) in('Hello') eq(n) ne('a') gt(1) lt(2) divisibleby(2) sameas(none) escaped""".split()
    METHODS = """split() split('o') split(',',1) strip() upper() lower() title() startswith('H') endswith('d') find('o') replace('o','0')
        items() keys() values() get('a') get('zz',1) index(1) count('l') splitlines() join(w) lstrip('H') rstrip() partition(' ') rsplit('o',1)
        capitalize() isdigit() isalpha() zfill(4) center(8,'*') format(n,s) copy() swapcase() removeprefix('He') islower() isupper() nothing()""".split()

    def __init__(self, seed):
        self.random = random.Random(seed)

    def any(self, *choices):
        return self.random.choice(choices)

    def atom(self):
        return self.any(self.random.choice(self.NAMES), self.random.choice(self.NAMES), self.random.choice(self.TEXTS), str(self.random.randrange(-3, 12)),
                        self.any("1.5", "0.0", "2.25", "true", "false", "none", "[]", "{}", "()", "i", "ns.v", "loop.index", "loop.last"))

    def expression(self, depth):
        if depth <= 0:
            return self.atom()
        sub = lambda: self.expression(depth - 1 - self.random.randrange(2))
        kind = self.random.randrange(15)
        if kind < 3:
            return "%s | %s" % (sub(), self.random.choice(self.FILTERS))
        if kind < 5:
            return "(%s).%s" % (sub(), self.random.choice(self.METHODS))
        if kind == 5:
            return "(%s)%s" % (sub(), self.any("[0]", "[-1]", "[1:]", "[:-1]", "[::-1]", "[::2]", "[1:3]", ".a", "['a']", ".role", "['content']", ".n", "[%s]" % sub(), ".items"))
        if kind == 6:
            return "%s is %s%s" % (sub(), self.any("", "not "), self.random.choice(self.TESTS))
        if kind < 9:
            return "%s %s %s" % (sub(), self.any("+", "-", "*", "/", "//", "%", "~", "**", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "and", "or"), sub())
        if kind == 9:
            return "(%s)" % sub()
        if kind == 10:
            return self.any("not %s", "-%s", "+%s") % sub()
        if kind == 11:
            return "[%s]" % ", ".join(sub() for _ in range(self.random.randrange(4)))
        if kind == 12:
            return "{%s}" % ", ".join("%s: %s" % (self.any("'k'", "1", "s", "none"), sub()) for _ in range(self.random.randrange(3)))
        if kind == 13:
            return "(%s if %s%s)" % (sub(), sub(), self.any("", " else " + sub()))
        return self.any("(%s, %s)" % (sub(), sub()), "range(%s)" % self.random.randrange(6), "dict(a=%s)" % sub(), "f(%s)" % sub(), "f(%s, b=%s)" % (sub(), sub()))

    def gap(self):
        return self.any("", " ", "\n", "\n  ", "text", " a\n", "  ")

    def tag(self, inside):
        return "{%%%s %s %s%%}" % (self.any("", "", "-", "+"), inside, self.any("", "", "-", "+"))

    def block(self, depth):
        return "".join(self.gap() + self.statement(depth) + self.gap() for _ in range(self.random.randrange(1, 3)))

    def statement(self, depth):
        e = lambda: self.expression(self.random.randrange(3))
        kind = self.random.randrange(12) if depth > 0 else 0
        if kind < 4:
            return "{{%s %s %s}}" % (self.any("", "-"), self.expression(self.random.randrange(4)), self.any("", "-"))
        if kind == 4:
            return self.tag("if " + e()) + self.block(depth - 1) + self.any("", self.tag("elif " + e()) + self.block(depth - 1), self.tag("else") + self.block(depth - 1)) + self.tag("endif")
        if kind < 7:
            return self.tag("for %s in %s%s" % (self.any("i", "i", "i", "i, j"), self.any("messages", "l", "d", "items", "d.items()", "range(3)", "s", e()), self.any("", "", " if " + e()))) + self.block(depth - 1) + self.any("", self.tag("else") + "none") + self.tag("endfor")
        if kind == 7:
            return self.tag("set %s = %s" % (self.any("i", "v", "ns.v", "i, v"), e()))
        if kind == 8:
            return self.tag("set v" + self.any("", " | upper")) + self.block(depth - 1) + self.tag("endset")
        if kind == 9:
            return self.tag("filter " + self.any("upper", "trim", "indent(1)", "replace('a','b')")) + self.block(depth - 1) + self.tag("endfilter")
        if kind == 10:
            return self.tag("with v = %s" % e()) + self.block(depth - 1) + self.tag("endwith")
        return self.any("{# c #}", "{#- c -#}\n", self.tag("macro f(a, b=1)") + self.block(depth - 1) + self.tag("endmacro"), self.tag("call f(1)") + "x" + self.tag("endcall"),
                        self.tag("raw") + " {{ x }} " + self.tag("endraw"), self.tag("generation") + self.block(depth - 1) + self.tag("endgeneration"))

    def template(self):
        head = "{% set ns = namespace(v=0) %}{% macro f(a, b=2) %}<{{ a }}{{ b }}>{% endmacro %}"
        return head + self.block(self.random.randrange(3))


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--random", type=int, default=0)
    options.add_argument("--seed", type=int, default=1)
    asked = options.parse_args()
    env = environment()
    records = []
    values = json.dumps(CONTEXT, ensure_ascii=False)
    if asked.random:
        chance = Chance(asked.seed)
        sources = [chance.template() for _ in range(asked.random)]
    else:
        sources, lines = [], SNIPPETS.strip("\n").split("\n")
        while lines:  # a template of several lines goes on where the next one is indented, or ends one
            source = lines.pop(0)
            while lines and (lines[0].startswith(" ") or lines[0] == "end"):
                source += "\n" + lines.pop(0)
            sources.append(source)
        chance = Chance(1)
        candidates = [chance.template() for _ in range(4000)]
        # Constants have slices of their own.
        sliced = re.compile(r"\((-?[0-9.]+|true|false|none|\{[^}]*\})\)\[")
        kept = [source for source in candidates
                if len(source) < 400 and not sliced.search(source) and written(env, source, CONTEXT)[0] == "="]
        sources += kept[:400]
    for source in sources:
        out = written(env, source, CONTEXT)
        if " at 0x" in out or len(out) > 20000:  # addresses
            continue
        records.append("\x1f".join([source, "" if records else values, out]) + "\x1e")
    sys.stdout.buffer.write("".join(records).encode())


main()
