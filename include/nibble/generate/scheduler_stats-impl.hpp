/// The definitions behind scheduler_stats.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <charconv>
#include <string>

#include "nibble/generate/scheduler_stats.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Writes metrics, one after the other.
class metrics_writer {
 public:
  explicit metrics_writer(std::string_view model) {
    if (model.empty()) return;
    label_ = "model=\"";
    for (const char c : model) {
      if (c == '\\' || c == '"') label_ += '\\';
      c == '\n' ? label_ += "\\n" : label_ += c;
    }
    label_ += '"';
  }

  void begin(std::string_view name, std::string_view type, std::string_view help) {
    name_ = "nibble_" + std::string(name);
    text_ += "# HELP " + name_ + ' ' + std::string(help) + "\n# TYPE " + name_ + ' ' + std::string(type) + '\n';
  }
  template <class Number>
  void sample(Number value, std::string_view suffix = {}, const std::string& label = {}) {
    text_ += name_;
    text_ += suffix;
    if (!label_.empty() || !label.empty()) {
      text_ += '{' + label_ + (label_.empty() || label.empty() ? "" : ",") + label + '}';
    }
    text_ += ' ' + number(value) + '\n';
  }
  template <class Number>
  void one(std::string_view name, std::string_view type, std::string_view help, Number value) {
    begin(name, type, help);
    sample(value);
  }
  /// Buckets from a millisecond to an hour.
  void histogram(std::string_view name, std::string_view help, const time_histogram& h) {
    begin(name, "histogram", help);
    for (std::size_t octave = 10; octave < time_histogram::octaves; ++octave) {
      const double seconds = double(std::uint64_t{1} << octave) / 1e6;
      sample(h.less_than(octave), "_bucket", "le=\"" + number(seconds) + '"');
    }
    sample(h.count(), "_bucket", "le=\"+Inf\"");
    sample(std::chrono::duration<double>(h.sum()).count(), "_sum");
    sample(h.count(), "_count");
  }
  std::string text() && { return std::move(text_); }

 private:
  template <class Number>
  static std::string number(Number value) {  // whatever the locale
    char text[32];
    return {text, std::to_chars(text, text + sizeof text, value).ptr};
  }

  std::string label_, name_, text_;
};

}  // namespace detail

std::string prometheus_text(const scheduler_stats& s, std::string_view model) {
  detail::metrics_writer w(model);
  w.one("requests_submitted_total", "counter", "Requests that were submitted.", s.submitted);
  w.one("requests_coalesced_total", "counter", "Requests that share the answer of another.", s.coalesced);
  w.begin("requests_ended_total", "counter", "Requests that came to an end, by why.");
  for (std::size_t i = 1; i < s.ended.size(); ++i) {
    w.sample(s.ended[i], {}, "reason=\"" + std::string(name_of(static_cast<finish>(i))) + '"');
  }
  w.one("requests_running", "gauge", "Requests that have room.", s.running);
  w.one("requests_waiting", "gauge", "Requests that wait for room.", s.waiting);
  w.one("prompt_tokens_total", "counter", "Tokens of prompts that were given room.", s.prompt_tokens);
  w.one("cached_tokens_total", "counter", "Those of them that the prefix cache had.", s.cached_tokens);
  w.one("processed_tokens_total", "counter", "Tokens that steps processed.", s.processed_tokens);
  w.one("generated_tokens_total", "counter", "Tokens of answers.", s.generated_tokens);
  w.one("steps_total", "counter", "Steps.", s.steps);
  w.one("preemptions_total", "counter", "Times that a request had to make room.", s.preemptions);
  w.one("kv_used_bytes", "gauge", "Keys and values of sequences.", s.page_bytes);
  w.one("kv_cached_bytes", "gauge", "Keys and values that the prefix cache alone has.", s.cached_bytes);
  w.one("kv_bytes", "gauge", "Keys and values that there is room for.", s.most_page_bytes);
  w.histogram("queue_seconds", "From when a request was submitted until it had room.", s.queue_time);
  w.histogram("first_token_seconds", "From when a request was submitted until its first token.", s.first_token_time);
  w.histogram("token_seconds", "Between tokens of an answer.", s.token_time);
  w.histogram("step_seconds", "Of a step.", s.step_time);
  return std::move(w).text();
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
