#!/usr/bin/env bash
# Builds the module nibble with clang 19 and a program that imports it, and lets it speak. Installs what is missing; CXX is honoured.
set -euo pipefail
CDPATH= cd "$(dirname "$0")/.."
source packaging/setup.sh
source packaging/cross.sh
export CXX=${CXX:-clang++-19}
require clang19 eigen highway xsimd

out=${BUILD_DIR:-build/module}
mkdir -p "$out"
compiler=("$CXX" -std=c++20 -O2 -Iinclude -isystem/usr/include/eigen3)
"${compiler[@]}" -Wall -Wextra -Werror -Wno-include-angled-in-module-purview -Wno-deprecated-declarations --precompile packaging/nibble.cppm -o "$out/nibble.pcm"
"${compiler[@]}" -fmodule-file=nibble="$out/nibble.pcm" -c tests/support/importer.cpp -o "$out/importer.o"
"${compiler[@]}" -c "$out/nibble.pcm" -o "$out/nibble.o"
compile "$out/units" "${nibble_units[@]}" -- "${compiler[@]}" "-DNIBBLE_TARGETS=(${TARGETS:-HWY_AVX2})"
"$CXX" "$out"/importer.o "$out"/nibble.o "$out"/units/*.o -lhwy -pthread -o "$out/importer"
speaks "import nibble" "$fused" "$out/importer"
