/// to_nfc: text in Unicode's Normalization Form C, in which letters and their marks are composed: one way to write "é", not
/// two.
#pragma once

#include <string>
#include <string_view>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// `text` in Normalization Form C of Unicode `unicode_version`: itself if it has that form, else a view of `room`, which is
/// replaced. What is no UTF-8 stays as it is, and nothing is composed across it.
/// @errors  none; precondition: `text` is no view of `room`
/// @cost    a pass over the bytes; where characters may compose O(n log n) in the length of a run of marks. Nothing is
/// allocated
///          for text whose characters all are what Unicode's quick check says yes to, as those of most languages are.
/// @source  Unicode Standard Annex #15
/// @example std::string room;
///          std::string_view composed = nibble::to_nfc("e\u0301", room);   // "é"
std::string_view to_nfc(std::string_view text, std::string& room);

}  // namespace NIBBLE_ABI
}  // namespace nibble
