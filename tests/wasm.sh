#!/usr/bin/env bash
# Builds the library for WebAssembly with SIMD, and runs it: an example and the tests of the kernels under node, and the page of
# examples/web in a browser without a window. Installs what is missing. BUILD_DIR is honoured.
set -euo pipefail
CDPATH= cd "$(dirname "$0")/.."
source packaging/setup.sh
source packaging/cross.sh
require emscripten node python eigen highway xsimd doctest chromium

out=${BUILD_DIR:-build/wasm}
mkdir -p "$out"
others_headers "$out/include"
compiler=(em++ -std=c++20 -msimd128 -include tests/support/older_libcxx.hpp -Iinclude -Itests -isystem"$out/include"
          '-DNIBBLE_TEST_GOLDEN="tests/golden"' '-DNIBBLE_TEST_SHARED="none"')
compile "$out/units" "${nibble_units[@]}" -- "${compiler[@]}" -O3
compile "$out/examples" examples/{01_hello,03_chat}.cpp examples/web/page.cpp -- "${compiler[@]}" -O2
compile "$out/kernels" tests/support/main.cpp tests/kernels/{activation,attention,elementwise,matmul,recurrent,weight}_test.cpp -- \
  "${compiler[@]}" -O2 -fexceptions
# link NAME OBJECTS... -- FLAGS...: -O1, for what objects are made of is optimised already, and the rest is glue.
link() { em++ -O1 -msimd128 -sALLOW_MEMORY_GROWTH=1 "${@:2}" "$out"/units/*.o -o "$out/$1"; }
for name in 01_hello 03_chat; do link "$name.js" "$out/examples/$name.o" -sENVIRONMENT=node -sNODERAWFS=1 -sEXIT_RUNTIME=1; done
link kernels_test.js "$out"/kernels/*.o -fexceptions -sENVIRONMENT=node -sNODERAWFS=1 -sEXIT_RUNTIME=1
mkdir -p "$out/web"
link web/page.js "$out/examples/page.o" -sMODULARIZE=1 -sEXPORT_NAME=nibble -sENVIRONMENT=worker \
  -sEXPORTED_RUNTIME_METHODS=ccall,UTF8ToString
cp examples/web/{index.html,worker.js} "$out/web/"
cp "$tiny_model" "$out/web/model.gguf"
echo "built in $SECONDS s"

node=(node)
[ "$(node -p 'process.versions.node.split(".")[0]')" -lt 18 ] || node+=(--no-experimental-fetch)  # older glue takes it for a browser's
speaks "WebAssembly under node" "$unfused" "${node[@]}" "$out/01_hello.js"
"${node[@]}" "$out/03_chat.js" "$tiny_model" "It was a dark and stormy night, and" --raw 2>&1 >/dev/null | grep 'tokens/s'
"${node[@]}" "$out/kernels_test.js" >"$out/kernels.log" 2>&1 || { tail -n 60 "$out/kernels.log"; exit 1; }
echo "kernels: $(grep -m 1 'assertions:' "$out/kernels.log")"
python3 tests/support/browse.py "$out/web" "$unfused"
