# Sourced by the scripts of this repository: what they need installed, and how they configure and build.

# True when the compiler finds a header.
has_header() { echo "#include <$1>" | ${CXX:-c++} -E -x c++ ${2:-} - >/dev/null 2>&1; }

# The Debian packages of one requirement that this machine lacks, one a line.
missing() {
  case $1 in
    compiler) local words=(${CXX:-c++}); command -v "${words[0]}" >/dev/null || case ${CXX:-} in *clang*) echo clang ;; *) echo g++ ;; esac ;;
    clang) command -v clang++ >/dev/null || echo clang ;;
    libc++) echo '#include <vector>' | "${CXX:-clang++}" -stdlib=libc++ -E -x c++ - >/dev/null 2>&1 || {
              version=$(clang++ -dumpversion 2>/dev/null || echo 14)
              printf '%s\n' "libc++-${version%%.*}-dev" "libc++abi-${version%%.*}-dev"
            } ;;
    clang19) command -v clang++-19 >/dev/null || echo clang-19 ;;
    clang-format) command -v clang-format >/dev/null || echo clang-format ;;
    fuzzer) echo 'extern "C" int LLVMFuzzerTestOneInput() { return 0; }' |
              clang++ -fsanitize=fuzzer -x c++ - -o /dev/null 2>/dev/null || {
              version=$(clang++ -dumpversion 2>/dev/null || echo 14)
              printf '%s\n' clang "libclang-rt-${version%%.*}-dev"
            } ;;
    cmake) command -v cmake >/dev/null || echo cmake ;;
    ninja) command -v ninja >/dev/null || echo ninja-build ;;
    ccache) command -v ccache >/dev/null || echo ccache ;;
    python) command -v python3 >/dev/null || echo python3 ;;
    venv) python3 -c 'import ensurepip' >/dev/null 2>&1 || echo python3-venv ;;
    pip) python3 -m pip --version >/dev/null 2>&1 || echo python3-pip ;;
    certificates) python3 -c 'import os, ssl, sys; p = ssl.get_default_verify_paths(); sys.exit(not any(map(os.path.exists, filter(None, (p.cafile, p.openssl_cafile)))))' 2>/dev/null ||
                    [ -e /etc/ssl/certs/ca-certificates.crt ] || echo ca-certificates ;;
    pkg-config) command -v pkg-config >/dev/null || echo pkg-config ;;
    eigen) has_header Eigen/Core -I/usr/include/eigen3 || echo libeigen3-dev ;;
    highway) has_header hwy/highway.h || echo libhwy-dev ;;
    xsimd) has_header xsimd/xsimd.hpp || echo libxsimd-dev ;;
    cli11) has_header CLI/CLI.hpp || echo libcli11-dev ;;
    json) has_header nlohmann/json.hpp || echo nlohmann-json3-dev ;;
    doctest) has_header doctest/doctest.h || echo doctest-dev ;;
    arm) command -v aarch64-linux-gnu-g++ >/dev/null || echo g++-aarch64-linux-gnu ;;
    emulator) command -v qemu-aarch64 >/dev/null || echo qemu-user ;;
    doxygen) command -v doxygen >/dev/null || echo doxygen ;;
    mingw) command -v x86_64-w64-mingw32-g++-posix >/dev/null || echo g++-mingw-w64-x86-64-posix ;;
    wine) command -v wine >/dev/null || printf '%s\n' wine wine64 ;;
    emscripten) command -v em++ >/dev/null || echo emscripten ;;
    node) command -v node >/dev/null || echo nodejs ;;
    riscv) command -v riscv64-linux-gnu-g++ >/dev/null || echo g++-riscv64-linux-gnu ;;
    multilib) echo '#include <vector>' | g++ -m32 -E -x c++ - >/dev/null 2>&1 || echo "g++-$(g++ -dumpversion 2>/dev/null || echo 12)-multilib" ;;  # g++-multilib removes compilers for Arm
    debootstrap) command -v debootstrap >/dev/null || echo debootstrap ;;
    chromium) command -v chromium >/dev/null || echo chromium ;;
    benchmark) has_header benchmark/benchmark.h || echo libbenchmark-dev ;;
    *) echo "packaging/setup.sh: $1 is no requirement that it knows" >&2; return 1 ;;
  esac
}

# require NAME...: afterwards all of them are there, or the script has ended with one sentence that says what to install.
require() {
  local name packages=() as_root=()
  for name in "$@"; do
    local lacking; lacking=$(missing "$name") || exit 1
    [ -z "$lacking" ] || mapfile -t -O "${#packages[@]}" packages <<<"$lacking"
  done
  [ "${#packages[@]}" -gt 0 ] || return 0

  [ "$(id -u)" = 0 ] || as_root=(sudo)
  if ! command -v apt-get >/dev/null; then
    echo "Please install what these packages of Debian hold, then run this again: ${packages[*]}" >&2
    exit 1
  fi
  if [ "$(id -u)" != 0 ] && ! { command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; }; then
    echo "Please run as root, then run this again: apt-get install ${packages[*]}" >&2
    exit 1
  fi
  echo "installing ${packages[*]}" >&2
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300)
  quietly "${apt[@]}" update
  quietly "${apt[@]}" install --no-install-recommends "${packages[@]}"
}

# quietly COMMAND...: shows its last line while it runs: in a terminal always the newest, elsewhere one every fifteen seconds. And
# all that it said when it fails, which ends the script.
quietly() {
  local log; log=$(mktemp)
  if [ -t 2 ]; then
    if "$@" </dev/null 2>&1 | tee "$log" | while IFS= read -r line; do printf '\r\033[K%.78s' "$line" >&2; done; then
      printf '\r\033[K' >&2; rm -f "$log"; return
    fi
    printf '\r\033[K' >&2
  else
    local from=$SECONDS
    while sleep 15 </dev/null >/dev/null 2>&1; do
      printf '%4d s  %.70s\n' $((SECONDS - from)) "$(grep -v 'Re-checking globbed' "$log" | tail -n 1)" >&2
    done &
    local reporter=$! failed=0
    "$@" </dev/null >"$log" 2>&1 || failed=1
    kill "$reporter"; wait "$reporter" 2>/dev/null || true
    if [ "$failed" = 0 ]; then rm -f "$log"; return; fi
  fi
  grep -vE '^\[[0-9]+/[0-9]+\] (Building|Linking)|^\[ *[0-9]+%\]' "$log" | tail -n 200 >&2 || true
  rm -f "$log"
  echo "failed: $*" >&2
  exit 1
}

# configure FOLDER [CMAKE ARGUMENTS...]
configure() {
  local generator=()
  [ -e "$1/CMakeCache.txt" ] || generator=(-G Ninja)
  quietly cmake -S . -B "$1" "${generator[@]}" "${@:2}"
}

# build FOLDER [ARGUMENTS OF cmake --build...]
build() { quietly cmake --build "$1" --parallel "$(nproc)" "${@:2}"; }
