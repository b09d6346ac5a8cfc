/// How a model is loaded and a session made, and what both will take.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "nibble/core/checked.hpp"
#include "nibble/core/executor.hpp"
#include "nibble/file/limits.hpp"
#include "nibble/file/readable_file.hpp"
#include "nibble/gguf/tensor_type.hpp"
#include "nibble/model/adapter.hpp"
#include "nibble/model/speculation.hpp"
#include "nibble/model/step_output.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// How a model is loaded, and where its work runs.
struct load_options {
  std::size_t threads = 0;                    ///< of the model's own pool; 0: see thread_pool. Not used with an executor
  std::optional<executor_ref> executor = {};  ///< where work runs instead; must outlive the model
  std::size_t memory_cap = 0;                 ///< bytes that the model, and it and a session, may take by their plan; 0: no cap
  nibble::limits limits = {};                 ///< what a file may ask for
  /// The pre-tokenizer in place of the one that the file names, see tokenizer_options.
  std::string pre_tokenizer = {};
  /// Weights stay in the pages of the file, which processes share and the system may drop: loading reads only what is small,
  /// and the cap and plans leave them out. The file must not change: shortening it ends in a fault of the system, see
  /// mapped_file. One that was given as an object or as bytes must outlive the model. Every product then packs them on its way,
  /// to the same bits: prompts are a little slower, single tokens several times.
  bool mapped = false;
  /// How a file that is given by its path is opened. A file that is read is immune to what happens to it meanwhile, an error at
  /// worst, and takes no address space; weights are laid out as they are read, 2 MiB at a time. Not with `mapped`.
  file_access access = file_access::mapped;
  /// Called while weights are laid out, on the thread that loads, with bytes done and of all: at each tensor and each 2 MiB of
  /// one, up to all. Returning false gives up: errc::cancelled. However the file is given.
  std::function<bool(std::size_t done, std::size_t total)> progress = {};
};

/// The longest context that a session may have.
inline constexpr std::size_t most_positions = std::size_t{16} << 20;
/// The most sequences that advance together.
inline constexpr std::size_t most_sequences = 4096;

/// What becomes of a text that is longer than its context. It stops, or goes on for as long as it likes in the same memory: see
/// sliding_context for what is then still seen, and at which distance. Layers with a shorter window see what they always see.
///
/// Keys are never changed: what is forgotten follows from a token's position alone, and it is queries that move towards what is
/// kept. So a sliding text has the same bits in any chunks and any batch, forked, saved and loaded. It can be cut back as far
/// as all that is seen from there is still held; cut back further, an evaluator begins again, and a session reads what it
/// still has of its text once more, as one that follows what it kept.
///
/// Models that are told where a token stands by more than rotations, distances or windows cannot slide: those with learned
/// positions or recurrent states, and encoders.
///
/// With heavy hitters it is not the oldest positions that a layer forgets but those to which least attention was paid, 64 at
/// once, and what stays keeps its place in the text, so positions grow beyond what a model has learned where the text does.
/// What was paid is kept beside keys and values, in memory_plan::states, and adding it up takes as long as scores do. A text
/// has the same bits in any chunks and any batch, forked, saved and loaded; but a sum cannot be cut back, and neither can a
/// choice. It is cut back to copies that stand session_options::state_interval apart, behind the last choice, as recurrent
/// states are; further back, an evaluator begins again, and a session reads once more what it still has of its text, which are
/// its last tokens. Layers with a window keep that. The context has then three or more whole pages of 64 positions, and is
/// longer than any window; latent attention and ALiBi are not weighed.
struct context_policy {
  /// As stop(). Others are made by the functions below: an aggregate would take one that is not called for `slides`.
  constexpr context_policy() noexcept = default;

  bool slides = false;
  std::size_t kept = 0;    ///< first positions of the text that stay in sight
  std::size_t step = 0;    ///< positions that are forgotten at once; 0: half of those that are not kept
  bool weighs = false;     ///< whether those are forgotten that have received least, whatever kept and step say
  std::size_t recent = 0;  ///< last positions that then stay whatever they receive, in pages of 64; 0: half of the context

  /// The text ends there.
  static constexpr context_policy stop() noexcept { return {}; }
  /// Context shift: the first tokens, and of the others the later half, which moves up; or all but `step` of the others.
  static constexpr context_policy shift(std::size_t kept = 0, std::size_t step = 0) noexcept {
    context_policy p;
    p.slides = true, p.kept = kept, p.step = step;
    return p;
  }
  /// Attention sinks and a window: the first tokens, and as many of the last as there is room for.
  /// @source  Xiao et al. 2024, "Efficient Streaming Language Models with Attention Sinks"
  static constexpr context_policy sinks(std::size_t kept = 4) noexcept { return shift(kept, 1); }
  /// The most recent tokens, and of the older ones those that have received most attention, in each layer its own.
  /// @source  Zhang et al. 2023, "H2O: Heavy-Hitter Oracle for Efficient Generative Inference of Large Language Models"
  static constexpr context_policy heavy_hitters(std::size_t recent = 0) noexcept {
    context_policy p;
    p.slides = p.weighs = true, p.recent = recent;
    return p;
  }
};

/// A model whose tokens see what comes behind them takes a text in one step: prefill_chunk and output_rows are then the
/// context.
struct session_options {
  std::size_t context = 0;  ///< positions that are kept; 0: the model's, but no more than 4096
  /// Tokens of a prompt that are processed at once: more is no faster, and takes scratch. 0 counts as 1.
  std::size_t prefill_chunk = 128;
  std::size_t output_rows = 1;  ///< tokens of a step whose output may be asked for: 1 to generate, more to score
  /// Keys and values as they are kept: f32, f16, bf16, q8_0 or q4_0; the model type's own where it is empty.
  std::optional<tensor_type> kv = {};
  step_output output = step_output::logits;  ///< what a step gives for them
  /// Room in which layers with a window keep what they saw at a mark, such as the end of a prompt: another reply to it costs no
  /// second reading. Takes no more than the windows do; see evaluator::mark. Empty: sessions, which mark their prompts, have
  /// it; evaluators and batches have not.
  std::optional<bool> marks = {};
  /// Positions between copies of what recurrent layers keep, which cannot be cut back: a sequence that is cut back goes on from
  /// the last copy, and what lies between is processed again. 0: no copies. Each copy takes as much as the state itself, see
  /// memory_plan::states. Empty: sessions have one each quarter of the context, so that memory does not grow with it, and at
  /// most a quarter is processed again; evaluators and batches have none.
  std::optional<std::size_t> state_interval = {};
  /// Forks that a session or an evaluator may have at once, those of its forks included: see session::fork. Each takes room for
  /// its steps, see any_model::plan; keys, values and states they share as far as they are the same.
  std::size_t forks = 0;
  /// What the keys and values of all sequences that share a pool may take together: a session and its forks, or those of a
  /// batch. 0: room for the whole context of each. Where it is less, a step may find no memory: feed_outcome::memory_full; what
  /// one takes of its whole context is enough for any one that has it to itself.
  std::size_t kv_bytes = 0;
  /// Whether the system is asked for large pages for keys and values, where it has them and there are 32 MiB or more of these.
  /// For texts of thousands of tokens: behind 4,096 positions a token is computed 1.07 to 1.16 times as fast (bench/README.md).
  /// Memory is then resident by large pages (2 MiB where others are of 4 KB), at least one for each head of a layer, as far as
  /// these have so much; so the first tokens wait longer, for the system clears these. Without, its own setting decides.
  bool large_pages = false;
  /// Whether what sequences of a pool have processed stays for others that begin with the same tokens and adapters, which then
  /// begin behind them: by whole pages of 64 positions, so that shorter beginnings are not shared. The least recently used
  /// gives way to what runs, so it takes no memory but its tables. The bits are the same. Empty: schedulers have it; sessions,
  /// evaluators and batches have not. A session shares it with its forks.
  std::optional<bool> prefix_cache = {};
  /// Copies of what recurrent layers keep that there are for it beside those of sequences: each is a place where another may
  /// begin. Each takes as much as the state itself, see memory_plan::states.
  std::size_t prefix_states = 16;
  std::optional<tensor_type> keys = {}, values = {};  ///< of one of them, where it is another than kv says
  /// Rotates heads of keys, and queries with them, or of values (Walsh-Hadamard) before they are stored: codes then lose less,
  /// but for keys with a bias, whose few large numbers 4 bits keep better where they are. Empty: values that are q4_0, and
  /// keys that are, of models whose keys have no bias.
  std::optional<bool> rotated_keys = {}, rotated_values = {};
  /// What becomes of a text that is longer than the context. Where it slides there are no marks, no prefix cache and no
  /// speculation. Scores and beams stop.
  context_policy when_full = {};
  /// What changes the model for these sequences, all of it at once: see adapter. Their memory is not of the plan, but what they
  /// take of a step is. A batch may say for each sequence how much of them: batch_evaluator::adapt.
  std::vector<adapter_use> adapters = {};
  /// How a session guesses what comes next, to save steps: prompt_lookup, draft_model or draft_block. What it says is the same.
  /// `output_rows` is then at least one more than its guesses.
  nibble::speculation speculation = {};
  /// Steps keep the hidden states of their outputs beside logits, for who drafts with them: evaluator::hidden. Needs a model
  /// whose file has a block that drafts. Sessions with a draft_block have it.
  bool keep_hidden = false;
};

/// Exact bytes of all that is allocated and stays: a model keeps nothing else once it is loaded, a session nothing else before
/// it is given a prompt.
///
/// Not in it, for it does not stay: what loading takes beside (the header of the file, taken apart; where it is read, 2 MiB of
/// it or its longest vector), and a reply, which takes a few times its prompt and its longest token, and allocates nothing
/// after its first event. Nor threads, their stacks included; nor what an architecture of yours allocates and does not count,
/// see architecture.
struct memory_plan {
  std::size_t weights = 0;    ///< once a model
  std::size_t tokenizer = 0;  ///< once a model: vocabulary, merges, chat template, and the lists of layers
  std::size_t kv = 0;         ///< keys and values, once a session
  std::size_t states = 0;     ///< of recurrent layers, once a session, with all copies
  std::size_t scratch = 0;    ///< once a session
  std::size_t tables = 0;     ///< once a session: which page is whose, what a step is made of, and the gaps of alignment
  std::size_t sampling = 0;   ///< once a session: its tokens, and room to choose one; evaluators take none
  std::size_t guessing = 0;   ///< once a session that guesses: see session_options::speculation; evaluators take none

  /// largest_size where the sum does not fit.
  std::size_t total() const noexcept { return sum_of_sizes(of_model(), of_session()); }
  /// What is there once.
  std::size_t of_model() const noexcept { return sum_of_sizes(weights, tokenizer); }
  /// What each session takes.
  std::size_t of_session() const noexcept {
    return sum_of_sizes(sum_of_sizes(sum_of_sizes(kv, states), sum_of_sizes(scratch, tables)),
                        sum_of_sizes(sampling, guessing));
  }
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
