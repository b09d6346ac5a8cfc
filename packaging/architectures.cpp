/// Of the target nibble::nibble: every architecture of the registry. A program that loads typed models alone does not link it.
#include <nibble/model/registry-impl.hpp>
