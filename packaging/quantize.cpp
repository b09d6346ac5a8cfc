/// A part of the target nibble::nibble: matrices and files in other formats, which most programs need not link.
#include <nibble/quant/quantize_file-impl.hpp>
