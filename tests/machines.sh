#!/usr/bin/env bash
# Builds the library for other machines than tests/arm.sh, and lets an example speak on them; what it says, and with which kernels,
# is compared: 32-bit x86 with SSE4, and RISC-V, whose vectors have no fixed size, so that its kernels are the scalar reference,
# by emulation. Installs what is missing. usage: tests/machines.sh [i686] [riscv64]; both by default
set -euo pipefail
CDPATH= cd "$(dirname "$0")/.."
source packaging/setup.sh
source packaging/cross.sh
require eigen highway xsimd

out=${BUILD_DIR:-build/machines}
mkdir -p "$out"
others_headers "$out/include"
printf '#include <nibble/kernels/table.hpp>\n#include <cstdio>\nint main() { std::puts(nibble::kernels().target); }\n' >"$out/target.cpp"

# machine NAME KERNELS TEXT RUNNER COMPILER...: RUNNER is what runs its programs, env for none.
machine() {
  local name=$1 kernels=$2 text=$3 runner=$4 compiler=("${@:5}" -std=c++20 -O2 -Iinclude -isystem"$out/include") program
  compile "$out/$name" "${nibble_units[@]}" examples/01_hello.cpp "$out/target.cpp" -- "${compiler[@]}"
  for program in 01_hello target; do
    local others=(); for source in "${nibble_units[@]}"; do others+=("$out/$name/$(basename "$source" .cpp).o"); done
    "${compiler[@]}" "$out/$name/$program.o" "${others[@]}" -static -pthread -o "$out/$name/$program"
  done
  local found; found=$("$runner" "$out/$name/target")
  [ "$found" = "$kernels" ] || { echo "$name: runs kernels for $found, expected $kernels"; return 1; }
  speaks "$name, kernels: $kernels" "$text" "$runner" "$out/$name/01_hello"
}

# Sizes of 32 bits: the readers of files, compiled for machines where they matter.
sizes() {
  compile "$out/sizes" tests/support/main.cpp tests/gguf/*_test.cpp tests/core/checked_test.cpp -- "$@" -std=c++20 -O1 -Iinclude -Itests \
    -isystem"$out/include" '-DNIBBLE_TEST_GOLDEN="tests/golden"' '-DNIBBLE_TEST_SHARED="none"'
  local units=(); for source in "${nibble_units[@]}"; do units+=("$out/i686/$(basename "$source" .cpp).o"); done
  "$@" "$out"/sizes/*.o "${units[@]}" -static -pthread -o "$out/sizes_test"
  "$out/sizes_test" >"$out/sizes.log" 2>&1 || { tail -n 60 "$out/sizes.log"; return 1; }
  echo "sizes of 32 bits: $(grep -m 1 'assertions:' "$out/sizes.log")"
}

i686=(g++ -m32 -msse4.2 -mpclmul -maes -mfpmath=sse -DHWY_COMPILE_ONLY_STATIC -idirafter /usr/include/x86_64-linux-gnu)
[ $# -gt 0 ] || set -- i686 riscv64
for name in "$@"; do
  case $name in
    i686) require multilib doctest
      machine i686 SSE4 "$unfused" env "${i686[@]}"
      sizes "${i686[@]}" ;;
    riscv64) require riscv emulator
      machine riscv64 reference "$fused" qemu-riscv64 riscv64-linux-gnu-g++ -O3 ;;
    *) echo "usage: tests/machines.sh [i686] [riscv64], and not $name" >&2; exit 2 ;;
  esac
done
