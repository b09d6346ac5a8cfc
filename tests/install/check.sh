#!/usr/bin/env bash
# check.sh CMAKE GENERATOR COMPILER LAUNCHER BUILD_FOLDER SOURCE_FOLDER: builds and runs the same small host in every way that the
# README offers.
set -euo pipefail
cmake=$1 generator=$2 compiler=$3 launcher=$4 build=$5 source=$6
model=$source/examples/models/nibble-tiny-Q4_K_M.gguf
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# says WAY COMMAND...: the host runs and prints something.
says() {
  local out; out=$("${@:2}" "$model")
  [ -n "$out" ] || { echo "$1: the host says nothing"; exit 1; }
  echo "$1: $out"
}
host_with_cmake() {  # host_with_cmake FOLDER CMAKE_ARGUMENTS...
  "$cmake" -S "$source/tests/install/$1" -B "$work/$1" -G "$generator" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER="$compiler" \
    -DCMAKE_CXX_COMPILER_LAUNCHER="$launcher" "${@:2}" >"$work/log" 2>&1 &&
    "$cmake" --build "$work/$1" >>"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
  says "$1" "$work/$1/host"
}

"$cmake" --install "$build" --prefix "$work/first" >"$work/log" || { cat "$work/log"; exit 1; }
mv "$work/first" "$work/moved prefix"
# A path, and not a part of another one.
names=$(printf '%s\n' "$work" "$source" "$build" | sed 's/[][\.*^$+?(){}|]/\\&/g' | paste -sd '|')
if grep -rlE "(^|-I|-L|[^[:alnum:]_./-])($names)(/|[^[:alnum:]_./-]|\$)" "$work/moved prefix" --include='*.cmake' --include='*.pc' --include='*.hpp'; then
  echo "the installed files above name folders of this machine"
  exit 1
fi
host_with_cmake package "-DCMAKE_PREFIX_PATH=$work/moved prefix"
# The library is compiled anew here, fast and for one instruction set: how good it is then is what its own tests are for.
one_target=-DHWY_COMPILE_ONLY_STATIC
host_with_cmake subdirectory "-DNIBBLE_SOURCE=$source" "-DONE_TARGET=$one_target" -DNIBBLE_INSTALL=ON -DCMAKE_CXX_FLAGS_RELEASE=-O0
"$cmake" --install "$work/subdirectory" --prefix "$work/with part" >"$work/log" || { cat "$work/log"; exit 1; }
host_with_cmake exported "-DPART_PREFIX=$work/with part" "-DCMAKE_PREFIX_PATH=$work/with part"

cd "$work"
if command -v pkg-config >/dev/null; then
  mv "moved prefix" moved  # pkg-config's own escapes of spaces do not survive the shell
  flags=$(PKG_CONFIG_PATH=$(dirname "$(find moved -name nibble.pc)") pkg-config --cflags --libs nibble)
  # shellcheck disable=SC2086
  ${launcher//;/ } "$compiler" -std=c++20 "$source/tests/install/host.cpp" $flags -o by_pkg_config
  says pkg-config ./by_pkg_config
else
  echo "pkg-config: skipped, for it is not there"
  [ -z "${CI:-}" ] || exit 1
fi
# Whatever is compiled once is compiled into the host's own file.
{ echo '#include <nibble/compile.hpp>'; cat "$source/tests/install/host.cpp"; } >main.cpp
"$compiler" -std=c++20 $one_target -ffunction-sections -I"$source/include" -c main.cpp
"$compiler" main.o -lhwy -pthread -o bare
says bare ./bare
# With the instruction sets that the flags promise alone, nothing is asked of the processor, and so no library is needed.
"$compiler" main.o -static -Wl,--gc-sections -pthread -o static
says static ./static
