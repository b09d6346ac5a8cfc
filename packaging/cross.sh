# Sourced by the scripts in tests/ that build for other machines: without CMake, with the headers that this machine has.

# others_headers FOLDER: the headers of other libraries in one folder, for a compiler that must not see the rest of /usr/include.
others_headers() {
  mkdir -p "$1"
  local header
  for header in hwy xsimd doctest eigen3/Eigen; do
    [ ! -e "/usr/include/$header" ] || ln -sfn "/usr/include/$header" "$1/$(basename "$header")"
  done
}

# compile OUT SOURCES... -- COMPILER FLAGS...: an object of each, in the folder OUT; as many at a time as there are cores.
compile() {
  local out=$1 sources=(); shift
  while [ "$1" != -- ]; do sources+=("$1"); shift; done
  shift
  mkdir -p "$out"
  rm -f "$out"/*.o  # of files that are no more: all objects of a folder are linked
  local launcher=(); ! command -v ccache >/dev/null || launcher=(ccache)
  printf '%s\0' "${sources[@]}" | xargs -0 -P "$(nproc)" -I{} bash -c '
    out=$1 source=$2; shift 2
    exec "$@" -c "$source" -o "$out/$(basename "$source" .cpp).o"' compile "$out" {} "${launcher[@]}" "$@"
}

# debian_source PACKAGE FOLDER: the source of a package of this Debian, unpacked into FOLDER.
debian_source() {
  [ ! -d "$2" ] || return 0
  local work site release; work=$(mktemp -d)
  read -r site release < <(apt-get indextargets --format '$(SITE) $(CODENAME)' 'Identifier: Packages' 'Origin: Debian')
  mkdir -p "$work/lists/partial" "$work/source"
  echo "deb-src $site $release main" >"$work/sources.list"
  local apt=(apt-get -q -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
             -o Dir::State::Lists="$work/lists" -o APT::Sandbox::User=root)
  quietly "${apt[@]}" update
  (cd "$work" && quietly "${apt[@]}" source --download-only "$1")
  tar xf "$work"/*.orig.tar.* -C "$work/source" --strip-components 1
  mkdir -p "$(dirname "$2")"
  mv "$work/source" "$2"
  rm -rf "$work"
}

# arm_highway FOLDER: sets libhwy to the one library that the kernels link, for 64-bit Arm, unpacked into FOLDER: installing it would
# want a whole second system.
arm_highway() {
  if ! compgen -G "$1/usr/lib/aarch64-linux-gnu/libhwy.so.1*" >/dev/null; then
    local as_root=(); [ "$(id -u)" = 0 ] || as_root=(sudo)
    dpkg --print-foreign-architectures | grep -qx arm64 || {
      "${as_root[@]}" dpkg --add-architecture arm64
      quietly "${as_root[@]}" apt-get -q update
    }
    mkdir -p "$1"
    (cd "$1" && quietly apt-get -q download libhwy1:arm64 && dpkg -x libhwy1_*_arm64.deb .)
  fi
  libhwy=$(compgen -G "$1/usr/lib/aarch64-linux-gnu/libhwy.so.1" | head -n 1)
}

# The library's units: all that nibble::nibble is made of.
nibble_units=(packaging/{kernels,library,tokenizers,templates,models,decoder,architectures,samplers,grammars,generating,quantize}.cpp)

# What machines say of the small model, for they choose the likeliest token: those that fuse multiplication and addition one
# text, and those that cannot, another.
tiny_model=examples/models/nibble-tiny-Q4_K_M.gguf
fused=examples/models/nibble-tiny.txt unfused=examples/models/nibble-tiny-unfused.txt
# speaks NAME TEXT COMMAND...: runs an examples/01_hello, and compares.
speaks() {
  local said; said=$("${@:3}" "$tiny_model")
  [ "$said" = "$(cat "$2")" ] || { printf '%s: says another text:\n%s\n' "$1" "$said" >&2; return 1; }
  echo "$1: says what it must"
}
# agrees NAME COMMAND...: runs a tests/contract/same_logits.cpp, and compares the bits of logits with those of every machine.
agrees() {
  python3 tests/contract/same_logits.py --golden tests/golden/logits.tsv "$1=${*:2}" -- "$tiny_model" architectures tests/golden/models/*.gguf
}
