/// A part of the target nibble::nibble: all that is compiled once but the kernels, which are nibble::kernels, and but what is
/// a file of its own beside this one, for programs that need not link it, and so that none takes long to compile.
#include <nibble/library-impl.hpp>
