#!/usr/bin/env bash
# Runs the tests of the kernels for 64-bit Arm on a Debian machine of another kind, by emulation: with NEON alone, and with its dot
# products; and that they give the bits of other machines. Installs what is missing.
set -euo pipefail
CDPATH= cd "$(dirname "$0")/.."
source packaging/setup.sh
source packaging/cross.sh
require arm emulator highway doctest

out=${BUILD_DIR:-build/arm}
mkdir -p "$out/include"
ln -sfn /usr/include/hwy "$out/include/hwy"
ln -sfn /usr/include/doctest "$out/include/doctest"

arm_highway "$out/arm64"

compiler=(aarch64-linux-gnu-g++ -std=c++20 -O2 -Iinclude -Itests -I"$out/include" '-DNIBBLE_TEST_GOLDEN="tests/golden"' '-DNIBBLE_TEST_SHARED="none"')
own=(packaging/kernels.cpp tests/kernels/codebook_test.cpp)  # what kernels are compiled in
mapfile -t shared < <(printf '%s\n' packaging/{library,tokenizers,templates,quantize}.cpp tests/support/main.cpp tests/kernels/*_test.cpp |
  grep -vxF -e "${own[1]}")
compile "$out/shared" "${shared[@]}" -- "${compiler[@]}"
compile "$out/neon" "${own[@]}" -- "${compiler[@]}" &
compile "$out/neon-dot" "${own[@]}" -- "${compiler[@]}" -march=armv8.2-a+dotprod
wait $!

# kernels NAME: runs their tests.
kernels() {
  aarch64-linux-gnu-g++ "$out/$1"/*.o "$out"/shared/*.o "$libhwy" -o "$out/$1_test"
  qemu-aarch64 -cpu max -L /usr/aarch64-linux-gnu -E LD_LIBRARY_PATH="$(dirname "$libhwy")" "$out/$1_test" >"$out/$1.log" 2>&1 ||
    { tail -n 60 "$out/$1.log"; return 1; }
  echo "$1: $(grep -m 1 'assertions:' "$out/$1.log")"
}
kernels neon &
kernels neon-dot
wait $!

# The same numbers as on every other machine: tests/contract/same_bits.py has them.
result=$(sed -n 's/^RESULT = "\(.*\)"$/\1/p' tests/contract/same_bits.py)
# same_bits PROGRAM FLAGS...
same_bits() {
  "${compiler[@]}" "${@:2}" -static -DHWY_COMPILE_ONLY_STATIC tests/contract/same_bits.cpp -o "$out/$1"
  local found; found=$(qemu-aarch64 -cpu max "$out/$1")
  [ "$(grep -c " $result\$" <<<"$found")" = 2 ] || { echo "same_bits, ${*:2}: $found; expected $result of two tables"; return 1; }
}
same_bits same_bits_1 -O1 -ffp-contract=fast &
same_bits same_bits_2 -O3 -ffp-contract=fast -march=armv8.2-a+dotprod
wait $!
