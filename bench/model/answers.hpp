/// Answers are checked before they are timed.
#pragma once

#include <cstddef>

#include "nibble/model/any_model.hpp"

namespace bench {

/// Throws unless the logits of a short prompt have the same bits in steps of options.prefill_chunk, in steps of another length
/// and token by token, and, of several sequences that are decoded together, the same as those of each alone.
void check_answers(const nibble::any_model& model, std::size_t sequences, nibble::session_options options);

}  // namespace bench
