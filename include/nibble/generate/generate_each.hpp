/// generate_each: replies to several prompts, which advance together.
#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "nibble/error.hpp"
#include "nibble/generate/event.hpp"
#include "nibble/generate/options.hpp"
#include "nibble/model/any_model.hpp"
#include "nibble/model/options.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// What generate_each() calls with the index of a prompt and each event of the reply to it: returning false ends this reply.
template <class F>
concept each_consumer = std::invocable<F&, std::size_t, const token_event&> &&
    (std::is_void_v<std::invoke_result_t<F&, std::size_t, const token_event&>> ||
     std::predicate<F&, std::size_t, const token_event&>);

namespace detail {
/// What is called with the number of a reply and each of its events: false ends this reply.
using reply_callback = std::function<bool(std::size_t, const token_event&)>;
result<std::vector<finish>> generate_each(const any_model& model, std::span<const std::string> prompts,
                                          const generate_options& options, const reply_callback& on_event,
                                          session_options room);
}  // namespace detail

/// Replies to several prompts at once: each pass over the weights makes one token for every reply that is not at its end, with
/// the bits of a session for each. The prompt with index i is encoded as the first one of a session, and its reply drawn with
/// options.seed + i.
///
/// @param    room  of each reply: takes as much KV cache as a session for each: see any_model::plan. The cap counts that, 4
///                 bytes for each token of its context, and room to choose tokens: 12 bytes for each of the vocabulary
/// @return   how each reply ended, as a session's would; one whose prompt does not fit has no events: finish::context_full;
///           where memory is too little (session_options::kv_bytes), the last ones end: finish::memory_full
/// @errors   out_of_memory (the model's memory_cap included), invalid_argument: as a session, and more than most_sequences
///           prompts, or a speculation; what on_event or a sampler of the user's throws
/// @cost     no allocation between the first event of the last prompt and the end
/// @example  std::vector<std::string> texts(prompts.size());
///           nibble::generate_each(model, prompts, {.stop = {"\n\n"}},
///                                 [&](std::size_t i, const nibble::token_event& event) { texts[i] += event.text; });
template <each_consumer F>
result<std::vector<finish>> try_generate_each(const any_model& model, std::span<const std::string> prompts,
                                              const generate_options& options, F&& on_event, const session_options& room = {}) {
  const auto call = [&on_event](std::size_t i, const token_event& event) {
    if constexpr (std::predicate<F&, std::size_t, const token_event&>) {
      return bool(on_event(i, event));
    } else {
      on_event(i, event);
      return true;
    }
  };
  return detail::generate_each(model, prompts, options, std::cref(call), room);
}
#if NIBBLE_EXCEPTIONS
template <each_consumer F>
std::vector<finish> generate_each(const any_model& model, std::span<const std::string> prompts, const generate_options& options,
                                  F&& on_event, const session_options& room = {}) {
  return try_generate_each(model, prompts, options, std::forward<F>(on_event), room).value();
}
#endif

}  // namespace NIBBLE_ABI
}  // namespace nibble
