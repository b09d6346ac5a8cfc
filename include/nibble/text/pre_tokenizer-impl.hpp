/// The definitions behind pre_tokenizer.hpp: the table of pre-tokenizers. Compiled once: see nibble/compile.hpp; never include
/// it yourself.
#pragma once

#include <array>
#include <string_view>

#include "nibble/text/digit_groups.hpp"
#include "nibble/text/pre_tokenizer.hpp"
#include "nibble/text/split_stages.hpp"
#include "nibble/text/word_rules.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

inline constexpr word_rule llama3_rule{.digits = 3}, qwen2_rule{}, minicpm_rule{.digits = 0};
inline constexpr word_rule qwen35_rule{.letters = word_letters::marked};
inline constexpr word_rule uncontracted_rule{.contraction = contractions::none};
inline constexpr word_rule seed_rule{.tail = {}};
inline constexpr word_rule exaone_moe_rule{.letters = word_letters::spaced, .tail = "\r\n/", .tail_once = true};
inline constexpr word_rule tekken_rule{
    .contraction = contractions::none, .letters = word_letters::cased, .digits = 1, .tail = "\r\n/"};
inline constexpr word_rule youtu_rule{
    .contraction = contractions::behind, .letters = word_letters::cased, .digits = 1, .tail = "\r\n/"};
inline constexpr word_rule gpt4o_rule{
    .contraction = contractions::behind, .letters = word_letters::cased, .digits = 3, .tail = "\r\n/"};
inline constexpr word_rule kimi_rule{
    .contraction = contractions::behind, .letters = word_letters::cased_han, .digits = 3, .tail = "\r\n"};

/// [一-龥ぁ-ゟ゠-ヿ], here and below as the published expressions write them.
inline constexpr auto han_and_kana = std::to_array<code_range>({{0x3040, 0x30FF}, {0x4E00, 0x9FA5}});
/// [一-龥ࠀ-一가-퟿]
inline constexpr auto deepseek_asian = std::to_array<code_range>({{0x800, 0x9FA5}, {0xAC00, 0xD7FF}});
inline constexpr auto afmoe_asian = std::to_array<code_range>({{0xE40, 0xEFF},
                                                               {0x1000, 0x109F},
                                                               {0x1100, 0x11FF},
                                                               {0x1780, 0x17FF},
                                                               {0x2F00, 0x2FDF},
                                                               {0x3040, 0x30FF},
                                                               {0x3400, 0x4DBF},
                                                               {0x4E00, 0x9FFF},
                                                               {0xA9E0, 0xA9FF},
                                                               {0xAA60, 0xAA7F},
                                                               {0xAC00, 0xD7AF},
                                                               {0xF900, 0xFAFF},
                                                               {0xFF65, 0xFF9F}});
inline constexpr auto youtu_hangul = std::to_array<code_range>({{0x3131, 0x318E}, {0xAC00, 0xD7A3}});
inline constexpr auto youtu_signs = std::to_array<code_range>({{0x2014, 0x2014},
                                                               {0x2018, 0x2019},
                                                               {0x201C, 0x201D},
                                                               {0x2026, 0x2026},
                                                               {0x3001, 0x303F},
                                                               {0xFE30, 0xFE4F},
                                                               {0xFF01, 0xFF01},
                                                               {0xFF0C, 0xFF0C},
                                                               {0xFF1A, 0xFF1B}});
inline constexpr auto youtu_bopomofo = std::to_array<code_range>({{0x3105, 0x312F}});
inline constexpr auto deepseek_llm_signs = std::to_array<code_range>(
    {{0x21, 0x2F}, {0x3A, 0x7E}, {0x2018, 0x201F}, {0x3000, 0x3002}, {0xFF01, 0xFF0F}, {0xFF1A, 0xFF5E}});
/// Letters that have a case, as DeepSeek LLM lists them.
inline constexpr auto deepseek_llm_letters = std::to_array<code_range>(
    {{0x41, 0x5A},       {0x61, 0x7A},       {0xB5, 0xB5},       {0xC0, 0xD6},       {0xD8, 0xF6},       {0xF8, 0x1BA},
     {0x1BC, 0x1BF},     {0x1C4, 0x293},     {0x295, 0x2AF},     {0x370, 0x373},     {0x376, 0x377},     {0x37B, 0x37D},
     {0x37F, 0x37F},     {0x386, 0x386},     {0x388, 0x38A},     {0x38C, 0x38C},     {0x38E, 0x3A1},     {0x3A3, 0x3F5},
     {0x3F7, 0x481},     {0x48A, 0x52F},     {0x531, 0x556},     {0x10A0, 0x10C5},   {0x13A0, 0x13F5},   {0x13F8, 0x13FD},
     {0x1C90, 0x1CBA},   {0x1CBD, 0x1CBF},   {0x1D00, 0x1D2B},   {0x1D6B, 0x1D77},   {0x1D79, 0x1D9A},   {0x1E00, 0x1F15},
     {0x1F18, 0x1F1D},   {0x1F20, 0x1F45},   {0x1F48, 0x1F4D},   {0x1F50, 0x1F57},   {0x1F59, 0x1F59},   {0x1F5B, 0x1F5B},
     {0x1F5D, 0x1F5D},   {0x1F5F, 0x1F7D},   {0x1F80, 0x1FB4},   {0x1FB6, 0x1FBC},   {0x1FBE, 0x1FBE},   {0x1FC2, 0x1FC4},
     {0x1FC6, 0x1FCC},   {0x1FD0, 0x1FD3},   {0x1FD6, 0x1FDB},   {0x1FE0, 0x1FEC},   {0x1FF2, 0x1FF4},   {0x1FF6, 0x1FFC},
     {0x2102, 0x2102},   {0x2107, 0x2107},   {0x210A, 0x2113},   {0x2115, 0x2115},   {0x2119, 0x211D},   {0x2124, 0x2124},
     {0x2126, 0x2126},   {0x2128, 0x2128},   {0x212A, 0x212D},   {0x212F, 0x2134},   {0x2139, 0x2139},   {0x213C, 0x213F},
     {0x2145, 0x2149},   {0x214E, 0x214E},   {0x2183, 0x2184},   {0x2C00, 0x2C7B},   {0x2C7E, 0x2CE4},   {0x2CEB, 0x2CEE},
     {0x2CF2, 0x2CF3},   {0xA640, 0xA66D},   {0xA680, 0xA69B},   {0xA722, 0xA76F},   {0xA771, 0xA787},   {0xA78B, 0xA78E},
     {0xAB70, 0xABBF},   {0xFB00, 0xFB06},   {0xFB13, 0xFB17},   {0xFF21, 0xFF3A},   {0xFF41, 0xFF5A},   {0x10400, 0x1044F},
     {0x104B0, 0x104D3}, {0x104D8, 0x104FB}, {0x10C80, 0x10CB2}, {0x10CC0, 0x10CF2}, {0x118A0, 0x118DF}, {0x1E900, 0x1E943}});

/// Runs of one of four kinds of characters.
inline std::size_t youtu_runs(std::string_view text, std::size_t at) noexcept {
  std::size_t end = run_end(text, at, is_in<youtu_hangul>);
  if (end == at) end = run_end(text, at, is_in<youtu_signs>);
  if (end == at) end = run_end(text, at, is_in<youtu_bopomofo>);
  return end > at ? end : run_end(text, at, is_in<han_and_kana>);
}

using stages = std::array<split_stage, pre_tokenizer::most_stages>;
inline constexpr split_stage each_number = &runs<is_number, 1>, three_numbers = &runs<is_number, 3>,
                             line_ends = &runs<is_line_feed>;
inline constexpr split_stage kana_and_han = &runs<is_in<han_and_kana>>, deepseek_han = &runs<is_in<deepseek_asian>>;

inline constexpr stages gpt2_words = {&gpt2_word_end};
inline constexpr stages digits_and_gpt2_words = {each_number, &gpt2_word_end};
inline constexpr stages llama3_words = {&word_end<llama3_rule>};
inline constexpr stages qwen2_words = {&word_end<qwen2_rule>};
inline constexpr stages gpt4o_words = {&word_end<gpt4o_rule>};
inline constexpr stages tiny_aya_words = {&groups_before_boundary, &word_end<gpt4o_rule>};
inline constexpr stages deepseek3_words = {three_numbers, kana_and_han, &isolated<deepseek_word>};
inline constexpr stages bloom_words = {&isolated<run_behind<is_one_space, is_bloom_letter>>};
inline constexpr stages default_words = {&runs<is_punctuation_run>, &gpt2_word_end, &runs<is_number>, &isolated<three_digits>};
inline constexpr stages falcon_words = {&runs<is_falcon_punctuation>, &gpt2_word_end, &isolated<three_digits>};
inline constexpr stages deepseek_coder_words = {&runs<is_newline, 1>, &isolated<run_behind<is_any_space, is_letter>>,
                                                &isolated<run_behind<is_any_space, is_punctuation>>, deepseek_han, each_number};
inline constexpr stages deepseek_llm_words = {&runs<is_newline, 1>,
                                              &isolated<run_behind<is_any_space, is_in<deepseek_llm_letters>>>,
                                              &isolated<run_behind<is_any_space, is_in<deepseek_llm_signs>>>,
                                              &space_at_end,
                                              deepseek_han,
                                              &runs<is_number>};
inline constexpr stages chameleon_words = {
    &isolated<sentinel>, &isolated<image_token>, &isolated<indentation>, each_number, &runs<is_chameleon_punctuation, 1>,
    &gpt2_word_end};

inline constexpr auto whole_words = pre_tokenizer_flags::whole_words;
inline constexpr auto composes = pre_tokenizer_flags::composes;
inline constexpr auto adds_bos = pre_tokenizer_flags::adds_bos;
inline constexpr auto by_character = pre_tokenizer_flags::characters;
inline constexpr auto spaced = by_character | pre_tokenizer_flags::spaced;
inline constexpr auto gemma4 = spaced | pre_tokenizer_flags::whole_lines | pre_tokenizer_flags::always_adds_bos;

/// Names of one expression stand together.
inline constexpr auto pre_tokenizer_rows = std::to_array<pre_tokenizer>({
    {"gpt-2", gpt2_words},
    {"phi-2", gpt2_words},
    {"mpt", gpt2_words},
    {"olmo", gpt2_words},
    {"jais", gpt2_words},
    {"trillion", gpt2_words},
    {"granite-docling", gpt2_words},
    {"exaone4", gpt2_words},
    {"gigachat", gpt2_words},
    {"a.x-4.0", gpt2_words},
    {"mellum", gpt2_words},
    {"modern-bert", gpt2_words},
    {"roberta-bpe", gpt2_words},
    {"jina-v1-en", gpt2_words},
    {"jina-v2-code", gpt2_words},
    {"jina-v2-es", gpt2_words},
    {"jina-v2-de", gpt2_words},
    {"jina-es", gpt2_words},
    {"jina-de", gpt2_words},

    {"smollm", digits_and_gpt2_words},
    {"starcoder", digits_and_gpt2_words},
    {"refact", digits_and_gpt2_words},
    {"command-r", digits_and_gpt2_words},
    {"codeshell", digits_and_gpt2_words},
    {"exaone", digits_and_gpt2_words},
    {"minerva-7b", digits_and_gpt2_words},
    {"mellum2", digits_and_gpt2_words},

    {"default", default_words},
    {"falcon", falcon_words},

    {"llama-bpe", llama3_words, whole_words | adds_bos},
    {"llama3", llama3_words, whole_words | adds_bos},
    {"llama-v3", llama3_words, whole_words | adds_bos},
    {"falcon3", llama3_words, whole_words | adds_bos},
    {"falcon-h1", llama3_words, whole_words | adds_bos},
    {"pixtral", llama3_words, whole_words | adds_bos},
    {"midm-2.0", llama3_words, whole_words | adds_bos},
    {"lfm2", llama3_words, whole_words | adds_bos},
    {"jina-v5-nano", llama3_words, whole_words | adds_bos},
    {"dbrx", llama3_words},
    {"smaug-bpe", llama3_words},
    {"glm4", llama3_words},
    {"chatglm-bpe", llama3_words},
    {"jais-2", {&word_end<llama3_rule>, &whitespace_powers}},
    {"minicpm5", {three_numbers, &word_end<minicpm_rule>}, whole_words},

    {"qwen2", qwen2_words, composes},
    {"deepseek-r1-qwen", qwen2_words},
    {"kormo", qwen2_words},
    {"f2llmv2", qwen2_words},
    {"megrez", qwen2_words},
    {"stablelm2", qwen2_words},
    {"hunyuan", qwen2_words},
    {"solar-open", qwen2_words},
    {"grok-2", qwen2_words},
    {"bailingmoe", qwen2_words},
    {"bailingmoe2", qwen2_words},
    {"llada-moe", qwen2_words},
    {"qwen35", {&word_end<qwen35_rule>}, composes},
    {"ufakzeka", {&word_end<uncontracted_rule>}},
    {"seed-coder", {&word_end<seed_rule>}},
    {"laguna", {line_ends, &word_end<qwen2_rule>}},
    {"exaone-moe", {&word_end<exaone_moe_rule>}},

    {"tekken", {&word_end<tekken_rule>}, whole_words | adds_bos},
    {"gpt-4o", gpt4o_words},
    {"llama4", gpt4o_words},
    {"kanana2", gpt4o_words},
    {"talkie", gpt4o_words},
    {"minimax-m2", gpt4o_words},
    {"granite-embed-multi-97m", gpt4o_words, whole_words},
    {"tiny_aya", tiny_aya_words},
    {"cohere2moe", tiny_aya_words},
    {"kimi-k2", {&word_end<kimi_rule>}},
    {"youtu", {&isolated<youtu_runs>, &word_end<youtu_rule>}, whole_words},

    {"deepseek-coder", deepseek_coder_words},
    {"deepseek-llm", deepseek_llm_words},
    {"deepseek-v3", deepseek3_words},
    {"hunyuan-dense", deepseek3_words},
    {"hy_v4", deepseek3_words},
    {"joyai-llm", deepseek3_words},
    {"spark2_5", {three_numbers, kana_and_han, &isolated<spark_word>, each_number}},
    {"afmoe", {&groups_with_text, &runs<is_in<afmoe_asian>>, &isolated<deepseek_word>}},

    {"bloom", bloom_words},
    {"poro-chat", bloom_words},
    {"gpt3-finnish", bloom_words},
    {"viking", {&isolated<run_behind<is_one_space, is_bloom_letter>>, each_number}},
    {"chameleon", chameleon_words, adds_bos},
    {"whitespace", {&runs<is_any_space>}, by_character},
    {"superbpe", {&runs<is_number>, &cut_before_groups}},

    {"gemma4", {line_ends}, gemma4},
    {"granite-embed-multi-311m", {line_ends}, gemma4},
    {"sarvam-moe", {line_ends}, spaced},
});

}  // namespace detail

constinit const std::span<const pre_tokenizer> pre_tokenizers(detail::pre_tokenizer_rows);

const pre_tokenizer* find_pre_tokenizer(std::string_view name) noexcept {
  for (const pre_tokenizer& candidate : pre_tokenizers)
    if (candidate.name == name) return &candidate;
  return nullptr;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
