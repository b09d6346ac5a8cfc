/// model<Arch, KV, Observer>: a model of an architecture known at compile time; basic_any_model: one of a list of your own.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <utility>

#include "nibble/core/type_list.hpp"
#include "nibble/error.hpp"
#include "nibble/gguf/reader.hpp"
#include "nibble/kv/shape.hpp"
#include "nibble/model/any_model.hpp"
#include "nibble/model/loaded_model.hpp"
#include "nibble/quant/registry.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// One architecture alone: its parts, and no others, are in the program. A session takes it like any_model, which it is.
///
/// KV names the format of keys and values where a session does not; Observer is shown every operation of every step.
/// @example  auto m = nibble::model<nibble::arch::gemma3, nibble::kv_cache<nibble::q8_0>>::load("gemma3.gguf");
///           nibble::session session(m);
template <architecture Arch, class KV = kv_cache<>, class Observer = unobserved>
class model : public any_model {
 public:
  /// What it was made of.
  using architecture_type = Arch;
  using kv_cache_type = KV;

  /// @errors  as any_model::try_load; unknown_architecture if the file's is another
  static result<model> try_load(const std::filesystem::path& path, const load_options& options = {}, Observer observer = {}) {
    return typed(any_model::try_load(known(&observer), path, options));
  }
  static result<model> try_load(std::span<const std::byte> bytes, const load_options& options = {}, Observer observer = {}) {
    return typed(any_model::try_load(known(&observer), bytes, options));
  }
  static result<model> try_load(byte_source source, const load_options& options = {}, Observer observer = {}) {
    return typed(any_model::try_load(known(&observer), std::move(source), options));
  }
  static result<model> try_load(gguf_file&& file, const load_options& options = {}, Observer observer = {}) {
    return typed(any_model::try_load(known(&observer), std::move(file), options));
  }
  static result<model> try_load(const gguf_file& file, const load_options& options = {}, Observer observer = {}) {
    return typed(any_model::try_load(known(&observer), file, options));
  }
  static result<memory_plan> try_plan(const gguf_file& file, const session_options& session = {},
                                      const load_options& options = {}) {
    return any_model::try_plan(known(nullptr), file, session, options);
  }
#if NIBBLE_EXCEPTIONS
  static model load(const std::filesystem::path& path, const load_options& options = {}, Observer observer = {}) {
    return try_load(path, options, std::move(observer)).value();
  }
  static model load(std::span<const std::byte> bytes, const load_options& options = {}, Observer observer = {}) {
    return try_load(bytes, options, std::move(observer)).value();
  }
  static model load(byte_source source, const load_options& options = {}, Observer observer = {}) {
    return try_load(std::move(source), options, std::move(observer)).value();
  }
  static model load(gguf_file&& file, const load_options& options = {}, Observer observer = {}) {
    return try_load(std::move(file), options, std::move(observer)).value();
  }
  static model load(const gguf_file& file, const load_options& options = {}, Observer observer = {}) {
    return try_load(file, options, std::move(observer)).value();
  }
  using any_model::plan;
  template <std::same_as<gguf_file> File>
  static memory_plan plan(const File& file, const session_options& session = {}, const load_options& options = {}) {
    return try_plan(file, session, options).value();
  }
#endif

  model(const model&) noexcept = default;  // and no moves: see any_model
  model& operator=(const model&) noexcept = default;
  ~model() = default;

  /// The numbers of its file.
  const typename Arch::config& config() const noexcept { return *config_; }

 private:
  explicit model(any_model m) : any_model(std::move(m)), config_(shared_config()) {}
  std::shared_ptr<const typename Arch::config> shared_config() const noexcept {
    return {shared(), &static_cast<const detail::typed_model<Arch, Observer>&>(loaded()).config};
  }
  static detail::known_architectures known(const Observer* observer) noexcept {
    return {{&detail::entry_of<Arch, Observer>, 1}, &find_format<>, nullptr, KV::format::type, observer};
  }
  static result<model> typed(result<any_model> loaded) {
    if (!loaded) return std::move(loaded).failure();
    return model(*std::move(loaded));
  }

  std::shared_ptr<const typename Arch::config> config_;  // keeps it: this any_model may be given another model
};

/// Some architectures, chosen by the file, with weights in some formats: those of the registries and your own.
///
/// @example  using my_model = nibble::basic_any_model<nibble::append<nibble::architectures, my_architecture>>;
template <class Architectures, class Formats = quant_formats, class KV = kv_cache<>>
class basic_any_model;
/// The same: the list taken apart.
template <architecture... Archs, class Formats, class KV>
class basic_any_model<type_list<Archs...>, Formats, KV> : public any_model {
 public:
  /// As any_model has it.
  static result<basic_any_model> try_load(const std::filesystem::path& path, const load_options& options = {}) {
    return typed(any_model::try_load(known(), path, options));
  }
  static result<basic_any_model> try_load(std::span<const std::byte> bytes, const load_options& options = {}) {
    return typed(any_model::try_load(known(), bytes, options));
  }
  static result<basic_any_model> try_load(byte_source source, const load_options& options = {}) {
    return typed(any_model::try_load(known(), std::move(source), options));
  }
  static result<basic_any_model> try_load(gguf_file&& file, const load_options& options = {}) {
    return typed(any_model::try_load(known(), std::move(file), options));
  }
  static result<basic_any_model> try_load(const gguf_file& file, const load_options& options = {}) {
    return typed(any_model::try_load(known(), file, options));
  }
  static result<memory_plan> try_plan(const gguf_file& file, const session_options& session = {},
                                      const load_options& options = {}) {
    return any_model::try_plan(known(), file, session, options);
  }
#if NIBBLE_EXCEPTIONS
  static basic_any_model load(const std::filesystem::path& path, const load_options& options = {}) {
    return try_load(path, options).value();
  }
  static basic_any_model load(std::span<const std::byte> bytes, const load_options& options = {}) {
    return try_load(bytes, options).value();
  }
  static basic_any_model load(byte_source source, const load_options& options = {}) {
    return try_load(std::move(source), options).value();
  }
  static basic_any_model load(gguf_file&& file, const load_options& options = {}) {
    return try_load(std::move(file), options).value();
  }
  static basic_any_model load(const gguf_file& file, const load_options& options = {}) {
    return try_load(file, options).value();
  }
  using any_model::plan;
  template <std::same_as<gguf_file> File>
  static memory_plan plan(const File& file, const session_options& session = {}, const load_options& options = {}) {
    return try_plan(file, session, options).value();
  }
#endif

 private:
  explicit basic_any_model(any_model m) noexcept : any_model(std::move(m)) {}
  static detail::known_architectures known() noexcept {
    static constexpr std::array<detail::architecture_entry, sizeof...(Archs)> entries{detail::entry_of<Archs>...};
    return {entries, &find_format<Formats>, &find_own_type<Formats>, KV::format::type, nullptr};
  }
  static result<basic_any_model> typed(result<any_model> loaded) {
    if (!loaded) return std::move(loaded).failure();
    return basic_any_model(*std::move(loaded));
  }
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
