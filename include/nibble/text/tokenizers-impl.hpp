/// Tokenizers of all models, compiled once: see nibble/compile.hpp.
#pragma once

// In the order data flows:
// clang-format off
#include "nibble/text/special_tokens-impl.hpp"
#include "nibble/text/vocab-impl.hpp"
#include "nibble/text/normalize-impl.hpp"
#include "nibble/text/pre_tokenizer-impl.hpp"
#include "nibble/text/bpe-impl.hpp"
#include "nibble/text/whitespace_bpe-impl.hpp"
#include "nibble/text/hybrid_dna-impl.hpp"
#include "nibble/text/spm-impl.hpp"
#include "nibble/text/wordpiece-impl.hpp"
#include "nibble/text/charsmap-impl.hpp"
#include "nibble/text/unigram-impl.hpp"
#include "nibble/text/piece_trie-impl.hpp"
#include "nibble/text/plamo-impl.hpp"
#include "nibble/text/rwkv-impl.hpp"
#include "nibble/text/tokenizer-impl.hpp"
// clang-format on
