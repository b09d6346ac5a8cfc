#!/usr/bin/env bash
# The reference of the public names, as pages in a folder (the argument; default build/docs). Fails on any warning: every public
# name has a sentence, and every sentence is read as it was meant.
set -euo pipefail
out=$(realpath -m "${1:-$(dirname "$0")/../../build/docs}")
CDPATH= cd "$(dirname "$0")/../.."
source packaging/setup.sh
require python doxygen

mkdir -p "$out"
python3 packaging/docs/start_page.py >"$out/start.md"
# The headers that nibble.hpp names, which is its table of contents.
headers=$(sed -n 's/^#include "\(nibble\/[^"]*\)".*/include\/\1/p' include/nibble/nibble.hpp | grep -v _macros | tr '\n' ' ')
version=$(sed -n 's/^#define NIBBLE_VERSION_[A-Z]* \([0-9]*\)$/\1/p' include/nibble/config.hpp | paste -sd.)
{
  cat packaging/docs/Doxyfile
  echo "PROJECT_NUMBER = $version"
  echo "OUTPUT_DIRECTORY = $out"
  echo "INPUT = $out/start.md include/nibble/nibble.hpp include/nibble/compile.hpp include/nibble/tensor/map.hpp include/nibble/tensor/eigen.hpp $headers"
} | doxygen - 2>"$out/warnings.txt" >/dev/null || { cat "$out/warnings.txt" >&2; exit 1; }
if [ -s "$out/warnings.txt" ]; then
  cat "$out/warnings.txt" >&2
  exit 1
fi
echo "$out/html/index.html"
