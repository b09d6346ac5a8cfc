/// What can go wrong, and how it is told: errc, error, result<T>.
///
/// Every call that the world can make fail exists twice: `try_x()` returns a result, `x()` throws the same error. A caller's
/// bug is neither: it meets NIBBLE_ASSERT.
#pragma once

#include <concepts>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// What kind of thing went wrong. The sentence in error::what() says where and what was expected.
enum class errc {
  io,                    ///< the operating system refused: open, read, map, write
  not_gguf,              ///< the first bytes are not those of a GGUF file
  unsupported_version,   ///< a GGUF version, byte order or feature this library does not read
  truncated,             ///< the file ends before what its header promises
  malformed,             ///< the bytes contradict themselves or the format
  limit_exceeded,        ///< a size or count above the caller's limits
  missing_key,           ///< a metadata key that the model needs
  bad_value,             ///< a metadata value of the wrong type or out of range
  missing_tensor,        ///< a tensor that the model needs
  shape_mismatch,        ///< a tensor whose shape contradicts the metadata
  unread_tensor,         ///< a tensor that the architecture does not know: the model is another
  unknown_format,        ///< a weight format that is not in the registry
  unknown_architecture,  ///< a general.architecture that is not in the registry
  unknown_tokenizer,     ///< a tokenizer model or pre-tokenizer that is not known
  invalid_tokenizer,     ///< a vocabulary that contradicts itself
  out_of_memory,         ///< a plan above the caller's cap, or the allocator refused
  invalid_argument,      ///< a call whose arguments make no sense
  cancelled,             ///< the caller gave up, by a progress callback
  precondition,          ///< a caller's bug, reported under NIBBLE_CHECKED only
};

/// One failure: a code to branch on and one sentence that names the file, the key or tensor, what was expected and found.
///
/// @example  auto model = nibble::any_model::try_load("model.gguf");
///           if (!model) log(model.failure().what());
class [[nodiscard]] error : public std::exception {
 public:
  /// A kind, and a sentence for whoever reads logs.
  error(errc code, std::string what) noexcept : code_(code), what_(std::move(what)) {}

  /// What kind of failure it is: for programs.
  errc code() const noexcept { return code_; }
  /// What is wrong and where, in one sentence: for people.
  const char* what() const noexcept override { return what_.c_str(); }
  /// The same error, with `where` and a colon put before its sentence.
  error in(std::string_view where) &&;

 private:
  errc code_;
  std::string what_;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble

/// A caller's obligation. Free in release; throws error(errc::precondition) under NIBBLE_CHECKED.
#if NIBBLE_CHECKED && NIBBLE_EXCEPTIONS
#define NIBBLE_ASSERT(condition)                                                                        \
  do {                                                                                                  \
    if (!(condition)) throw ::nibble::error(::nibble::errc::precondition, "precondition: " #condition); \
  } while (false)
#else
#define NIBBLE_ASSERT(condition) static_cast<void>(0)
#endif

namespace nibble {
inline namespace NIBBLE_ABI {

/// A value, or the error that stands in its place. Like std::expected of C++23, with one error type.
template <class T>
class [[nodiscard]] result {
 public:
  using value_type = T;

  /// What was wanted, or why there is none.
  result(T value) : value_(std::move(value)), holds_(part::value) {}
  result(error e) noexcept : failure_(std::move(e)), holds_(part::failure) {}

  /// Moved and copied as what it holds is.
  result(result&& other) noexcept(std::is_nothrow_move_constructible_v<T>) { take(std::move(other)); }
  result(const result& other) requires(std::is_copy_constructible_v<T>) { take(other); }
  result& operator=(result other) noexcept(std::is_nothrow_move_constructible_v<T>) {
    drop();
    take(std::move(other));
    return *this;
  }
  ~result() { drop(); }

  explicit operator bool() const noexcept { return has_value(); }
  bool has_value() const noexcept { return holds_ == part::value; }

  /// @errors  none; precondition: has_value()
  T& operator*() & NIBBLE_NOEXCEPT { return *value_at(); }
  const T& operator*() const& NIBBLE_NOEXCEPT { return *value_at(); }
  T&& operator*() && NIBBLE_NOEXCEPT { return std::move(*value_at()); }
  T* operator->() NIBBLE_NOEXCEPT { return value_at(); }
  const T* operator->() const NIBBLE_NOEXCEPT { return value_at(); }

  /// @errors  none; precondition: !has_value()
  const error& failure() const& NIBBLE_NOEXCEPT {
    NIBBLE_ASSERT(!has_value());
    return failure_;
  }
  error&& failure() && NIBBLE_NOEXCEPT {
    NIBBLE_ASSERT(!has_value());
    return std::move(failure_);
  }

#if NIBBLE_EXCEPTIONS
  /// The value, or its error thrown.
  T value() && {
    if (!has_value()) throw std::move(*this).failure();
    return std::move(**this);
  }
#endif

 private:
  T* value_at() NIBBLE_NOEXCEPT {
    NIBBLE_ASSERT(has_value());
    return std::addressof(value_);
  }
  const T* value_at() const NIBBLE_NOEXCEPT {
    NIBBLE_ASSERT(has_value());
    return std::addressof(value_);
  }

  /// Nothing, where a move threw into what was assigned to.
  enum class part : unsigned char { nothing, value, failure };

  template <class Other>
  void take(Other&& other) {
    const part held = other.holds_;
    if (held == part::value) {
      std::construct_at(std::addressof(value_), std::forward<Other>(other).value_);
    } else if (held == part::failure) {
      std::construct_at(std::addressof(failure_), std::forward<Other>(other).failure_);
    }
    holds_ = held;
  }
  void drop() noexcept {
    const part held = std::exchange(holds_, part::nothing);
    if (held == part::value) {
      std::destroy_at(std::addressof(value_));
    } else if (held == part::failure) {
      std::destroy_at(std::addressof(failure_));
    }
  }

  // By hand, for each user's file pays for each type of result: a std::variant takes the compiler several times as long.
  union {
    T value_;
    error failure_;
  };
  part holds_ = part::nothing;
};

/// Success without a value, or an error.
template <>
class [[nodiscard]] result<void> {
 public:
  using value_type = void;

  result() noexcept : failure_(errc::io, {}), ok_(true) {}
  /// Why there is no success; result() is one.
  result(error e) noexcept : failure_(std::move(e)), ok_(false) {}

  explicit operator bool() const noexcept { return ok_; }
  bool has_value() const noexcept { return ok_; }
  /// @errors  none; precondition: !has_value()
  const error& failure() const& NIBBLE_NOEXCEPT {
    NIBBLE_ASSERT(!has_value());
    return failure_;
  }
  error&& failure() && NIBBLE_NOEXCEPT {
    NIBBLE_ASSERT(!has_value());
    return std::move(failure_);
  }

#if NIBBLE_EXCEPTIONS
  void value() && {
    if (!ok_) throw std::move(failure_);
  }
#endif

 private:
  error failure_;
  bool ok_;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble

/// Returns the failure of a result<void>-like expression from the enclosing function.
#define NIBBLE_TRY(expression)                                                                           \
  do {                                                                                                   \
    if (auto nibble_outcome = (expression); !nibble_outcome) return std::move(nibble_outcome).failure(); \
  } while (false)
