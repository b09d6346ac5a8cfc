/// The target nibble::nibble: all that is compiled once but the kernels, which are nibble::kernels, and the architectures,
/// which are a file of their own so that a program of a typed model need not link them.
#include <nibble/library-impl.hpp>
