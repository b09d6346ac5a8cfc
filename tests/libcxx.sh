#!/usr/bin/env bash
# Builds the library, every header, the tests and the examples with clang and libc++, the standard library of macOS, Android and
# FreeBSD, and runs the tests. Installs what is missing. Arguments go to CMake; BUILD_DIR and CXX are honoured.
set -euo pipefail
CDPATH= cd "$(dirname "$0")/.."
source packaging/setup.sh
export CXX=${CXX:-clang++}
require clang libc++ cmake ninja python eigen highway xsimd doctest

build_dir=${BUILD_DIR:-build/libcxx}
configure "$build_dir" -DCMAKE_CXX_FLAGS=-stdlib=libc++ -DNIBBLE_WERROR=ON -DNIBBLE_TARGETS=native -DNIBBLE_TEST_CONTRACT=OFF -DNIBBLE_TEST_CONSUMERS=OFF \
  -DNIBBLE_BUILD_BENCH=OFF "$@"
find include -name '*.hpp' ! -name '*-inl.hpp' ! -name '*-impl.hpp' ! -name 'compile.hpp' ! -name '*_macros.hpp' |
  sed 's,include/\(.*\),#include "\1",' >"$build_dir/every_header.cpp"
"$CXX" -stdlib=libc++ -std=c++20 -fsyntax-only -Wall -Wextra -Werror -Iinclude -isystem/usr/include/eigen3 "$build_dir/every_header.cpp"
build "$build_dir"
echo "built in $SECONDS s"
env -u NIBBLE_MODELS ctest --test-dir "$build_dir" --output-on-failure --parallel "$(nproc)"
