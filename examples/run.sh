#!/usr/bin/env bash
# Builds the chat example and lets a model speak:
#   examples/run.sh                        the small model of this repository
#   examples/run.sh qwen ["question"]      Qwen2.5-Coder-0.5B-Instruct, fetched once (491 MB)
#   examples/run.sh qwen1.5b ["question"]  its larger sister (1.1 GB)
#   examples/run.sh smollm2 ["question"]   SmolLM2-135M-Instruct, fetched once (98 MB)
#   examples/run.sh gemma ["prompt"]       Gemma 3 270M, fetched once (253 MB)
#   examples/run.sh file.gguf ["prompt"]   any model of a supported architecture
# What follows goes to examples/03_chat.cpp. BUILD_DIR (default build) and CXX are honoured. A build folder that is not there yet gets
# kernels for this machine alone, which compile in a third of the time; -DNIBBLE_TARGETS= to CMake makes it one for all.
set -euo pipefail
here=$PWD
CDPATH= cd "$(dirname "$0")/.."
source packaging/setup.sh

case ${1:-} in
  -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' examples/run.sh; exit ;;
  "") model=examples/models/nibble-tiny-Q4_K_M.gguf prompt="It was a dark and stormy night, and"
    echo "$prompt ..." >&2
    set -- "" "$prompt" --raw ;;
  qwen | qwen1.5b | smollm2) model=$(examples/fetch "$1") ;;
  gemma) model=$(examples/fetch gemma); [ $# -gt 1 ] || set -- gemma "The capital of France is"; set -- "$@" --raw ;;
  /*) model=$1 ;;
  *) model=$here/$1 ;;
esac
[ -r "$model" ] || { echo "$model: no such file; see examples/run.sh --help" >&2; exit 1; }

require compiler cmake ninja eigen highway xsimd
build_dir=${BUILD_DIR:-build} fast=()
[ -e "$build_dir/CMakeCache.txt" ] || fast=(-DNIBBLE_BUILD_TESTS=OFF -DNIBBLE_BUILD_BENCH=OFF -DNIBBLE_TARGETS=native)
configure "$build_dir" -DNIBBLE_BUILD_EXAMPLES=ON "${fast[@]}"
if [ ! -x "$build_dir/examples/03_chat" ]; then
  cores=$(nproc)
  echo "building, once: about $((200 / (cores < 4 ? cores : 4))) seconds with $cores processors" >&2
fi
build "$build_dir" --target 03_chat
exec "$build_dir/examples/03_chat" "$model" "${@:2}"
