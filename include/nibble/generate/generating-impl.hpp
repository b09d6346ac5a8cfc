/// Sessions, schedulers and all else that generates, compiled once: see nibble/compile.hpp.
#pragma once

// In the order data flows:
// clang-format off
#include "nibble/generate/stop_strings-impl.hpp"
#include "nibble/generate/event_builder-impl.hpp"
#include "nibble/generate/transcript-impl.hpp"
#include "nibble/generate/guess_pace-impl.hpp"
#include "nibble/generate/prompt_lookup-impl.hpp"
#include "nibble/generate/draft_model-impl.hpp"
#include "nibble/generate/draft_block-impl.hpp"
#include "nibble/generate/speculator-impl.hpp"
#include "nibble/generate/generation-impl.hpp"
#include "nibble/generate/saved_session-impl.hpp"
#include "nibble/generate/session-impl.hpp"
#include "nibble/generate/generate_each-impl.hpp"
#include "nibble/generate/scheduler_stats-impl.hpp"
#include "nibble/generate/scheduler_queue-impl.hpp"
#include "nibble/generate/score-impl.hpp"
#include "nibble/generate/samples-impl.hpp"
#include "nibble/generate/beam_search-impl.hpp"
#include "nibble/generate/scheduler-impl.hpp"
// clang-format on
