/// any_model: a model of whatever architecture its file names.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "nibble/model/model.hpp"
#include "nibble/model/registry.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// One of the models of a list of architectures, chosen by general.architecture. Cheap to copy; copies share everything.
///
/// @example  auto model = nibble::any_model::load("model.gguf");
///           using my_model = nibble::basic_any_model<nibble::append<nibble::architectures, my_architecture>>;
template <class Architectures, class KV = kv_cache<>>
class basic_any_model;
template <architecture... Archs, class KV>
class basic_any_model<type_list<Archs...>, KV> {
 public:
  using kv_type = KV;

  /// @errors  as model<Arch>::try_load; unknown_architecture if the file's is not in the list
  static result<basic_any_model> try_load(const std::filesystem::path& path, const load_options& options = {}) {
    auto file = gguf_file::try_open(path, options.most);
    if (!file) return std::move(file).failure();
    auto loaded = try_load(*std::move(file), options);
    if (!loaded) return std::move(loaded).failure().in(nibble::detail::path_text(path));
    return loaded;
  }
  static result<basic_any_model> try_load(std::span<const std::byte> bytes, const load_options& options = {}) {
    auto file = gguf_file::try_parse(bytes, options.most);
    if (!file) return std::move(file).failure();
    return try_load(*std::move(file), options);
  }
  static result<basic_any_model> try_load(gguf_file&& file, const load_options& options = {}) {
    return load_chosen(std::move(file), options);
  }
  static result<basic_any_model> try_load(const gguf_file& file, const load_options& options = {}) {
    return load_chosen(file, options);
  }
  /// What loading and one session would take, before anything is allocated.
  static result<memory_plan> try_plan(const gguf_file& file, const session_options& session = {},
                                      const load_options& options = {}) {
    return choose<memory_plan>(
        file, [&]<class Arch>(std::type_identity<Arch>) { return model<Arch, KV>::try_plan(file, session, options); });
  }
#if NIBBLE_EXCEPTIONS
  static basic_any_model load(const std::filesystem::path& path, const load_options& options = {}) {
    return try_load(path, options).value();
  }
  static basic_any_model load(std::span<const std::byte> bytes, const load_options& options = {}) {
    return try_load(bytes, options).value();
  }
#endif

  /// f(model<Arch, KV>) with the model that is loaded.
  template <class F>
  decltype(auto) visit(F&& f) const {
    return visit_from<0>(std::forward<F>(f));
  }

  std::string_view architecture_name() const noexcept {
    return visit([](const auto& m) { return std::string_view(std::remove_cvref_t<decltype(m)>::architecture_type::name); });
  }
  const nibble::tokenizer& tokenizer() const noexcept {
    return visit([](const auto& m) -> const nibble::tokenizer& { return m.tokenizer(); });
  }
  std::size_t vocabulary() const noexcept {
    return visit([](const auto& m) { return m.vocabulary(); });
  }
  std::size_t context() const noexcept {
    return visit([](const auto& m) { return m.context(); });
  }
  std::size_t weight_bytes() const noexcept {
    return visit([](const auto& m) { return m.weight_bytes(); });
  }
  std::size_t memory_cap() const noexcept {
    return visit([](const auto& m) { return m.memory_cap(); });
  }
  executor_ref executor() const noexcept {
    return visit([](const auto& m) { return m.executor(); });
  }
  const std::string& chat_template() const noexcept {
    return visit([](const auto& m) -> const std::string& { return m.chat_template(); });
  }
  std::vector<kv_shape> kv() const {
    return visit([](const auto& m) { return m.kv(); });
  }
  memory_plan plan(const session_options& options = {}) const {
    return visit([&](const auto& m) { return m.plan(options); });
  }
  void forward(step& s, activations logits) const noexcept {
    visit([&](const auto& m) { m.forward(s, logits); });
  }

 private:
  template <class Arch>
  explicit basic_any_model(model<Arch, KV> m) : model_(std::move(m)) {}

  /// std::visit would end the host over an empty variant where exceptions are off. This one is never empty.
  template <std::size_t Index, class F>
  decltype(auto) visit_from(F&& f) const {
    if constexpr (Index + 1 < sizeof...(Archs)) {
      if (model_.index() != Index) return visit_from<Index + 1>(std::forward<F>(f));
    }
    return std::forward<F>(f)(*std::get_if<Index>(&model_));
  }

  template <class File>
  static result<basic_any_model> load_chosen(File&& file, const load_options& options) {
    return choose<basic_any_model>(file, [&]<class Arch>(std::type_identity<Arch>) -> result<basic_any_model> {
      auto loaded = model<Arch, KV>::try_load(std::forward<File>(file), options);
      if (!loaded) return std::move(loaded).failure();
      return basic_any_model(*std::move(loaded));
    });
  }

  /// f(std::type_identity<Arch>{}) for the architecture that the file names.
  template <class T, class F>
  static result<T> choose(const gguf_file& file, F&& f) {
    const auto name = file.meta().template try_get<std::string_view>("general.architecture");
    if (!name) return name.failure();
    std::optional<result<T>> chosen;
    any_type(type_list<Archs...>{}, [&]<class Arch>(std::type_identity<Arch> arch) {
      if (*name != Arch::name) return false;
      chosen.emplace(f(arch));
      return true;
    });
    if (chosen) return *std::move(chosen);
    std::string known;
    ((known += (known.empty() ? "" : ", ") + std::string(Archs::name)), ...);
    return error(errc::unknown_architecture,
                 "general.architecture: expected one of " + known + "; found " + nibble::detail::quoted(*name));
  }

  std::variant<model<Archs, KV>...> model_;
};

/// Every architecture of the registry, with half-precision keys and values.
using any_model = basic_any_model<architectures>;

}  // namespace NIBBLE_ABI
}  // namespace nibble
