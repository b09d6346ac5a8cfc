/// A part of the target nibble::nibble: all that is compiled once but the kernels, which are nibble::kernels, and but what many
/// programs need not link and is a file of its own: decoders, the architectures of any_model, and quantizing.
#include <nibble/library-impl.hpp>
