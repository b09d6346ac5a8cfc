/// An answer as a std::future. In a header of its own, for <future> is a large one.
#pragma once

#include <future>
#include <memory>
#include <string>
#include <utility>

#include "nibble/core/thrown_by.hpp"
#include "nibble/generate/answer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// The whole text of an answer, when it has come to its end: whichever that is, answer::reason() tells.
/// @errors   its get() throws what the request's on_event or sampler threw; std::bad_alloc
/// @example  auto text = nibble::future_of(scheduler.submit({.prompt = ids}));
///           show(text.get());  // while another thread runs the scheduler
inline std::future<std::string> future_of(const answer& of) {
  const auto promise = std::make_shared<std::promise<std::string>>();
  of.on_end([of, promise] {
    auto thrown = of.thrown();
    if (!thrown) thrown = detail::thrown_by([&] { promise->set_value(of.text()); });
    if (thrown) promise->set_exception(thrown);
  });
  return promise->get_future();
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
