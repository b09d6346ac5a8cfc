/// Every header after the macros that C and Windows headers are known to define. Others' headers come first: they are not ours
/// to mend.
#include "theirs.hpp"

#define I (0.0F + 1.0F)
#define small char
#define near
#define far
#define interface struct
#define IN
#define OUT
#define ERROR 0
#define major(x) (x)
#define minor(x) (x)
#define linux 1
#define unix 1

#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))
#include "nibble/nibble.hpp"
static_assert(min(2, 1) == 1 && max(2, 1) == 2, "nibble.hpp leaves them as they were");
#undef min
#undef max

#include "all.hpp"
// And what is compiled once, as a program of headers alone would:
#include "nibble/library-impl.hpp"
#include "nibble/model/registry-impl.hpp"
#include "nibble/quant/quantize_file-impl.hpp"
