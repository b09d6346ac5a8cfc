/// The target nibble::kernels: the one translation unit that compiles every SIMD kernel for every CPU target.
#include <nibble/kernels/compile.hpp>
