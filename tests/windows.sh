#!/usr/bin/env bash
# Builds the library for Windows with MinGW-w64 and runs it under wine: an example, which says what every machine says, arguments
# and names of files in UTF-8, and the tests of what is different there. Installs what is missing. BUILD_DIR is honoured, and
# TARGETS, the instruction sets of the kernels, as CMake has them.
set -euo pipefail
CDPATH= cd "$(dirname "$0")/.."
exec </dev/null  # wine waits for the end of a pipe
source packaging/setup.sh
source packaging/cross.sh
require mingw wine cmake ninja python eigen highway xsimd doctest

out=${BUILD_DIR:-build/windows}
mkdir -p "$out"
out=$(cd "$out" && pwd)
others_headers "$out/include"
debian_source highway "$out/highway"
compiler=(x86_64-w64-mingw32-g++-posix -std=c++20 -O1 -Wa,-muse-unaligned-vector-move
          -Iinclude -Itests -isystem"$out/include" "-DNIBBLE_TEST_GOLDEN=\"tests/golden\"" '-DNIBBLE_TEST_SHARED="none"')
compile "$out/highway-units" "$out"/highway/hwy/targets.cc -- "${compiler[@]}"
x86_64-w64-mingw32-gcc-ar rcs "$out/libhwy.a" "$out"/highway-units/*.o

# The library and the examples as a host's CMake builds them.
examples=(01_hello 03_chat 07_quantize)
configure "$out/host" -DCMAKE_SYSTEM_NAME=Windows -DCMAKE_SYSTEM_PROCESSOR=AMD64 -DCMAKE_CXX_COMPILER=x86_64-w64-mingw32-g++-posix \
  -DCMAKE_RC_COMPILER=x86_64-w64-mingw32-windres -DCMAKE_EXE_LINKER_FLAGS=-static "-DNIBBLE_TARGETS=${TARGETS:-AVX2}" -DNIBBLE_WERROR=ON \
  -DNIBBLE_BUILD_TESTS=OFF -DNIBBLE_BUILD_BENCH=OFF -DNIBBLE_INSTALL=OFF -DEigen3_DIR=/usr/share/eigen3/cmake -DCMAKE_DISABLE_FIND_PACKAGE_hwy=ON \
  "-Dnibble_xsimd_include=$out/include" "-Dnibble_hwy_include=$out/include" "-Dnibble_hwy_library=$out/libhwy.a"
build "$out/host" --target nibble "${examples[@]}"
for name in "${examples[@]}"; do cp "$out/host/examples/$name.exe" "$out/"; done

compile "$out/logits" tests/contract/same_logits.cpp packaging/windows/utf8.cpp -- "${compiler[@]}"
tests=(core file gguf)
for name in "${tests[@]}"; do compile "$out/$name" tests/support/main.cpp tests/"$name"/*_test.cpp -- "${compiler[@]}"; done
link() { x86_64-w64-mingw32-g++-posix -static "${@:2}" "$out"/host/lib{nibble,nibble_kernels}.a "$out/libhwy.a" -o "$out/$1.exe"; }
link same_logits "$out"/logits/*.o
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
