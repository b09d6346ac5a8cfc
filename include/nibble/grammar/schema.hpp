/// JSON Schema as a grammar: what is supported, and what the text looks like.
///
/// Drafts 2020-12, 2019-09 and 7 (and what they share with older ones). Members may come in any order, each once; between the
/// parts of a value may stand up to 80 spaces, tabs and ends of lines in a row, and none around it. A schema is multiplied out
/// to alternatives before any text is read, so that every text that was begun can be ended: `not`, `oneOf` and `if` included.
///
/// - A keyword counts where the draft that $schema names knows it; without $schema, in any.
/// - `format` is demanded where it is one of the standard's; of another name it says nothing. Of email,
///   hostname, uri, regex and their kin some valid texts are refused, and their opposites are only what is surely not of them.
/// - Numbers are compared digit by digit. Exponents are read only where nothing is demanded of a number; a whole number may end
///   in ".0". In strings, \u is read for what is not printable ASCII.
/// - Two members of one name are refused where the schema names it, and where members are counted.
/// - `$ref` reaches what is in the document; nothing is fetched.
/// - A keyword that is given what it is not for is refused, where it counts; keyword_values.hpp lists them. Lists of `items`
/// and
///   exclusive bounds that are true or false are read in any draft.
///
/// Refused, in a sentence that names the keyword and where it stands: uniqueItems but for strings that are not few, items of a
/// list or of few values, and one item; expressions that look around or back; references that depend on who refers ($dynamicRef
/// with several anchors); the opposites of uniqueItems, unevaluatedItems, and of formats that any text might be of; several
/// demands on as few items or members as may be; what takes more than grammar_limits.
#pragma once

#include "nibble/error.hpp"
#include "nibble/grammar/limits.hpp"
#include "nibble/grammar/program.hpp"
#include "nibble/text/json.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// @errors  bad_value, limit_exceeded; malformed: no value is valid
result<grammar_program> compile_schema(const json& schema, const grammar_limits& most);

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
