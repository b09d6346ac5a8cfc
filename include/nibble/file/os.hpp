/// What the file classes share: the operating system's headers, and its refusals as errors.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "nibble/error.hpp"
#include "nibble/file/mapped_file.hpp"

#if defined(_WIN32)
#if !defined(_WINDOWS_) && !defined(_INC_WINDOWS)  // or the host has included it already, as it likes
#pragma push_macro("NOMINMAX")
#pragma push_macro("WIN32_LEAN_AND_MEAN")
#undef NOMINMAX
#undef WIN32_LEAN_AND_MEAN
#define NOMINMAX
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#pragma pop_macro("WIN32_LEAN_AND_MEAN")
#pragma pop_macro("NOMINMAX")
#endif
#else
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#endif

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// The system's last error code for this thread.
inline int os_code() noexcept {
#if defined(_WIN32)
  return static_cast<int>(::GetLastError());
#else
  return errno;
#endif
}

/// The usual refusals in words. Not strerror: its text depends on the host's locale.
inline std::string os_text(int code) {
  switch (code) {
#if defined(_WIN32)
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
      return "no such file";
    case ERROR_INVALID_NAME:
    case ERROR_BAD_PATHNAME:
      return "no name that a file can have";
    case ERROR_INVALID_DRIVE:
    case ERROR_NOT_READY:
    case ERROR_BAD_NETPATH:
    case ERROR_BAD_NET_NAME:
      return "no such drive";
    case ERROR_ACCESS_DENIED:
      return "permission denied";
    case ERROR_SHARING_VIOLATION:
    case ERROR_LOCK_VIOLATION:
    case ERROR_USER_MAPPED_FILE:
      return "in use by another program";
    case ERROR_FILE_EXISTS:
    case ERROR_ALREADY_EXISTS:
      return "there is one already";
    case ERROR_TOO_MANY_OPEN_FILES:
      return "too many open files";
    case ERROR_NOT_ENOUGH_MEMORY:
    case ERROR_OUTOFMEMORY:
    case ERROR_COMMITMENT_LIMIT:
      return "not enough memory";
    case ERROR_DISK_FULL:
    case ERROR_HANDLE_DISK_FULL:
      return "no space left";
    case ERROR_WRITE_PROTECT:
      return "read-only file system";
    case ERROR_FILENAME_EXCED_RANGE:
    case ERROR_BUFFER_OVERFLOW:
      return "name too long";
    case ERROR_DIRECTORY:
      return "a part of the path is not a folder";
    case ERROR_CRC:
    case ERROR_IO_DEVICE:
    case ERROR_READ_FAULT:
    case ERROR_WRITE_FAULT:
    case ERROR_GEN_FAILURE:
    case ERROR_NETNAME_DELETED:
    case ERROR_UNEXP_NET_ERR:
      return "input/output error";
#else
    case ENOENT:
      return "no such file";
    case ENOTDIR:
      return "a part of the path is not a folder";
    case EACCES:
    case EPERM:
      return "permission denied";
    case EMFILE:
    case ENFILE:
      return "too many open files";
    case ENOMEM:
      return "not enough memory";
    case ENOSPC:
      return "no space left";
    case EDQUOT:
      return "disk quota used up";
    case EFBIG:
      return "file too large";
    case EROFS:
      return "read-only file system";
    case ENAMETOOLONG:
      return "name too long";
    case ELOOP:
      return "too many symbolic links";
    case EIO:
      return "input/output error";
    case EOVERFLOW:
      return "larger than this program can read";
    case EBUSY:
    case ETXTBSY:
      return "in use by another program";
    case EISDIR:
      return "a folder";
    case EEXIST:
      return "there is one already";
#endif
    default:
      return "system error " + std::to_string(code);
  }
}

inline error os_failure(const std::filesystem::path& path, std::string_view deed, int code) {
  return error(errc::io, path_text(path) + ": cannot " + std::string(deed) + ": " + os_text(code));
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
