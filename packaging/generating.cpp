/// A part of the target nibble::nibble: sessions, schedulers and all else that generates.
#include <nibble/generate/generating-impl.hpp>
