#!/usr/bin/env bash
# Runs the tests of the kernels for 64-bit Arm on a Debian machine of another kind, by emulation: with NEON alone, and with its dot
# products; and that they give the bits of other machines. Installs what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
source packaging/setup.sh
source packaging/cross.sh
require arm emulator highway doctest

out=${BUILD_DIR:-build/arm}
mkdir -p "$out/include"
ln -sfn /usr/include/hwy "$out/include/hwy"
ln -sfn /usr/include/doctest "$out/include/doctest"

arm_highway "$out/arm64"

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
for flags in "-O1 -ffp-contract=fast" "-O3 -ffp-contract=fast -march=armv8.2-a+dotprod"; do
  # shellcheck disable=SC2086  # several flags
  aarch64-linux-gnu-g++ -std=c++20 $flags -static -Iinclude -I"$out/include" -DHWY_COMPILE_ONLY_STATIC tests/contract/same_bits.cpp \
    -o "$out/same_bits"
  found=$(qemu-aarch64 -cpu max "$out/same_bits")
  [ "$(grep -c " $result\$" <<<"$found")" = 2 ] || { echo "same_bits, $flags: $found; expected $result of two tables"; exit 1; }
done

kernels neon &
kernels neon-dot -march=armv8.2-a+dotprod
wait $!
