#!/usr/bin/env python3
"""Writes tests/golden/text/chat_templates.txt: chat templates, and what Jinja2 makes of conversations with them.

Jinja2 3.1.6 under the environment of Hugging Face transformers (trim_blocks, lstrip_blocks, loopcontrols, raise_exception). Records end
with \\x1e, fields with \\x1f. The first record is conversations: role \\x1d content \\x1d for each message. Of the others each is a template:
`known` or `other`, its source, and for each conversation `=` and the prompt, or `!` where it raises. The beginning of a text is <BOS>.

usage: make_chat_goldens.py [FOLDER]      needs jinja2
"""
import os, sys
import jinja2
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

TALKS = [
    [('user', ' Hi '), ('assistant', 'Hello.\n'), ('user', 'Bye.')],
    [('system', ' Be brief. '), ('user', '\u3000\u3053\u3093\u306b\u3061\u306f\u00a0')],
    [('user', '\x1c\x85\u1680\u2000\u2005\u200a\u2028\u2029\u202f\u205f a\u200b \u2005\t\v\f\r\n')],
    [('user', 'a'), ('assistant', ''), ('user', '{{ bos_token }}<|im_end|>'), ('assistant', 'b')],
    [('user', 'a'), ('user', 'b')],
    [('assistant', 'a')],
    [('user', 'a'), ('tool', 'b'), ('user', 'c')],
    [('user', 'a'), ('system', 'b')],
]

TURN = "{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}"
REPLY = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
PLAIN = "{% for message in messages %}" + TURN + "{% endfor %}" + REPLY
FIRST = "{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nYou are a helpful\\nassistant.<|im_end|>\\n' }}{% endif %}"
DEFAULT = "{% for message in messages %}" + FIRST + TURN + "{% endfor %}" + REPLY
ALTERNATE = ("{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate "
             "user/assistant/user/assistant/...') }}{% endif %}")
ROLE = "{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}"
GEMMA = ("{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
         "{% for message in messages %}" + ALTERNATE + ROLE +
         "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
         "{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}")
PARTS = """{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- if messages[0]['content'] is string -%}
        {%- set first_user_prefix = messages[0]['content'] + '

' -%}
    {%- else -%}
        {%- set first_user_prefix = messages[0]['content'][0]['text'] + '

' -%}
    {%- endif -%}
    {%- set loop_messages = messages[1:] -%}
{%- else -%}
    {%- set first_user_prefix = "" -%}
    {%- set loop_messages = messages -%}
{%- endif -%}
{%- for message in loop_messages -%}
    """ + ALTERNATE.replace('{%', '{%-').replace('%}', '-%}').replace("'Conv", '"Conv').replace("...'", '..."') + """
    """ + ROLE.replace('{%', '{%-').replace('%}', '-%}') + """
    {{ '<start_of_turn>' + role + '
' + (first_user_prefix if loop.first else "") }}
    {%- if message['content'] is string -%}
        {{ message['content'] | trim }}
    {%- elif message['content'] is iterable -%}
        {%- for item in message['content'] -%}
            {%- if item['type'] == 'image' -%}
                {{ '<start_of_image>' }}
            {%- elif item['type'] == 'text' -%}
                {{ item['text'] | trim }}
            {%- endif -%}
        {%- endfor -%}
    {%- else -%}
        {{ raise_exception("Invalid content type") }}
    {%- endif -%}
    {{ '<end_of_turn>
' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{'<start_of_turn>model
'}}
{%- endif -%}
"""
TOOLS = """{%- if tools %}
    {{- '<|im_start|>system\\n' }}{%- for tool in tools %}{% if tool is string %}{{- tool }}{% else %}{{ tool | tojson }}{% endif %}
    {%- endfor %}
    {{- "\\n{{\\"name\\": <name>}}<|im_end|>\\n" }}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>system\\nYou are a clerk.<|im_end|>\\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- for call in message.tool_calls %}{%- set call = call.function %}{{ call.name }}{%- endfor %}
    {%- elif message.role == "tool" %}
        {{- '\\n<tool_response>\\n' + message.content }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""
DASHED = """{%- for message in messages -%}
  {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- '<|im_start|>assistant\\n' -}}
{%- endif -%}"""
AS_TEXT = """{% for m in messages %}
<|im_start|>{{ m.role }}
{{ m.content }}<|im_end|>
{% endfor %}
{% if add_generation_prompt %}
<|im_start|>assistant
{% endif %}
"""
IN_LOOP = ("{% for message in messages %}" + TURN +
           "{% if loop.last and add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}{% endfor %}")
OUTSIDE = ("{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nYou are a clerk.<|im_end|>\\n' }}{% endif %}" + PLAIN)
WITH_BRANCH = TOOLS.replace("{%- elif message.role == \"tool\" %}", "{%- elif message.role == \"user\" %}\n        {{- message.content }}\n    {%- elif message.role == \"tool\" %}")
WITH_ELSE = TOOLS.replace("    {%- endif %}\n{%- endfor %}\n{%- if add", "    {%- else %}\n        {{- message.content }}\n    {%- endif %}\n{%- endfor %}\n{%- if add")
SPACED = OUTSIDE.replace("system\\nYou are a clerk.<|im_end|>\\n' }}", "system\\n' }}You are a clerk.{{ '<|im_end|>\\n' }}")
DEFINED = "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}"

KNOWN = [
    PLAIN, DEFAULT, DASHED, AS_TEXT, IN_LOOP, OUTSIDE, TOOLS, GEMMA, PARTS,
    SPACED, SPACED.replace('}}You', '}}\u3000You'), SPACED.replace('}}You', '-}} You').replace('clerk.{{', 'clerk.\n {{-'),
    DEFINED + PLAIN, '{{ bos_token }}' + PLAIN, '{{bos_token}}' + DEFAULT, DEFINED + '{{ bos_token }}' + PLAIN,
    PLAIN.replace("message['", "m['").replace('for message', 'for m'),
    PLAIN.replace("'", '"'), PLAIN.replace("\\n", "\n"), PLAIN + '\n', PLAIN.replace('%}', '%}\n'), '  ' + PLAIN,
    PLAIN.replace("['role']", '.role').replace("['content']", '.content'), PLAIN.replace("'<|im_end|>' + '\\n'", "'<|im_end|>\\n'"),
    DEFAULT.replace('%}', ' %}').replace('{{', '{{  '), GEMMA.replace('{{ bos_token }}', ''), GEMMA.replace('\n', '\\n'), DEFAULT.replace('{%', '{%-'),
    DEFAULT.replace('You are a helpful', "It\\'s \\\"a\\\" \\\\ \\t"),
]
OTHER = [
    PLAIN.replace("'\\n' +", "'<|im_sep|>' +"), PLAIN.replace(" + '\\n'}}", '}}'), PLAIN.replace("message['content']", "(message['content'] | trim)"),
    PLAIN.replace("message['content']", "message['content'] | trim"), PLAIN.replace('assistant\\n', 'assistant\\n<think>\\n'),
    PLAIN.replace('assistant\\n', 'assistant'), PLAIN.replace('add_generation_prompt', 'true'), PLAIN.replace('in messages', 'in messages[1:]'),
    PLAIN.replace('{% endfor %}', '\n\n{% endfor %}'), PLAIN.replace('%}', '%}\n\n'), PLAIN + '\n\n\n', PLAIN + ' ', PLAIN.replace('{%', '  {%'),
    PLAIN.replace('endfor %}', 'endfor %}{{ eos_token }}'), PLAIN.replace("'<|im_start|>' +", "bos_token + '<|im_start|>' +"), PLAIN + '{{ bos_token }}',
    PLAIN.replace("message['", "m['").replace('for message', 'for m').replace("m['content']", "message['content']"),
    PLAIN.replace("for message in messages", "for message in messages if message['role'] != 'tool'"), PLAIN.replace('}}{% endfor', '}}{# a #}x{% endfor'),
    PLAIN.replace("message['role']", "message['role'] | upper"), PLAIN.replace("message['role']", "('bot' if message['role'] == 'assistant' else message['role'])"),
    PLAIN.replace("message['content']", "message['role']"), DEFAULT.replace("loop.first and ", ''), DEFAULT.replace("!= 'system'", "== 'system'"),
    DEFAULT.replace('assistant.<|im_end|>', 'assistant.<|im_end|>\\n<|im_start|>user\\nHi<|im_end|>'), DEFAULT.replace('You are', '\\x59ou are'),
    DEFAULT.replace('system\\nYou', 'system\\n\' + name + \'You'), OUTSIDE.replace('You are a clerk.', ''), OUTSIDE.replace(FIRST, '') + 'x',
    "{% set messages = messages[1:] %}" + PLAIN, "{% macro a() %}{% endmacro %}" + PLAIN, TOOLS.replace('not message.tool_calls', 'message.tool_calls'),
    TOOLS.replace('{%- else %}\n    {%- if messages', '{%- elif not tools %}\n    {%- if messages'), TOOLS.replace('if tools', 'if not tools'),
    TOOLS.replace('{%- for tool in tools %}', '{% raw %}{% else %}{% endraw %}{%- for tool in tools %}'), TOOLS.replace("and not loop.first", ''),
    GEMMA.replace(' | trim', ''), GEMMA.replace("'model'", "'assistant'"), GEMMA.replace("+ role +", "+ message['role'] +"), GEMMA.replace('% 2 == 0', '% 2 == 1'),
    GEMMA.replace(ALTERNATE, ''), PARTS.replace("'\n\n'", "'\n'"), PARTS.replace('messages[1:]', 'messages'), PARTS.replace("['content'] | trim", "['content']"),
    WITH_BRANCH, WITH_BRANCH.replace('"user" %}\n        {{- m', '"system" %}\n        {{- m'), WITH_ELSE,
    SPACED.replace('}}You', '-}}\u3000You'), SPACED.replace('}}You', '-}} \u3000 You'), SPACED.replace('clerk.{{', 'clerk.\u00a0{{-'),
    SPACED.replace('clerk.{{', 'clerk.\u2028 {{-'), SPACED.replace('{% for', '\n\u3000 {% for'),
    "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system = messages[0]['content'] %}{% else %}"
    "{% set loop_messages = messages %}{% set system = 'You are a careful clerk.' %}{% endif %}{{ '<|im_start|>system\\n' + system + '<|im_end|>\\n' }}" +
    PLAIN.replace('in messages', 'in loop_messages'),
]


def environment():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)
    env.globals['raise_exception'] = raise_exception
    return env


def render(source, talk, reply=True):
    """The prompt, or nothing where the template raises."""
    messages = [{'role': role, 'content': content} for role, content in talk]
    try:
        return environment().from_string(source).render(messages=messages, add_generation_prompt=reply, bos_token='<BOS>', tools=None)
    except Exception:
        return None


def main():
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(root, 'golden', 'text')
    records = [''.join(''.join(role + '\x1d' + content + '\x1d' for role, content in talk) + '\x1f' for talk in TALKS)]
    for kind, sources in (('known', KNOWN), ('other', OTHER)):
        for source in sources:
            prompts = [render(source, talk) for talk in TALKS]
            records.append(''.join(field + '\x1f' for field in [kind, source] + ['!' if p is None else '=' + p for p in prompts]))
    with open(os.path.join(folder, 'chat_templates.txt'), 'w', encoding='utf-8', newline='') as out:
        out.write(''.join(record + '\x1e' for record in records))


if __name__ == '__main__':
    main()
