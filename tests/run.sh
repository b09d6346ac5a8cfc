#!/usr/bin/env bash
# Installs what is missing, builds everything and runs all tests. Where $CI is not set, it leaves out what compiles the library anew
# and seldom fails: each header alone (-DNIBBLE_TEST_ALONE=ON), the library that checks its preconditions (-DNIBBLE_TEST_PRECONDITIONS=ON),
# and programs of consumers (-DNIBBLE_TEST_CONSUMERS=ON).
# Arguments go to CMake (tests/run.sh -DNIBBLE_SANITIZE=address); BUILD_DIR (default build) and CXX are honoured.
set -euo pipefail
CDPATH= cd "$(dirname "$0")/.."
source packaging/setup.sh
require compiler cmake ninja python pkg-config eigen highway xsimd doctest cli11 json

build_dir=${BUILD_DIR:-build}
fast=()
if ! grep -qs '^NIBBLE_TEST_UNITY' "$build_dir/CMakeCache.txt"; then  # no tests were configured there
  fast=(-DNIBBLE_TEST_UNITY=ON)  # the fastest from nothing
  [ -n "${CI:-}" ] || fast+=(-DNIBBLE_TEST_ALONE=OFF -DNIBBLE_TEST_PRECONDITIONS=OFF -DNIBBLE_TEST_CONSUMERS=OFF)
fi
configure "$build_dir" "${fast[@]}" -DNIBBLE_BUILD_TESTS=ON -DNIBBLE_BUILD_EXAMPLES=ON -DNIBBLE_BUILD_BENCH=ON "$@"
build "$build_dir"
echo "built in $SECONDS s"
ctest --test-dir "$build_dir" --output-on-failure --parallel "$(nproc)"
