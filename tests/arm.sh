#!/usr/bin/env bash
# Runs the tests of the kernels for 64-bit Arm on a Debian machine of another kind, by emulation: with NEON alone, and with its dot
# products; and that they give the bits of other machines. Installs what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
source packaging/setup.sh
require arm emulator highway doctest

out=${BUILD_DIR:-build/arm}
mkdir -p "$out/include"
ln -sfn /usr/include/hwy "$out/include/hwy"
ln -sfn /usr/include/doctest "$out/include/doctest"

# The one library that the kernels link, unpacked beside the build: installing it would want a whole second system.
if ! compgen -G "$out/arm64/usr/lib/aarch64-linux-gnu/libhwy.so.1*" >/dev/null; then
  as_root=(); [ "$(id -u)" = 0 ] || as_root=(sudo)
  dpkg --print-foreign-architectures | grep -qx arm64 || {
    "${as_root[@]}" dpkg --add-architecture arm64
    quietly "${as_root[@]}" apt-get -q update
  }
  (cd "$out" && quietly apt-get -q download libhwy1:arm64 && dpkg -x libhwy1_*_arm64.deb arm64)
fi
libhwy=$(compgen -G "$out/arm64/usr/lib/aarch64-linux-gnu/libhwy.so.1" | head -n 1)

# kernels NAME FLAGS...: builds and runs them.
kernels() {
  local compiler=(aarch64-linux-gnu-g++ -std=c++20 -O2 "${@:2}" -Iinclude -Itests -I"$out/include")
  ! command -v ccache >/dev/null || compiler=(ccache "${compiler[@]}")
  local source objects=()
  for source in packaging/{kernels,library,tokenizers,templates,quantize}.cpp tests/support/main.cpp tests/kernels/*_test.cpp; do
    objects+=("$out/$1-$(basename "$source" .cpp).o")
    "${compiler[@]}" -c "$source" -o "${objects[-1]}"
  done
  aarch64-linux-gnu-g++ "${objects[@]}" "$libhwy" -o "$out/$1_test"
  qemu-aarch64 -cpu max -L /usr/aarch64-linux-gnu -E LD_LIBRARY_PATH="$(dirname "$libhwy")" "$out/$1_test" >"$out/$1.log" 2>&1 ||
    { tail -n 60 "$out/$1.log"; return 1; }
  echo "$1: $(grep -m 1 'assertions:' "$out/$1.log")"
}

# The same numbers as on every other machine: tests/contract/same_bits.py has them.
result=$(sed -n 's/^RESULT = "\(.*\)"$/\1/p' tests/contract/same_bits.py)
aarch64-linux-gnu-g++ -std=c++20 -O2 -static -Iinclude -I"$out/include" -DHWY_COMPILE_ONLY_STATIC tests/contract/same_bits.cpp -o "$out/same_bits"
found=$(qemu-aarch64 -cpu max "$out/same_bits")
[ "$found" = "$result $result" ] || { echo "same_bits: kernels and reference give $found, expected $result"; exit 1; }

kernels neon &
kernels neon-dot -march=armv8.2-a+dotprod
wait $!
