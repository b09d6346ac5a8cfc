/// All of nibble that is compiled once. Include it in exactly one translation unit of a program; or link the CMake target
/// nibble::nibble, which is such files, compiled.
///
/// Without it the program does not link: undefined symbols of namespace nibble. With two of them it does not link either:
/// symbols defined twice. It stands before any header of the SIMD library, in a file without a foreach_target.h of its own;
/// nibble/nibble.hpp may stand before or behind it.
#pragma once

#include "nibble/core/push_macros.hpp"  // `min` and `max` of some system headers, until the end of this file

// clang-format off
#include "nibble/kernels/compile.hpp"  // first, see there
#include "nibble/library-impl.hpp"
#include "nibble/text/tokenizers-impl.hpp"
#include "nibble/text/template/jinja_template-impl.hpp"
#include "nibble/model/models-impl.hpp"
#include "nibble/model/decoder-impl.hpp"
#include "nibble/model/registry-impl.hpp"
#include "nibble/sample/samplers-impl.hpp"
#include "nibble/grammar/grammars-impl.hpp"
#include "nibble/generate/generating-impl.hpp"
#include "nibble/quant/quantize_file-impl.hpp"
// clang-format on

#include "nibble/core/pop_macros.hpp"
