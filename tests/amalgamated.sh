#!/usr/bin/env bash
# Makes the single header, compiles one file with it and one with the headers that it is made of, and compares the bits of the
# logits that both compute. Says how large it is and how long a compiler takes. Installs what is missing; CXX is honoured, and
# TARGETS, the instruction sets of both.
set -euo pipefail
CDPATH= cd "$(dirname "$0")/.."
source packaging/setup.sh
require compiler python highway xsimd

out=${BUILD_DIR:-build/amalgamated}
packaging/amalgamate "$out"
echo "nibble.hpp: $(wc -c <"$out/nibble.hpp") bytes, $(wc -l <"$out/nibble.hpp") lines, $(gzip -c "$out/nibble.hpp" | wc -c) bytes in an archive"

compiler=("${CXX:-c++}" -std=c++20 -O2 -Wall -Wextra "-DNIBBLE_TARGETS=(${TARGETS:-HWY_AVX2})")
timed() { local from=$SECONDS; "${@:2}"; echo "$1: compiled in $((SECONDS - from)) s"; }
timed "the single header" "${compiler[@]}" -DSINGLE_HEADER -I"$out" tests/support/logits.cpp -lhwy -pthread -o "$out/single"
timed "the headers" "${compiler[@]}" -Iinclude tests/support/logits.cpp -lhwy -pthread -o "$out/split"
model=examples/models/nibble-tiny-Q4_K_M.gguf
diff <("$out/single" "$model") <("$out/split" "$model")
[ "$("$out/single" "$model" | wc -l)" -gt 5 ] || { echo "says nothing"; exit 1; }
echo "the same bits in $("$out/single" "$model" | wc -l) rows of logits"

# A second file of the same program includes it for its declarations alone.
printf '#include "nibble.hpp"\nint main() { return nibble::kernels().target ? 0 : 1; }\n' >"$out/user.cpp"
"${CXX:-c++}" -std=c++20 -fsyntax-only -Wall -Wextra -Werror "$out/user.cpp"
