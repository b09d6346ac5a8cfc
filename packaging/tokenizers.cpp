/// A part of the target nibble::nibble: tokenizers, with their tables of Unicode.
#include <nibble/text/tokenizers-impl.hpp>
