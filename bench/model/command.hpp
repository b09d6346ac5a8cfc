/// What the commands of nibble-bench share: their arguments, a loaded model with its evaluator, and ids read from a file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "nibble/core/token.hpp"
#include "nibble/gguf/tensor_type.hpp"
#include "nibble/model/options.hpp"

namespace bench {

namespace fs = std::filesystem;

/// The arguments of every command; each reads those that concern it.
struct arguments {
  fs::path model, input, output, draft;
  std::size_t threads = 2;
  std::size_t chunk = 128;    ///< tokens of a step
  std::size_t context = 512;  ///< ids of a chunk, each a sequence of its own; 0: all are one
  std::size_t prompt = 512, generate = 64, depth = 0, sequences = 1, repeat = 3;
  std::size_t pooling = 0;               ///< as files number it
  std::string target;                    ///< the instruction set to run; empty: the best
  std::string kv = "f16", keys, values;  ///< the latter: empty where they are as kv says
  std::string rotated = "auto";          ///< auto, on, off, keys or values
  std::string when_full = "stop";        ///< stop, shift, sinks or heavy-hitters
  std::size_t kept = 4;                  ///< of a text that goes on: first ids that stay in sight
  std::size_t recent = 0;                ///< or last ones that stay beside heavy hitters; 0: half of the context
  std::size_t behind = 0;                ///< ids of which another mean leaves out
  std::string tensor;                    ///< a name
  std::vector<std::string> adapters;     ///< "file" or "file=scale": LoRA adapters and control vectors
  std::vector<std::size_t> pieces;       ///< tokens of each step; empty: steps of `chunk`
  std::size_t layers = 0;                ///< of a shape; 0: all
  std::vector<std::string> formats{"F32", "F16", "Q8_0", "Q4_K"};
  std::string text = "Explain memory optimization in LLMs.";
  double temperature = 0;  ///< 0: the most likely token
  std::int64_t now = 0;    ///< seconds since the beginning of 1970; 0: the time it is
  std::size_t requests = 16, shared = 0, kv_mb = 0, seed = 1;
  std::vector<std::size_t> prompts{64, 512}, answers{64, 256};  ///< least and most
  double rate = 0, pace = 2;
  bool one_by_one = false, no_prefixes = false;
  bool special = false, limits = false, quick = false, mapped = false, large_pages = false, always = false, block = false;
};

/// All throw std::runtime_error or nibble::error.
void speed(const arguments& a);
void sweep(const arguments& a);
void study(const arguments& a);
void schedule(const arguments& a);
void random_requests(const arguments& a);
void logits(const arguments& a);
void embed(const arguments& a);
void draft(const arguments& a);
void score(const arguments& a);
void speculate(const arguments& a);
void divergence(const arguments& a);
void stream(const arguments& a);
void tokens(const arguments& a);
void render_template(const arguments& a);
void decode(const arguments& a);
void tools(const arguments& a);
void masks(const arguments& a);
/// Prints what becomes of each instance. @returns the exit status: 2 where the schema is not supported
int schema(const fs::path& schema_file, const fs::path& instances_file, const fs::path& vocabulary);

/// What a figure belongs to: engine, SIMD target, commit, compiler, processor, model and chunk.
nlohmann::ordered_json identity(const arguments& a);
/// The format of keys and values by its name here: f32, f16, bf16, q8_0 or q4_0.
nibble::tensor_type kv_type(const std::string& name);
/// Those of an evaluator that gives the outputs of every id.
nibble::session_options options_of(const arguments& a, std::size_t context);

/// Refuses what would be lost or missed after the work: an output that is one of the files that are read, or in no folder.
/// @errors  std::runtime_error
void check_output(const arguments& a);
/// Ids from a JSON file: an array of them, or an object that holds one as "ids". Each is checked against the vocabulary.
std::vector<nibble::token> read_ids(const fs::path& path, std::size_t vocabulary);

/// The largest memory that this process has had resident so far, in MiB; nothing where the system does not tell.
std::optional<double> peak_rss_mb();
/// Forgets it: what peak_rss_mb() says then came behind this. False where the system does not let that be.
bool forget_peak_rss();

inline double mib(std::size_t bytes) { return double(bytes) / (1024 * 1024); }

}  // namespace bench
