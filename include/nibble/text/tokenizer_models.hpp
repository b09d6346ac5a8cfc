/// tokenizer_models: the registry of what makes tokens of text, by the names that `tokenizer.ggml.model` has for them.
///
/// A tokenizer model is a type with these members; to add one: its file, its include and its name in the list below.
///   static constexpr std::string_view name;
///   static result<vocab_rules> rules_of(const metadata&, const tokenizer_options&);  // how its vocabulary is written
///   static result<T> try_load(const metadata&, const vocab&, const tokenizer_options&);
///   tokenizer_habits habits() const noexcept;
///   void encode(const vocab&, std::string_view text, bool fresh, merger& room, std::vector<token>& out) const;
///       // appends the tokens of text that has no special tokens; fresh: it begins a text, or stands behind a special token
///   std::size_t memory_bytes() const noexcept;
#pragma once

#include "nibble/core/type_list.hpp"
#include "nibble/text/bpe.hpp"
#include "nibble/text/hybrid_dna.hpp"
#include "nibble/text/plamo.hpp"
#include "nibble/text/rwkv.hpp"
#include "nibble/text/spm.hpp"
#include "nibble/text/unigram.hpp"
#include "nibble/text/whitespace_bpe.hpp"
#include "nibble/text/wordpiece.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

using tokenizer_models = type_list<sentencepiece_bpe, byte_level_bpe, gemma4_bpe, whitespace_bpe, hybrid_dna, wordpiece,
                                   unigram, rwkv_trie, plamo_lattice>;

}  // namespace NIBBLE_ABI
}  // namespace nibble
