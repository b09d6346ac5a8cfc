// A pool that is compiled without exceptions.
#include "nibble/core/thread_pool-impl.hpp"

static_assert(!NIBBLE_EXCEPTIONS);
