/// Every header after the macros that C and Windows headers are known to define. Others' headers come first: they are not ours
/// to mend.
#include "theirs.hpp"

// C and POSIX headers, and the compilers' own:
#define I (0.0F + 1.0F)
#define complex _Complex
#define major(x) (x)
#define minor(x) (x)
#define linux 1
#define unix 1
#define DOMAIN 1
#define OVERFLOW 3
#define UNDERFLOW 4
#define HUGE 1e30F
#define M_PI 3.14159265358979323846
#define _B 1
#define _N 1
#define _C 1
#define howmany(x, y) (((x) + ((y)-1)) / (y))
#define roundup(x, y) (x)
#define isset(a, i) (a)
#define nil 0

// windows.h and what comes with it:
#define near
#define far
#define small char
#define hyper long
#define interface struct
#define cdecl
#define pascal
#define IN
#define OUT
#define OPTIONAL
#define CONST const
#define VOID void
#define THIS this
#define TRUE 1
#define FALSE 0
#define ERROR 0
#define NO_ERROR 0
#define DELETE 0x10000L
#define STRICT 1
#define CALLBACK
#define IGNORE 0
#define INFINITE 0xffffffff
#define ABSOLUTE 1
#define RELATIVE 2
#define OPAQUE 2
#define TRANSPARENT 1
#define PASSTHROUGH 19
#define Yield()
#define GetObject GetObjectA
#define GetMessage GetMessageA
#define CreateFile CreateFileA
#define DeleteFile DeleteFileA
#define LoadImage LoadImageA
#define RGB(r, g, b) (r)

// X11, Qt, boards:
#define None 0L
#define Bool int
#define Status int
#define Success 0
#define True 1
#define False 0
#define Always 2
#define Complex 0
#define foreach for
#define forever for (;;)
#define HIGH 1
#define LOW 0
#define INPUT 0
#define OUTPUT 1
#define DEFAULT 1
#define F(x) (x)
#define PI 3.1415926535897932384626433832795
#define B1 1
#define T1 1

// Those that are put aside:
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))
#define abs(x) ((x) < 0 ? -(x) : (x))
#define round(x) ((x) >= 0 ? (long)((x) + 0.5) : (long)((x)-0.5))
#define check(x) (x)
#define require(x) (x)
#define verify(x) (x)
#define slots
#define signals public
#define emit
#include "nibble/nibble.hpp"
static_assert(min(2, 1) == 1 && max(2, 1) == 2 && abs(-1) == 1 && round(1.6) == 2 && check(true) && require(true) &&
                  verify(true),
              "nibble.hpp leaves them as they were");
#undef min
#undef max
#undef abs
#undef round
#undef check
#undef require
#undef verify
#undef slots
#undef signals
#undef emit

#include "all.hpp"
// And what is compiled once, as a program of headers alone would:
#include "nibble/generate/generating-impl.hpp"
#include "nibble/grammar/grammars-impl.hpp"
#include "nibble/library-impl.hpp"
#include "nibble/model/decoder-impl.hpp"
#include "nibble/model/models-impl.hpp"
#include "nibble/model/registry-impl.hpp"
#include "nibble/quant/quantize_file-impl.hpp"
#include "nibble/sample/samplers-impl.hpp"
#include "nibble/text/template/jinja_template-impl.hpp"
#include "nibble/text/tokenizers-impl.hpp"
