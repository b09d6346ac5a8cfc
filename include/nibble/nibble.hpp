/// nibble: large language models on CPUs, inside the host's process. The whole public library, in the order data flows.
///
///     auto model = nibble::any_model::load("model.gguf");
///     auto session = nibble::session(model);
///     for (auto& event : session.generate("The capital of France is")) std::cout << event.text << std::flush;
///
/// One translation unit of the program includes <nibble/compile.hpp> too, or the program links nibble::nibble.
#pragma once

#include "nibble/core/push_macros.hpp"  // `min` and `max` of some system headers, until the end of this file

// In the order of reading, not of the alphabet:
// clang-format off

#include "nibble/config.hpp"                 // macros a user may set
#include "nibble/error.hpp"                  // errc, error, result<T>

#include "nibble/core/version.hpp"           // version
#include "nibble/core/token.hpp"             // token
#include "nibble/core/type_list.hpp"         // type_list, append: the shape of every registry
#include "nibble/core/half.hpp"              // half, bhalf
#include "nibble/core/aligned.hpp"           // aligned_buffer
#include "nibble/core/executor.hpp"          // executor, inline_executor, executor_ref
#include "nibble/core/thread_pool.hpp"       // thread_pool
#include "nibble/core/rng.hpp"               // rng
#include "nibble/core/stop_token.hpp"        // stop_token, stop_source

#include "nibble/file/limits.hpp"            // limits: what a file may ask for
#include "nibble/file/mapped_file.hpp"       // mapped_file
#include "nibble/file/readable_file.hpp"     // readable_file, file_access
#include "nibble/file/byte_source.hpp"       // byte_source: bytes from archives, assets, encrypted stores
#include "nibble/file/byte_sink.hpp"         // byte_sink: whatever takes bytes

#include "nibble/gguf/value.hpp"             // value
#include "nibble/gguf/metadata.hpp"          // metadata
#include "nibble/gguf/tensor_type.hpp"       // tensor_type
#include "nibble/gguf/reader.hpp"            // gguf_file
#include "nibble/gguf/writer.hpp"            // gguf_writer
#include "nibble/gguf/rewrite.hpp"           // files with other metadata, split and merged

#include "nibble/tensor/shape.hpp"           // shape
#include "nibble/tensor/tensor.hpp"          // tensor<T, Rank>
#include "nibble/tensor/view.hpp"            // tensor_view<T, Rank>
// On their own, for each brings a library of others: nibble/tensor/eigen.hpp (views as Eigen sees them) and
// nibble/tensor/map.hpp (map, zip, fold with a user's own functions, in batches of xsimd).

#include "nibble/quant/format.hpp"           // quant_format
#include "nibble/quant/registry.hpp"         // quant_formats
#include "nibble/quant/quantize.hpp"         // matrices in another format
#include "nibble/quant/recipe.hpp"           // which tensor gets which format
#include "nibble/quant/quantize_file.hpp"    // files in another format

#include "nibble/kv/sequence.hpp"            // kv_pool, sequence: what is kept between tokens; kv_cache<Format>

#include "nibble/kernels/table.hpp"          // kernels(): the functions for this CPU
#include "nibble/kernels/format_info.hpp"    // format_info, find_format: a format as a value
#include "nibble/kernels/weight.hpp"         // weight: a matrix, however it is stored

#include "nibble/layers/embedding.hpp"       // embed
#include "nibble/layers/norm.hpp"            // norms of rows and of heads
#include "nibble/layers/linear.hpp"          // linear: any number of matrix products
#include "nibble/layers/feed_forward.hpp"    // feed_forward
#include "nibble/layers/routing.hpp"         // router_spec: how experts are chosen and weighed
#include "nibble/layers/experts.hpp"         // experts: feed-forwards of which a token uses a few
#include "nibble/layers/elementwise.hpp"     // add, scale, softcap
#include "nibble/layers/rope.hpp"            // rope

#include "nibble/attention/attention.hpp"    // attention_spec, attend

#include "nibble/text/utf8.hpp"              // utf8_stream
#include "nibble/text/json.hpp"              // json
#include "nibble/text/normalize.hpp"         // to_nfc
#include "nibble/text/tokenizer.hpp"         // tokenizer
#include "nibble/text/template/jinja_template.hpp" // jinja_template
#include "nibble/text/spellings.hpp"         // tokens_with: where a text may stand among tokens
#include "nibble/text/infill.hpp"            // infill_prompt
#include "nibble/text/answer/parser.hpp"     // chat_parser: text, reasoning and calls of tools
#include "nibble/text/answer/formats.hpp"    // answer_formats: how models write calls
#include "nibble/text/chat.hpp"              // chat_message, chat_template

#include "nibble/model/options.hpp"          // load_options, session_options, memory_plan
#include "nibble/model/speculation.hpp"      // speculation: how a session guesses ahead
#include "nibble/model/hyperparameters.hpp"  // hyperparameters: metadata with bounds
#include "nibble/model/tensor_source.hpp"    // tensor_source: tensors with shapes
#include "nibble/model/observer.hpp"         // operation_event: what a step did
#include "nibble/model/step.hpp"             // step: what a forward pass works on
#include "nibble/model/architecture.hpp"     // architecture: what a user's own must have
#include "nibble/model/decoder/decoder.hpp"  // decoder: the forward pass that most architectures share, as data
#include "nibble/model/registry.hpp"         // architectures: llama, gemma, ...
#include "nibble/model/any_model.hpp"        // any_model
#include "nibble/model/adapter.hpp"          // adapter: LoRA and control vectors
#include "nibble/model/model.hpp"            // model<Arch, KV>, basic_any_model<Architectures, Formats>
#include "nibble/model/evaluator.hpp"        // evaluator: tokens in, logits out
#include "nibble/model/batch_evaluator.hpp"  // batch_evaluator: the same for several sequences
#include "nibble/model/embedder.hpp"         // embedder: texts in, vectors or scores out
#include "nibble/model/roofline.hpp"         // work_of, roofline: the least time a step can take

#include "nibble/sample/candidates.hpp"      // candidates
#include "nibble/sample/sampler.hpp"         // operator|, any_sampler
#include "nibble/sample/greedy.hpp"          // greedy
#include "nibble/sample/temperature.hpp"     // temperature
#include "nibble/sample/top_k.hpp"           // top_k
#include "nibble/sample/top_p.hpp"           // top_p
#include "nibble/sample/min_p.hpp"           // min_p
#include "nibble/sample/typical_p.hpp"       // typical_p
#include "nibble/sample/penalties.hpp"       // penalties
#include "nibble/sample/logit_bias.hpp"      // logit_bias
#include "nibble/sample/top_n_sigma.hpp"     // top_n_sigma
#include "nibble/sample/xtc.hpp"             // xtc
#include "nibble/sample/dynamic_temperature.hpp" // dynamic_temperature
#include "nibble/sample/dry.hpp"             // dry, sequence_breakers
#include "nibble/sample/no_repeat_ngram.hpp" // no_repeat_ngram
#include "nibble/sample/mirostat.hpp"        // mirostat, mirostat_v2
#include "nibble/sample/adaptive_p.hpp"      // adaptive_p
#include "nibble/sample/registry.hpp"        // samplers from text

#include "nibble/grammar/grammar.hpp"        // grammar: rules, schemas, expressions, choices
#include "nibble/grammar/token_trie.hpp"     // token_trie: a vocabulary as masks see it
#include "nibble/grammar/parser.hpp"         // grammar_parser: reads what a grammar describes
#include "nibble/grammar/matcher.hpp"        // grammar_matcher: the tokens that may come next
#include "nibble/grammar/constraint.hpp"     // grammar_constraint: the step of a sampler
#include "nibble/grammar/tools.hpp"          // tool_grammar: replies that call tools

#include "nibble/generate/options.hpp"       // generate_options
#include "nibble/generate/event.hpp"         // token_event, finish
#include "nibble/generate/stop_strings.hpp"  // stop_filter
#include "nibble/generate/event_builder.hpp" // event_builder: logits in, events out
#include "nibble/generate/stats.hpp"         // generation_stats
#include "nibble/generate/generation.hpp"    // generation: the range of events
#include "nibble/generate/prompt_lookup.hpp" // prompt_lookup: guesses from what was said
#include "nibble/generate/draft_model.hpp"   // draft_model: guesses of a smaller model
#include "nibble/generate/draft_block.hpp"   // draft_block: guesses of a block that some files have for that
#include "nibble/generate/session.hpp"       // session
#include "nibble/generate/generate_each.hpp" // generate_each: several prompts at once
#include "nibble/generate/score.hpp"         // score: how likely a text is
#include "nibble/generate/samples.hpp"       // samples: several answers to one prompt, best first
#include "nibble/generate/beam_search.hpp"   // beam_search: the most likely answers
#include "nibble/generate/scheduler.hpp"     // scheduler: many requests, which come and go

// clang-format on
#include "nibble/core/pop_macros.hpp"
