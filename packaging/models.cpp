/// A part of the target nibble::nibble: models and what steps them. Programs that read files alone do not link it.
#include <nibble/model/models-impl.hpp>
