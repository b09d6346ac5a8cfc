#!/usr/bin/env bash
# Installs what is missing, builds everything and runs all tests.
# Arguments go to CMake (tests/run.sh -DNIBBLE_SANITIZE=address); BUILD_DIR (default build) and CXX are honoured.
set -euo pipefail
cd "$(dirname "$0")/.."
source packaging/setup.sh
require compiler cmake ninja python pkg-config eigen highway xsimd doctest cli11 json

build_dir=${BUILD_DIR:-build}
unity=()
[ -e "$build_dir/CMakeCache.txt" ] || unity=(-DNIBBLE_TEST_UNITY=ON)  # the fastest from nothing
configure "$build_dir" "${unity[@]}" -DNIBBLE_BUILD_TESTS=ON -DNIBBLE_BUILD_EXAMPLES=ON -DNIBBLE_BUILD_BENCH=ON "$@"
build "$build_dir"
echo "built in $SECONDS s"
ctest --test-dir "$build_dir" --output-on-failure --parallel "$(nproc)"
