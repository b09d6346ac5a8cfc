#!/usr/bin/env bash
# The table of equal bits: builds the library with g++ and clang at -O1, -O2 and -O3, for 64-bit Arm as well, runs each build with
# every instruction set that it has and this CPU runs (Arm's by emulation), and compares the logits of models: all have one hash
# where multiplication and addition are fused, and another one where they cannot be. Where the CPU lacks AVX-VNNI, that table runs
# with other instructions in the place of its dot products. Takes half an hour; installs what is missing.
# usage: tests/same_logits.sh [MODEL.gguf...]      beside those of the repository. LEVELS, COMPILERS and BUILD_DIR are honoured, and
# TARGETS, such as HWY_AVX2, for instruction sets that are enough.
set -euo pipefail
CDPATH= cd "$(dirname "$0")/.."
source packaging/setup.sh
source packaging/cross.sh
require compiler clang arm emulator python eigen highway xsimd

out=${BUILD_DIR:-build/logits}
mkdir -p "$out"
others_headers "$out/include"
ways=() own=()
[ -z "${TARGETS:-}" ] || own+=("-DNIBBLE_TARGETS=($TARGETS)")
grep -qw avx_vnni /proc/cpuinfo || own+=(-DNIBBLE_EMULATED_AVX_VNNI)

# way NAME RUNNER LIBRARY COMPILER...: builds same_logits for one more row of the table.
way() {
  local name=$1 folder; folder=$out/$(tr -c 'a-z0-9\n' _ <<<"$1")
  compile "$folder" "${nibble_units[@]}" tests/contract/same_logits.cpp -- "${@:4}" -std=c++20 -Iinclude -Itests -isystem"$out/include"
  "${@:4}" "$folder"/*.o "$3" -pthread -o "$folder/same_logits"
  ways+=("$name=$2 $folder/same_logits")
  echo "$name: built, $SECONDS s"
}

for level in ${LEVELS:--O1 -O2 -O3}; do
  for compiler in ${COMPILERS:-g++ clang++ aarch64-linux-gnu-g++}; do
    case $compiler in
      aarch64*) [ -n "${libhwy:-}" ] || arm_highway "$out/arm64"
        way "$compiler $level" "env LD_LIBRARY_PATH= qemu-aarch64 -cpu max -L /usr/aarch64-linux-gnu -E LD_LIBRARY_PATH=$(dirname "$libhwy")" \
          "$libhwy" "$compiler" "$level" ;;
      *) way "$compiler $level" env -lhwy "$compiler" "$level" "${own[@]}" ;;
    esac
  done
done
python3 tests/contract/same_logits.py --markdown --golden tests/golden/logits.tsv "${ways[@]}" -- \
  "$tiny_model" architectures tests/golden/models/*.gguf "$@"
