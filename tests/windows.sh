#!/usr/bin/env bash
# Builds the library for Windows with MinGW-w64 and runs it under wine: an example, which says what every machine says, arguments
# and names of files in UTF-8, and the tests of what is different there. Installs what is missing. BUILD_DIR is honoured, and
# TARGETS, the instruction sets of the kernels.
set -euo pipefail
cd "$(dirname "$0")/.."
exec </dev/null  # wine waits for the end of a pipe
source packaging/setup.sh
source packaging/cross.sh
require mingw wine python eigen highway xsimd doctest

out=${BUILD_DIR:-build/windows}
mkdir -p "$out"
others_headers "$out/include"
debian_source highway "$out/highway"
compiler=(x86_64-w64-mingw32-g++-posix -std=c++20 -O2 "-DNIBBLE_TARGETS=(${TARGETS:-HWY_AVX2})" -Wa,-muse-unaligned-vector-move
          -Iinclude -Itests -isystem"$out/include" "-DNIBBLE_TEST_GOLDEN=\"tests/golden\"" '-DNIBBLE_TEST_SHARED="none"')
compile "$out/highway-units" "$out"/highway/hwy/targets.cc -- "${compiler[@]}"
compile "$out/units" "${nibble_units[@]}" -- "${compiler[@]}" -Wall -Wextra -Wconversion -Wshadow -Werror
x86_64-w64-mingw32-windres packaging/windows/utf8.rc -O coff -o "$out/utf8.o"
compile "$out/windows" packaging/windows/utf8.cpp examples/{01_hello,03_chat,07_quantize}.cpp tests/contract/same_logits.cpp -- "${compiler[@]}"
tests=(core file gguf)
for name in "${tests[@]}"; do compile "$out/$name" tests/support/main.cpp tests/"$name"/*_test.cpp -- "${compiler[@]}" -O1; done
link() { x86_64-w64-mingw32-g++-posix -static "${@:2}" "$out"/units/*.o "$out"/highway-units/*.o -o "$out/$1.exe"; }
for name in 01_hello 03_chat 07_quantize same_logits; do link "$name" "$out/windows/$name.o" "$out/windows/utf8.o" "$out/utf8.o"; done
for name in "${tests[@]}"; do link "${name}_test" "$out/$name"/*.o; done
echo "built in $SECONDS s"

WINEPREFIX=$(realpath "$out")/prefix
export WINEPREFIX WINEDEBUG=-all LC_ALL=C.UTF-8
speaks "Windows" "$fused" wine "$out/01_hello.exe"
agrees "Windows" wine "$out/same_logits.exe"
cp "$tiny_model" "$out/größe 日本.gguf"
wine "$out/03_chat.exe" "$out/größe 日本.gguf" "Ünlü kişi" --raw 2>&1 | grep -q 'answer [1-9]' || { echo "no file of such a name is read"; exit 1; }
said=$(wine "$out/03_chat.exe" "$out/größe 水.gguf" "x" 2>&1 || true)
[[ $said == *"größe 水.gguf: cannot open: no such file"* ]] || { echo "a file that is not there is not named: $said"; exit 1; }
for name in "${tests[@]}"; do
  wine "$out/${name}_test.exe" >"$out/$name.log" 2>&1 || { tail -n 60 "$out/$name.log"; exit 1; }
  echo "$name: $(grep -m 1 'assertions:' "$out/$name.log")"
done
