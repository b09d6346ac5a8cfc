/// A part of the target nibble::nibble: the engine of chat templates.
#include <nibble/text/template/jinja_template-impl.hpp>
