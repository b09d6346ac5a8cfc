"""dependencies.py CMAKE GENERATOR FOLDER_OF_MODULES: what packaging/nibble-dependencies.cmake says of libraries that are new, too old, missing, or
brought by a host, which target is native by a host's Highway, which ones one has, and which sanitizers a compiler has. Says what is not as it
should be."""
import pathlib
import subprocess
import sys
import tempfile

PROJECT = """cmake_minimum_required(VERSION 3.22)
project(host LANGUAGES NONE)
add_library(Threads::Threads INTERFACE IMPORTED)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(CMAKE_FIND_USE_CMAKE_SYSTEM_PATH OFF)
set(CMAKE_FIND_USE_SYSTEM_ENVIRONMENT_PATH OFF)
%s
include("%s/nibble-dependencies.cmake")
message("[${nibble_missing}]")
foreach(target Eigen3::Eigen nibble::xsimd hwy::hwy)
  if(TARGET ${target})
    message("has ${target}")
  endif()
endforeach()
"""
VERSION_FILE = """set(PACKAGE_VERSION %s)
if(PACKAGE_FIND_VERSION_MAJOR STREQUAL "%s")
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
endif()
"""
NEW = {"eigen": "5.0.1", "xsimd": "13.2.0", "hwy": "1.4.0"}
# What is there, what else a host does, and what is said.
CASES = [
    (NEW, "", "[]"),
    ({**NEW, "eigen": "3.4.0", "xsimd": "8.1.0", "hwy": "1.0.3"}, "", "[]"),
    ({**NEW, "eigen": "3.3.9"}, "", "[Eigen 3.4 or newer, and found 3.3.9]"),
    ({**NEW, "xsimd": "7.6.0"}, "", "[xsimd 8.1 or newer, and found 7.6.0]"),
    ({**NEW, "hwy": "1.0.2"}, "", "[Highway 1.0.3 or newer, and found 1.0.2]"),
    ({}, "", "[Eigen 3.4 (Debian: libeigen3-dev), xsimd 8.1 (Debian: libxsimd-dev), Highway 1.0.3 (Debian: libhwy-dev)]"),
    ({"eigen": "5.0.1"}, "add_library(xsimd INTERFACE)\nadd_library(hwy INTERFACE)", "[]"),
]


def prefix(folder, versions):
    """Files of libraries of these versions: only what says which they are."""
    for name in ("xsimd/config/xsimd_config.hpp", "xsimd/xsimd.hpp", "hwy/highway.h"):
        path = folder / "include" / name
        if name.split("/")[0] not in versions: continue
        path.parent.mkdir(parents=True, exist_ok=True)
        macro = "XSIMD_VERSION" if "xsimd" in name else "HWY"
        parts = zip(("MAJOR", "MINOR", "PATCH"), versions[name.split("/")[0]].split("."))
        path.write_text("".join("#define %s_%s %s\n" % (macro, *part) for part in parts))
    if "eigen" in versions:
        (folder / "Eigen3Config.cmake").write_text("add_library(Eigen3::Eigen INTERFACE IMPORTED)\n")
        (folder / "Eigen3ConfigVersion.cmake").write_text(VERSION_FILE % (versions["eigen"], versions["eigen"].split(".")[0]))
    (folder / "libhwy.a").touch()


# A Highway of the host's tree says from its sources which target is native.
NATIVE = """cmake_minimum_required(VERSION 3.22)
project(host LANGUAGES CXX)
add_subdirectory(highway)
add_library(hwy::hwy ALIAS hwy)
include("%s/nibble-targets.cmake")
nibble_target_definition(targets "native")
message("[${targets}]")
"""
SOURCES = {"CMakeLists.txt": "add_library(hwy INTERFACE)\n", "hwy/targets.cc": "std::int64_t hwy::SupportedTargets() { return HWY_TARGETS & -HWY_TARGETS; }\n"}

# A target that the found headers do not name, and one that they do.
TARGETS = """cmake_minimum_required(VERSION 3.22)
project(host LANGUAGES NONE)
add_library(hwy::hwy INTERFACE IMPORTED)
set_target_properties(hwy::hwy PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${CMAKE_CURRENT_SOURCE_DIR}/include")
include("%s/nibble-targets.cmake")
nibble_target_definition(targets "${LIST}")
message("[${targets}]")
"""
HEADER = "#define HWY_AVX2 (1LL << 9)  // with a remark\n  #define HWY_AVX3_SPR 0\n#define HWY_SSE4 (1LL << 11)\n"
# Sanitizers as our own build adds them.
SANITIZERS = """cmake_minimum_required(VERSION 3.22)
project(host LANGUAGES CXX)
include("%s/nibble-development.cmake")
nibble_add_sanitizers("${LIST}")
message("[added]")
"""
LISTS = [(TARGETS, "AVX2", "[NIBBLE_TARGETS=(HWY_AVX2)]"), (TARGETS, "AVX2;AVX3_SPR", "NIBBLE_TARGETS: AVX3_SPR is none of what the Highway that was found knows, AVX2 SSE4;"),
         (SANITIZERS, "", "[added]"), (SANITIZERS, "bogus", "builds nothing with -fsanitize=bogus;")]


def of_lists(cmake, generator, modules):
    found = []
    for project, text, says in LISTS:
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "include/hwy").mkdir(parents=True)
            (folder / "include/hwy/detect_targets.h").write_text(HEADER)
            (folder / "CMakeLists.txt").write_text(project % modules)
            done = subprocess.run([cmake, "-S", name, "-B", name + "/build", "-G", generator, "-DLIST=" + text], capture_output=True, text=True)
            if says not in " ".join(done.stderr.split()): found.append("%s: expected %s, found %s" % (text, says, done.stderr))
    return found


def main(cmake, generator, modules):
    found = of_lists(cmake, generator, modules)
    with tempfile.TemporaryDirectory() as name:
        (pathlib.Path(name) / "CMakeLists.txt").write_text(NATIVE % modules)
        for path, text in SOURCES.items():
            file = pathlib.Path(name) / "highway" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        done = subprocess.run([cmake, "-S", name, "-B", name + "/build", "-G", generator], capture_output=True, text=True)
        if done.returncode != 0 or "[NIBBLE_TARGETS=(HWY_" not in done.stderr:
            found.append("native with a Highway of the host's tree: " + done.stderr)
    for versions, host, says in CASES:
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            prefix(folder, versions)
            (folder / "CMakeLists.txt").write_text(PROJECT % (host, modules))
            arguments = ["-DCMAKE_DISABLE_FIND_PACKAGE_%s=ON" % package for package in ("Threads", "hwy")]
            arguments += ["-DEigen3_DIR=%s" % folder if "eigen" in versions else "-DCMAKE_DISABLE_FIND_PACKAGE_Eigen3=ON"]
            for library in ("xsimd", "hwy"):
                arguments.append("-Dnibble_%s_include=%s" % (library, folder / "include" if library in versions else "NOTFOUND"))
            arguments += ["-Dnibble_hwy_library=%s" % (folder / "libhwy.a")]
            done = subprocess.run([cmake, "-S", name, "-B", str(folder / "build"), "-G", generator, *arguments], capture_output=True, text=True)
            if done.returncode != 0 or says not in done.stderr or (says == "[]" and done.stderr.count("has ") < 3):
                found.append("%s %s: expected %s, found %s" % (versions, host, says, done.stderr))
    print("\n".join(found))
    sys.exit(1 if found else 0)


main(*sys.argv[1:])
