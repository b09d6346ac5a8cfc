#!/usr/bin/env bash
# The Conan package, made by the real client and used by CMake and by pkg-config. Highway, xsimd and Eigen are the system's, so
# nothing is asked of a remote. usage: tests/conan.sh
set -euo pipefail
CDPATH= cd "$(dirname "$0")/.."
source packaging/setup.sh
require compiler cmake ninja python pip venv certificates pkg-config eigen highway xsimd

work=${BUILD_DIR:-build/conan}
mkdir -p "$work"
work=$(cd "$work" && pwd)
[ -x "$work/venv/bin/conan" ] || { python3 -m venv "$work/venv" && "$work/venv/bin/pip" -q install 'conan>=2.4,<3' ninja; }
export PATH=$work/venv/bin:$PATH CONAN_HOME=$work/home NIBBLE_CONAN_TEST_BUILD=$work/test_package

conan profile detect --force >/dev/null
cat >"$work/profile" <<PROFILE
include(default)
[settings]
compiler.cppstd=20
build_type=Release
[conf]
tools.cmake.cmaketoolchain:generator=Ninja
tools.build:cxxflags=["-isystem/usr/include/eigen3"]
[platform_requires]
eigen/3.4.0
xsimd/8.1.0
highway/1.0.3
PROFILE
conan create . --profile:all "$work/profile" --no-remote

# A host without CMake: conan writes what the system's packages do not say.
version=$(conan inspect . --format=json | python3 -c 'import json, sys; print(json.load(sys.stdin)["version"])')
conan install --requires "nibble/$version" --profile:all "$work/profile" --no-remote --generator PkgConfigDeps --output-folder "$work/host"
flags=$(PKG_CONFIG_PATH=$work/host pkg-config --cflags --libs nibble)
# shellcheck disable=SC2086
"${CXX:-c++}" -std=c++20 packaging/conan/test_package.cpp -isystem /usr/include/eigen3 $flags -o "$work/host/program"
"$work/host/program"
