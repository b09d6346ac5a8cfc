/// no_repeat_ngram: no sequence of n tokens twice.
#pragma once

#include <cstddef>
#include <string_view>

#include "nibble/sample/candidates.hpp"
#include "nibble/sample/parameters.hpp"
#include "nibble/sample/repetitions.hpp"
#include "nibble/sample/sampler.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Makes tokens impossible that would end a sequence of n tokens which the last ones hold already. Where nothing else would be
/// possible, the best of them stays. 0: nothing happens. last_n is at most 2^18.
/// @cost    O(n) in the last tokens; the first call takes 20 to 36 bytes for each
/// @source  Paulus et al. 2017, section 2.5; no_repeat_ngram_size of Hugging Face's transformers
struct no_repeat_ngram {
  std::size_t n = 3;
  std::size_t last_n = 4096;
  detail::repetitions repeated = {};  ///< what the step keeps to itself

  static constexpr std::size_t most_tokens = detail::repetitions::most_tokens;
  static constexpr std::string_view name = "no_repeat_ngram";
  /// "n:3,last_n:4096", or one of these.
  static result<no_repeat_ngram> from_text(std::string_view value);

  void operator()(candidates& c, sample_context& context);
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
