/// adapter: what changes a model for some of its texts and leaves its weights alone: low-rank factors, or directions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <utility>

#include "nibble/error.hpp"
#include "nibble/file/limits.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

class any_model;
class gguf_file;
struct active_adapter;
namespace detail {
struct loaded_adapter;
class loaded_model;
}  // namespace detail

/// A LoRA adapter (`adapter.type` "lora") or a control vector (`general.architecture` "controlvector") of one model, as GGUF
/// files hold them. Immutable and cheap to copy; it keeps the model alive. Any number of sessions share it.
///
/// An adapter adds scale * alpha / rank * B (A x) to the products of the matrices that it names; a control vector adds
/// scale * direction.N to what layer N gives. Other sequences of the same step keep their bits.
/// @example  auto tuned = nibble::adapter::load(model, "tuned.gguf");
///           auto session = nibble::session(model, {.adapters = {{tuned}}});
/// @source   Hu et al. 2021, "LoRA"; Turner et al. 2023, "Activation Addition"
class adapter {
 public:
  /// Takes all of a file into memory of its own.
  /// @errors  those of gguf_file::try_open; unknown_architecture: it is of another; missing_tensor: a factor without the other;
  ///          shape_mismatch; unread_tensor: it changes what is no matrix of products, or one of experts; bad_value: a number
  ///          that is not finite; missing_key; out_of_memory
  /// @cost    its numbers as F32, in the layout of the kernels
  static result<adapter> try_load(const any_model& model, const std::filesystem::path& path, const limits& most = {});
  static result<adapter> try_load(const any_model& model, const gguf_file& file);
#if NIBBLE_EXCEPTIONS
  static adapter load(const any_model& model, const std::filesystem::path& path, const limits& most = {}) {
    return try_load(model, path, most).value();
  }
  static adapter load(const any_model& model, const gguf_file& file) { return try_load(model, file).value(); }
#endif

  /// Bytes that it takes.
  std::size_t memory_bytes() const noexcept;
  /// A number that tells it from others, by all that it holds.
  std::uint64_t fingerprint() const noexcept;

  bool is_of(const detail::loaded_model& model) const noexcept;  ///< for those who run steps, as is
  active_adapter active() const noexcept;                        ///< what it does in one

 private:
  explicit adapter(std::shared_ptr<const detail::loaded_adapter> loaded) noexcept : loaded_(std::move(loaded)) {}

  std::shared_ptr<const detail::loaded_adapter> loaded_;
};

/// An adapter, and how much of it.
struct adapter_use {
  nibble::adapter adapter;
  float scale = 1;  ///< 0: nothing
};

/// The most adapters of a session.
inline constexpr std::size_t most_adapters = 16;

}  // namespace NIBBLE_ABI
}  // namespace nibble
