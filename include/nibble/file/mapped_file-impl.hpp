/// The definitions behind mapped_file.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>

#include "nibble/core/checked.hpp"
#include "nibble/file/mapped_file.hpp"
#include "nibble/file/os.hpp"
#include "nibble/file/readable_file-impl.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

std::string detail::path_text(const std::filesystem::path& path) {
  const std::u8string text = path.u8string();
  return {reinterpret_cast<const char*>(text.data()), text.size()};
}

mapped_file::mapped_file(mapped_file&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

mapped_file& mapped_file::operator=(mapped_file&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

mapped_file::~mapped_file() { unmap(); }

#if defined(_WIN32)

result<mapped_file> mapped_file::try_open(const std::filesystem::path& path) {
  const auto file = readable_file::try_open(path);
  if (!file) return file.failure();
  mapped_file mapped;
  if (file->size() == 0) return mapped;
  if (file->size() > largest_size) return error(errc::io, detail::path_text(path) + ": larger than the address space");
  struct handle {
    HANDLE h;
    ~handle() {
      if (h) ::CloseHandle(h);
    }
  };
  const handle section{::CreateFileMappingW(file->handle_, nullptr, PAGE_READONLY, 0, 0, nullptr)};
  if (!section.h) return detail::os_failure(path, "map", detail::os_code());
  mapped.data_ = ::MapViewOfFile(section.h, FILE_MAP_READ, 0, 0, 0);
  if (!mapped.data_) return detail::os_failure(path, "map", detail::os_code());
  mapped.size_ = static_cast<std::size_t>(file->size());
  return mapped;
}

void mapped_file::release(std::size_t, std::size_t) const noexcept {}

void mapped_file::unmap() noexcept {
  if (data_) ::UnmapViewOfFile(data_);
}

#else

result<mapped_file> mapped_file::try_open(const std::filesystem::path& path) {
  const auto file = readable_file::try_open(path);
  if (!file) return file.failure();
  mapped_file mapped;
  if (file->size() == 0) return mapped;
  if (file->size() > largest_size) return error(errc::io, detail::path_text(path) + ": larger than the address space");
  const auto size = static_cast<std::size_t>(file->size());
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file->handle_, 0);
  if (data == MAP_FAILED) return detail::os_failure(path, "map", detail::os_code());
  mapped.data_ = data;
  mapped.size_ = size;
  return mapped;
}

void mapped_file::release(std::size_t offset, std::size_t length) const noexcept {
#if defined(MADV_DONTNEED)
  if (length == 0 || offset > size_ || length > size_ - offset) return;
  constexpr std::uintptr_t window = 2 << 20;  // a touched page brings in a whole large page of the cache: aligned 2 MiB at most
  const auto start = reinterpret_cast<std::uintptr_t>(data_);
  const std::uintptr_t begin = std::max(start, (start + offset) / window * window);
  const std::uintptr_t end = std::min(start + size_, (start + offset + length + window - 1) / window * window);
  static_cast<void>(::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED));
#else
  static_cast<void>(offset), static_cast<void>(length);
#endif
}

void mapped_file::unmap() noexcept {
  if (data_) ::munmap(data_, size_);
}

#endif

}  // namespace NIBBLE_ABI
}  // namespace nibble
