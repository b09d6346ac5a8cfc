/// A part of the target nibble::nibble: the forward pass of decoders and its parts. Programs that run no model do not link it.
#include <nibble/model/decoder-impl.hpp>
