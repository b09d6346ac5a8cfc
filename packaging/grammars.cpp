/// A part of the target nibble::nibble: grammars and constraints. Programs that ask for no form of text do not link what reads
/// them.
#include <nibble/grammar/grammars-impl.hpp>
