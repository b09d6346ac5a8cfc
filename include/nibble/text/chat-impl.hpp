/// The definitions behind chat.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "nibble/core/checked.hpp"
#include "nibble/core/heap_bytes.hpp"
#include "nibble/text/answer/parser.hpp"
#include "nibble/text/chat.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// @source  the template of the models that brought ChatML
inline constexpr std::string_view chatml_source =
    "{% if default_system and messages[0].role != 'system' %}"
    "{{ '<|im_start|>system\\n' ~ default_system ~ '<|im_end|>\\n' }}{% endif %}"
    "{% for message in messages %}"
    "{{ '<|im_start|>' ~ message.role ~ '\\n' ~ message.content ~ '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/// The system message goes before the first turn of the user.
/// @source  the template of Gemma 3
inline constexpr std::string_view gemma_source =
    "{{ bos_token }}{% if messages[0].role == 'system' %}{% set first = messages[0].content ~ '\\n\\n' %}{% set turns = "
    "messages[1:] %}"
    "{% else %}{% set first = '' %}{% set turns = messages %}{% endif %}"
    "{% if not turns %}{{ raise_exception('a conversation needs a message of the user') }}{% endif %}"
    "{% for message in turns %}"
    "{% if message.role not in ('user', 'assistant', 'model') %}"
    "{{ raise_exception('a role has no place here: ' ~ message.role) }}{% endif %}"
    "{% if (message.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('user and assistant have to alternate, the user first') }}{% endif %}"
    "{{ '<start_of_turn>' ~ ('user' if message.role == 'user' else 'model') ~ '\\n' ~ (first if loop.first else '') ~ "
    "message.content | trim ~ '<end_of_turn>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}";

/// Stands for the token that begins a text where its name is not known: no character of any text.
inline constexpr std::string_view nameless_bos = "\uFDD0";

/// Takes all copies of a mark out of a text.
/// @cost  O(text.size())
inline void take_out(std::string_view mark, std::string& text) {
  std::string rest;
  std::size_t at = 0;
  for (std::size_t end; (end = text.find(mark, at)) != text.npos; at = end + mark.size()) rest.append(text, at, end - at);
  if (at > 0) text = rest.append(text, at);
}

/// @errors  invalid_argument: what would be left out, for it is of another kind than what is asked for
inline result<void> check_kinds(std::span<const chat_message> messages, const chat_options& options) {
  const auto check = [](const json& v, json_kind wanted, const std::string& what) -> result<void> {
    if (v.is(json_kind::null) || v.is(wanted)) return {};
    return error(errc::invalid_argument, what + ", found " + described(v));
  };
  NIBBLE_TRY(check(options.tools, json_kind::array, "tools: expected an array of them"));
  NIBBLE_TRY(check(options.extra, json_kind::object, "extra: expected an object of variables"));
  for (std::size_t i = 0; i < messages.size(); ++i)
    NIBBLE_TRY(check(messages[i].more, json_kind::object, "message " + std::to_string(i) + ": more: expected an object"));
  return {};
}

inline json values_of(std::span<const chat_message> messages, const chat_options& options) {
  std::vector<json> all;
  all.reserve(messages.size());
  for (const chat_message& m : messages) {
    json one = json::object({{"role", m.role}, {"content", m.content}});
    for (const json::member& more : m.more.members()) one.set(more.key, more.value);
    all.push_back(std::move(one));
  }
  json out =
      json::object({{"messages", json::array(std::move(all))}, {"add_generation_prompt", options.add_generation_prompt}});
  if (!options.tools.is(json_kind::null)) out.set("tools", options.tools);
  for (const json::member& extra : options.extra.members())
    if (!out.find(extra.key)) out.set(extra.key, extra.value);
  return out;
}

}  // namespace detail

std::string_view prompt_end(std::span<const prompt_part> prompt) noexcept {
  return prompt.empty() || !prompt.back().special ? std::string_view() : std::string_view(prompt.back().text);
}

chat_message message_of(const chat_answer& answer) {
  chat_message out{"assistant", answer.text};
  json calls = json::array();
  for (const tool_call& call : answer.calls) {
    auto arguments = json::try_parse(call.arguments);
    json function =
        json::object({{"name", call.name}, {"arguments", arguments ? *std::move(arguments) : json(call.arguments)}});
    json one = json::object({{"id", call.id}, {"type", "function"}, {"function", std::move(function)}});
    calls.push_back(std::move(one));
  }
  if (!answer.calls.empty()) out.more.set("tool_calls", std::move(calls));
  return out;
}

chat_template::chat_template(jinja_template plain) : plain_(std::move(plain)) {
  own_.emplace_back("bos_token", detail::nameless_bos);
}

chat_template chat_template::chatml(std::string system) {
  chat_template out(*jinja_template::try_parse(detail::chatml_source));
  out.own_.emplace_back("default_system", std::move(system));
  return out;
}
chat_template chat_template::gemma() { return chat_template(*jinja_template::try_parse(detail::gemma_source)); }

result<chat_template> chat_template::try_from(const metadata& meta, const tokenizer* words, const nibble::limits& limits) {
  constexpr std::string_view key = "tokenizer.chat_template", tools_key = "tokenizer.chat_template.tool_use";
  const auto source = meta.try_get<std::string_view>(key);
  if (!source) return source.failure();
  if (source->empty()) return error(errc::missing_key, "key " + detail::quoted(key) + " is empty");
  auto out = try_parse(*source, limits);
  if (!out) return std::move(out).failure().in("key " + detail::quoted(key));
  if (const auto tools = meta.get<std::string_view>(tools_key); tools && !tools->empty()) {
    auto parsed = jinja_template::try_parse(*tools, limits);
    if (!parsed) return std::move(parsed).failure().in("key " + detail::quoted(tools_key));
    out->tools_ = *std::move(parsed);
    out->answers_ = answer_syntax::of(*tools);
  }
  if (words && words->bos()) out->own_[0].second = std::string(words->piece(*words->bos()));
  if (words && words->eos()) out->own_.emplace_back("eos_token", words->piece(*words->eos()));
  return out;
}

result<chat_template> chat_template::try_parse(std::string_view source, const nibble::limits& limits) {
  auto parsed = jinja_template::try_parse(source, limits);
  if (!parsed) return std::move(parsed).failure();
  chat_template out(*std::move(parsed));
  out.answers_ = answer_syntax::of(source);
  return out;
}

result<std::vector<prompt_part>> chat_template::try_render(std::span<const chat_message> messages,
                                                           const chat_options& options) const {
  if (messages.empty()) return error(errc::invalid_argument, "a conversation needs a message");
  NIBBLE_TRY(detail::check_kinds(messages, options));
  const jinja_template& used = tools_ && !options.tools.items().empty() ? *tools_ : plain_;
  auto parts = used.try_render(detail::values_of(messages, options), {.own = own_, .now = options.now});
  if (!parts) return parts;
  const std::string& bos = own_[0].second;
  if (!parts->empty() && parts->front().special && parts->front().text.starts_with(bos)) {
    parts->front().begins = true;
    parts->front().text.erase(0, bos.size());
  }
  if (bos == detail::nameless_bos)
    for (prompt_part& part : *parts)
      if (part.special) detail::take_out(bos, part.text);
  return parts;
}

std::size_t chat_template::memory_bytes() const noexcept {
  std::size_t bytes = sum_of_sizes(plain_.memory_bytes(), detail::heap_bytes(own_));
  if (tools_) bytes = sum_of_sizes(bytes, tools_->memory_bytes());
  for (const auto& [name, text] : own_)
    bytes = sum_of_sizes(bytes, sum_of_sizes(detail::heap_bytes(name), detail::heap_bytes(text)));
  return bytes;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
