/// full_disk: no file of this process becomes larger than so many bytes.
#pragma once

#if !defined(_WIN32)
#include <doctest/doctest.h>
#include <sys/resource.h>

#include <cstddef>

#include "nibble/error.hpp"

namespace nibble_test {

/// While it lives. The system sends a signal to whoever writes across its limit, which ends a program: no write may.
class full_disk {
 public:
  explicit full_disk(std::size_t room) {
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &before_) == 0);
    rlimit small = before_;
    small.rlim_cur = room;
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  }
  full_disk(const full_disk&) = delete;
  full_disk& operator=(const full_disk&) = delete;
  ~full_disk() { ::setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

/// Checks that `save()` of `size` bytes ends as errc::io wherever the disk is full, and leaves what `is_whole()` looks at.
template <class Save, class Whole>
void saves_whole_or_not_at_all(std::size_t size, const Save& save, const Whole& is_whole) {
  for (const std::size_t room : {std::size_t{0}, std::size_t{100}, size / 2, size - 1}) {
    CAPTURE(room);
    const auto done = [&] {
      const full_disk full(room);
      return save();
    }();
    REQUIRE_FALSE(done);
    CHECK(done.failure().code() == nibble::errc::io);
    CHECK(is_whole());
  }
}

}  // namespace nibble_test
#endif
