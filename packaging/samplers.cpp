/// A part of the target nibble::nibble: steps of sampling and their registry. Programs that draw no tokens do not link it.
#include <nibble/sample/samplers-impl.hpp>
