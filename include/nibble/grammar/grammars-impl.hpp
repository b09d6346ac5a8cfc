/// Grammars and constraints, compiled once: see nibble/compile.hpp.
#pragma once

// In the order data flows:
// clang-format off
#include "nibble/grammar/automaton-impl.hpp"
#include "nibble/grammar/regex-impl.hpp"
#include "nibble/grammar/gbnf-impl.hpp"
#include "nibble/grammar/search-impl.hpp"
#include "nibble/grammar/grammar-impl.hpp"
#include "nibble/grammar/program_builder-impl.hpp"
#include "nibble/grammar/number_texts-impl.hpp"
#include "nibble/grammar/keyword_values-impl.hpp"
#include "nibble/grammar/schema_document-impl.hpp"
#include "nibble/grammar/schema_expander-impl.hpp"
#include "nibble/grammar/schema_keywords-impl.hpp"
#include "nibble/grammar/schema_applicators-impl.hpp"
#include "nibble/grammar/schema_negation-impl.hpp"
#include "nibble/grammar/schema_strings-impl.hpp"
#include "nibble/grammar/schema_names-impl.hpp"
#include "nibble/grammar/schema_possible-impl.hpp"
#include "nibble/grammar/schema-impl.hpp"
#include "nibble/grammar/states-impl.hpp"
#include "nibble/grammar/json_states-impl.hpp"
#include "nibble/grammar/stacks-impl.hpp"
#include "nibble/grammar/parser-impl.hpp"
#include "nibble/grammar/token_trie-impl.hpp"
#include "nibble/grammar/matcher-impl.hpp"
#include "nibble/grammar/constraint-impl.hpp"
#include "nibble/grammar/mark_speller-impl.hpp"
#include "nibble/grammar/tool_values-impl.hpp"
#include "nibble/grammar/tool_calls-impl.hpp"
#include "nibble/grammar/tools-impl.hpp"
// clang-format on
