/// The module nibble, for compilers that have modules: all public names of nibble.hpp, and no macro. What is compiled once is linked
/// as ever. tests/module.sh builds and imports it.
module;

// Whatever nibble.hpp includes of others stands here, so that nothing of theirs belongs to this module.
#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <bitset>
#include <charconv>
#include <chrono>
#include <cmath>
#include <compare>
#include <concepts>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <memory>
#include <mutex>
#include <numbers>
#include <optional>
#include <ranges>
#include <span>
#if __has_include(<stop_token>)
#include <stop_token>
#endif
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>
#include <version>

export module nibble;

export extern "C++" {
#include "nibble/nibble.hpp"
}
