/// generation: the tokens of one reply of a session, as a range of events that are made while it is read.
#pragma once

#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "nibble/core/token.hpp"
#include "nibble/generate/event.hpp"
#include "nibble/generate/event_builder.hpp"
#include "nibble/generate/options.hpp"
#include "nibble/generate/stats.hpp"
#include "nibble/text/answer/parser.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

namespace detail {
struct session_state;

/// What a generation begins with: tokens, or a text that becomes tokens when the generation begins.
struct prompt {
  std::vector<token> tokens;
  std::optional<std::string> text = {};
  /// Where in the session they begin: what it holds from there on stays as far as it is the same, and the rest is cut off.
  /// Empty: behind what it holds when the generation begins.
  std::optional<std::size_t> place = {};
};
}  // namespace detail

/// One reply of a session: an input range of token_event. It is lazy: begin() looks at what the session holds then, encodes and
/// processes the prompt and makes the first event, and each step of the iterator makes the next one.
///
/// Every token of the reply joins the session and has one event, the tokens of a stop string too. A token that ends the text,
/// and a stop token, has no event and does not join. See event_builder for when an event has which text.
///
/// The range may be left at any event: the session then ends with that event's token and can go on. So it does at any end:
/// after finish::not_a_number too, where cutting it back behind a token that is not at fault lets it go on. A generation must
/// not outlive its session. When a later generation of the same session begins, or the session is cut back, this one ends
/// (finish::cancelled); so does one that is moved from.
/// @errors   none but what a sampler or an executor of the user's throws: the session then ends with the last event's token, or
///           with the last whole step of a prompt. begin() and ++ may be tried again, and go on from there
/// @example  auto reply = session.generate("Once upon a time", {.max_tokens = 100});
///           for (auto& event : reply) show(event.text);
///           if (reply.reason() == nibble::finish::context_full) tell_the_user();
class generation {
 public:
  class iterator;

  generation(generation&&) noexcept = default;
  generation& operator=(generation&&) noexcept = default;

  /// Processes the prompt and makes the first event. Only the first call that does not throw: later ones give where the range
  /// stands.
  iterator begin() &;
  std::default_sentinel_t end() const noexcept { return {}; }

  /// How it ended; finish::none as long as it has not.
  finish reason() const noexcept { return session_ ? events_.reason() : finish::cancelled; }
  const generation_stats& stats() const& noexcept { return stats_; }
  const generation_stats& stats() const&& = delete;
  /// What takes this reply apart as it comes. Of session::chat it knows how the model writes reasoning and calls, what the
  /// prompt ended with, and the tools; of other prompts all is text.
  /// @example  auto reply = session.chat(talk, {.tools = tools}, {.show_special = true});
  ///           auto parser = reply.parser();
  ///           for (auto& event : reply) parser.feed(event.text);
  ///           parser.finish();
  chat_parser parser() const { return parser_ ? *parser_ : chat_parser(); }

 private:
  friend class session;

  generation(detail::session_state& session, detail::prompt prompt, generate_options options,
             std::shared_ptr<const chat_parser> parser = nullptr);

  void place_prompt();
  void advance();
  std::optional<token_event> make_event();
  finish prefill();
  finish decode();

  struct lent {
    void operator()(detail::session_state*) const noexcept {}
  };
  std::unique_ptr<detail::session_state, lent> session_;  // null once this was moved from
  std::optional<detail::prompt> prompt_;                  // until it is processed
  event_builder events_;
  std::optional<token_event> event_;  // that the range stands at; empty at the end
  generation_stats stats_;
  std::shared_ptr<const chat_parser> parser_;  // as it is before the reply; null: all is text
  std::size_t number_ = 0;                     // among the session's generations that have begun; 0: not begun
};

/// Points into its generation, which must stay where it is.
class generation::iterator {
 public:
  using value_type = token_event;
  using difference_type = std::ptrdiff_t;

  iterator() noexcept = default;
  /// Its text is valid until the next event.
  /// @errors  none; precondition: it is not at the end
  const token_event& operator*() const NIBBLE_NOEXCEPT {
    NIBBLE_ASSERT(generation_ && generation_->event_);
    return *generation_->event_;
  }
  const token_event* operator->() const NIBBLE_NOEXCEPT { return &**this; }
  iterator& operator++() {
    NIBBLE_ASSERT(generation_);
    generation_->advance();
    return *this;
  }
  void operator++(int) { ++*this; }
  bool operator==(std::default_sentinel_t) const noexcept {
    return !generation_ || !generation_->session_ || !generation_->event_;
  }

 private:
  friend class generation;
  explicit iterator(generation& g) noexcept : generation_(&g) {}
  generation* generation_ = nullptr;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
