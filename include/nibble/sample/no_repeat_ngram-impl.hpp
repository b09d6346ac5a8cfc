/// The definitions behind no_repeat_ngram.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <string_view>

#include "nibble/sample/no_repeat_ngram.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

result<no_repeat_ngram> no_repeat_ngram::from_text(std::string_view value) {
  no_repeat_ngram made;
  NIBBLE_TRY(detail::parse_fields(value, {{"n", &made.n}, {"last_n", &made.last_n}}));
  return made;
}

void no_repeat_ngram::operator()(candidates& c, sample_context& context) {
  constexpr float impossible = -std::numeric_limits<float>::infinity();
  const std::size_t room = std::min(last_n, most_tokens), size = std::min(room, context.recent.size());
  repeated.reserve(room);
  if (n == 0 || size < n || c.empty()) return;
  repeated.find(context.recent.last(size), n - 1, n - 1);
  if (repeated.empty()) return;
  candidate best{no_token, impossible};  // of those that go
  const auto ban = [&](token id, float& logit) {
    if (const candidate gone{id, logit}; logit > impossible && (best.id == no_token || ranks_before(gone, best))) best = gone;
    logit = impossible;
  };
  if (c.complete()) {
    repeated.for_each([&](token id, std::size_t) {
      if (float* logit = c.find(id)) ban(id, *logit);
    });
  } else {
    std::size_t length = 0;
    for (candidate& x : c)
      if (repeated.contains(x.id, length)) ban(x.id, x.logit);
  }
  if (best.id != no_token && !(c.best().logit > impossible)) *c.find(best.id) = best.logit;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
