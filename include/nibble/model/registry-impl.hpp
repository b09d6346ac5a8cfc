/// any_model's functions that name the registry: every architecture of the library is compiled here, and nowhere else.
#pragma once

#include <utility>

#include "nibble/model/any_model.hpp"
#include "nibble/model/model.hpp"
#include "nibble/model/registry.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

namespace detail {
using registered_model = basic_any_model<architectures>;
inline result<any_model> as_any(result<registered_model> loaded) {
  if (!loaded) return std::move(loaded).failure();
  return any_model(*std::move(loaded));
}
}  // namespace detail

result<any_model> any_model::try_load(const std::filesystem::path& path, const load_options& options) {
  return detail::as_any(detail::registered_model::try_load(path, options));
}
result<any_model> any_model::try_load(std::span<const std::byte> bytes, const load_options& options) {
  return detail::as_any(detail::registered_model::try_load(bytes, options));
}
result<any_model> any_model::try_load(byte_source source, const load_options& options) {
  return detail::as_any(detail::registered_model::try_load(std::move(source), options));
}
result<any_model> any_model::try_load(gguf_file&& file, const load_options& options) {
  return detail::as_any(detail::registered_model::try_load(std::move(file), options));
}
result<any_model> any_model::try_load(const gguf_file& file, const load_options& options) {
  return detail::as_any(detail::registered_model::try_load(file, options));
}
result<memory_plan> any_model::try_plan(const gguf_file& file, const session_options& session, const load_options& options) {
  return detail::registered_model::try_plan(file, session, options);
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
