/// A host that opens the namespaces of the standard library and of nibble, before it includes anything of the latter.
#include "theirs.hpp"
using namespace std;
namespace nibble {}
using namespace nibble;

#include "all.hpp"
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
