/// any_model: a loaded model of whatever architecture its file names. Everything in it is compiled once, with the library, so a
/// program pays nothing for architectures that it does not name.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/error.hpp"
#include "nibble/gguf/reader.hpp"
#include "nibble/model/options.hpp"
#include "nibble/text/chat.hpp"
#include "nibble/text/tokenizer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

class step;
struct activations;
struct kv_shape;
namespace detail {
class loaded_model;
struct known_architectures;
}  // namespace detail

/// A handle of a loaded model, which is immutable and shareable between threads; copies share everything. Sessions hold what
/// changes. A handle always has its model: one that is moved from is copied.
///
/// Weights are read from the file into the kernels' layout, once, while the file's pages are given back: nothing refers to the
/// file afterwards, unless load_options::mapped keeps them there.
/// @example  auto model = nibble::any_model::load("model.gguf");
class any_model {
 public:
  /// A model of the registry's architectures and formats: see model/registry.hpp.
  /// @errors  io, and everything that a file can get wrong: see errc; out_of_memory above options.memory_cap
  static result<any_model> try_load(const std::filesystem::path& path, const load_options& options = {});
  /// The same from memory, which is not needed afterwards, unless weights stay in it.
  static result<any_model> try_load(std::span<const std::byte> bytes, const load_options& options = {});
  /// The same from wherever a reader finds them: the header first, then each tensor, 2 MiB or sixteen rows at a time and in no
  /// order, and never more than that beside the weights. Not with load_options::mapped.
  /// @errors  as above, and whatever the reader returns
  static result<any_model> try_load(byte_source source, const load_options& options = {});
  /// The same from an open file. If weights stay in it, one that is moved in is kept, and one that is lent must outlive the
  /// model.
  static result<any_model> try_load(gguf_file&& file, const load_options& options = {});
  static result<any_model> try_load(const gguf_file& file, const load_options& options = {});
  /// What loading and one session would take, before either is done.
  /// @errors  as loading, but for those that only reading the weights finds
  /// @cost    makes the tokenizer, which is a part of it: some ms, about a hundred for 262,144 tokens
  static result<memory_plan> try_plan(const gguf_file& file, const session_options& session = {},
                                      const load_options& options = {});
#if NIBBLE_EXCEPTIONS
  static any_model load(const std::filesystem::path& path, const load_options& options = {}) {
    return try_load(path, options).value();
  }
  static any_model load(std::span<const std::byte> bytes, const load_options& options = {}) {
    return try_load(bytes, options).value();
  }
  static any_model load(byte_source source, const load_options& options = {}) {
    return try_load(std::move(source), options).value();
  }
  static any_model load(gguf_file&& file, const load_options& options = {}) {
    return try_load(std::move(file), options).value();
  }
  static any_model load(const gguf_file& file, const load_options& options = {}) { return try_load(file, options).value(); }
  template <std::same_as<gguf_file> File>
  static memory_plan plan(const File& file, const session_options& session = {}, const load_options& options = {}) {
    return try_plan(file, session, options).value();
  }
#endif

  any_model(const any_model&) noexcept;
  any_model& operator=(const any_model&) noexcept;
  ~any_model();

  /// general.architecture of its file.
  std::string_view architecture_name() const noexcept;
  /// Whether it makes vectors or scores of texts, and no text: for an embedder, and no session.
  bool makes_vectors() const noexcept;
  /// Whether the file's tokenizer is one that is known. A model that makes vectors loads without, and so does one whose file
  /// says that it has none; both take tokens.
  bool has_tokenizer() const noexcept;
  /// @errors  none; precondition: has_tokenizer()
  const nibble::tokenizer& tokenizer() const& NIBBLE_NOEXCEPT;
  const nibble::tokenizer& tokenizer() const&& = delete;  // a handle that nobody keeps takes the model with it
  std::size_t vocabulary() const noexcept;
  /// Numbers of a hidden state.
  std::size_t width() const noexcept;
  /// Positions that the model was trained for.
  std::size_t context() const noexcept;
  std::size_t weight_bytes() const noexcept;
  /// Bytes that it keeps beside its weights: memory_plan::tokenizer.
  std::size_t tokenizer_bytes() const noexcept;
  std::size_t memory_cap() const noexcept;
  /// A number that tells the model of one file from those of others: of its architecture and hyperparameters, and of the names,
  /// shapes, formats and some weights of all tensors: five cache lines of each. Files that differ elsewhere alone have the
  /// same.
  std::uint64_t fingerprint() const noexcept;
  executor_ref executor() const noexcept;
  /// The chat template that the file carries, or nothing.
  const std::string& chat_template() const& noexcept;
  const std::string& chat_template() const&& = delete;
  /// How that template writes a conversation, found out when the model was loaded.
  /// @errors  as chat_template::try_from: missing_key, bad_value, malformed, limit_exceeded
  const result<nibble::chat_template>& chat_form() const& noexcept;
  const result<nibble::chat_template>& chat_form() const&& = delete;

  /// What each layer keeps between tokens; those of the block that drafts, for step_output::draft.
  std::vector<kv_shape> kv(step_output output = step_output::logits) const;
  /// Whether the file has a block that drafts, see evaluator::draft_each.
  bool gives_drafts() const noexcept;
  /// The format of keys and values where a session names none.
  tensor_type kv_type() const noexcept;
  /// Exact bytes of this model and of a session on it; of a batch_evaluator of so many sequences, 1 to most_sequences, or of an
  /// evaluator, but for `sampling`, which they do not take. Where session_options::marks or ::state_interval is empty, one
  /// sequence is a session's.
  /// A plan of any size is told; whether it is within limits::kv_position_bytes, limits::scratch_token_bytes and the cap is
  /// checked where a session is made, and by try_plan. So are options beyond their bounds, which count as the bounds here.
  /// @errors  none; precondition: sequences in [1, most_sequences]
  memory_plan plan(const session_options& options = {}, std::size_t sequences = 1) const;
  /// One step. For evaluators; @errors none (noexcept).
  /// @shape   out (wanted rows, vocabulary or width), see step_output
  void forward(step& s, activations out) const noexcept;

 protected:
  explicit any_model(std::shared_ptr<const detail::loaded_model> model) noexcept;
  const detail::loaded_model& loaded() const noexcept { return *model_; }
  const std::shared_ptr<const detail::loaded_model>& shared() const noexcept { return model_; }

  // The same functions for a list of architectures.
  static result<any_model> try_load(const detail::known_architectures& known, const std::filesystem::path& path,
                                    const load_options& options);
  static result<any_model> try_load(const detail::known_architectures& known, std::span<const std::byte> bytes,
                                    const load_options& options);
  static result<any_model> try_load(const detail::known_architectures& known, byte_source source, const load_options& options);
  static result<any_model> try_load(const detail::known_architectures& known, gguf_file&& file, const load_options& options);
  static result<any_model> try_load(const detail::known_architectures& known, const gguf_file& file,
                                    const load_options& options);
  static result<memory_plan> try_plan(const detail::known_architectures& known, const gguf_file& file,
                                      const session_options& session, const load_options& options);

 private:
  friend class adapter;
  friend class step_runner;
  friend class embedder;

  std::shared_ptr<const detail::loaded_model> model_;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
