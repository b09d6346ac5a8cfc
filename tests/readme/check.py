"""Compiles and runs snippets of README.md: check.py SOURCE BUILD COMPILER CMAKE snippets|commands

snippets: cpp with main() is a program; without, it is the body of a function that has `path`, `model` and `session`.
commands: the first program is kept as main.cpp for the bash blocks, which run line by line in a folder that looks like a clone, scripts in
the clone. cmake blocks follow a project() and an add_executable(app). A line that would clone, start these very tests or download a model
is passed over."""
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile

source, build = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
compiler, cmake, part = sys.argv[3:6]
tiny = source / "examples/models/nibble-tiny-Q4_K_M.gguf"
FRAGMENT = """#include <nibble/nibble.hpp>

#include <iostream>
#include <string>

void snippet(const char* path, nibble::any_model& model, nibble::session& session) {
  static_cast<void>(path), static_cast<void>(model), static_cast<void>(session);
%s
}

int main(int, char** argv) {
  auto model = nibble::any_model::load(argv[1]);
  auto session = nibble::session(model);
  snippet(argv[1], model, session);
}
"""


def blocks(text):
    """(language, first line, text) of each fenced block."""
    for match in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.M | re.S):
        yield match[1], text.count("\n", 0, match.start()) + 2, match[2]


def run(where, command, folder, **options):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=600, **options)
    if done.returncode != 0:
        sys.exit("README.md:%d: %s\n%s%s" % (where, command, done.stdout[-4000:], done.stderr[-4000:]))
    return done.stdout


def compile_and_run(line, text, folder, libraries):
    program = text if "int main" in text else FRAGMENT % text
    (folder / "snippet.cpp").write_text(program)
    run(line, [compiler, "-std=c++20", "-O0", "-Wall", "-Wextra", "-Iinclude", "-isystem/usr/include/eigen3", "snippet.cpp",
               *libraries, "-pthread", "-o", "snippet"], folder)
    run(line, ["./snippet", str(tiny)], folder)


def runnable(line):
    """Whether a line of bash may run inside a test."""
    if not line or line.startswith(("#", "git clone", "cd ", "sudo ", "cmake ")) or "tests/run.sh" in line:
        return False
    models = pathlib.Path(os.environ.get("NIBBLE_MODELS", "/nonexistent"))
    named = {"qwen": "Qwen2.5-Coder-0.5B-Instruct-Q4_K_M.gguf", "qwen1.5b": "Qwen2.5-Coder-1.5B-Instruct-Q4_K_M.gguf",
             "smollm2": "SmolLM2-135M-Instruct.Q4_1.gguf", "gemma": "gemma-3-270m-q4_k_m.gguf"}
    return all((models / file).exists() for word, file in named.items() if re.search(r"\b%s\b" % word, line))


def main():
    # What is wanted is that it compiles, links, chooses kernels and speaks: of one instruction set, and of two where changes are checked.
    several = os.environ.get("CI") and platform.machine() == "x86_64"
    slow, fast = "-O2 ", "-O0 " + ("'-DNIBBLE_TARGETS=(HWY_AVX2|HWY_SSE4)' " if several else "-DHWY_COMPILE_ONLY_STATIC ")
    seen = dict.fromkeys(["cpp"] if part == "snippets" else ["bash", "cmake"], 0)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for entry in source.iterdir():
            if entry.name not in ("build", ".git"):
                (folder / entry.name).symlink_to(entry)
        for language, line, text in blocks((source / "README.md").read_text()):
            if language == "cpp":
                if "nibble/compile.hpp" in text and not (folder / "main.cpp").exists():
                    (folder / "main.cpp").write_text(text)
                    continue
            if language not in seen:
                continue
            if language == "cpp":
                compile_and_run(line, text, folder, [str(build / "libnibble.a"), str(build / "libnibble_kernels.a"), "-lhwy"])
            elif language == "bash":
                environment = dict(os.environ, BUILD_DIR=str(build), CXX=compiler)
                if "pkg-config" in text:  # the library in the prefix that the lines before it would have filled
                    environment["HOME"] = str(folder / "home")
                    run(line, [cmake, "--install", str(build), "--prefix", str(folder / "home/.local")], folder)
                for number, command in enumerate(text.splitlines()):
                    if runnable(command):
                        script = "run.sh" in command  # these configure the build folder, which belongs to its own source
                        said = run(line + number, ["bash", "-euo", "pipefail", "-c", command.replace("g++ ", "$CXX ", 1).replace(slow, fast, 1)],
                                   source if script else folder, env=environment)
                        if script and not said.strip():
                            sys.exit("README.md:%d: %s says nothing" % (line + number, command))
            elif language == "cmake":
                run(line, [cmake, "--install", str(build), "--prefix", str(folder / "prefix")], folder)
                host = folder / "host"
                host.mkdir(exist_ok=True)
                (host / "CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.22)\nproject(host LANGUAGES CXX)\n"
                                                     "add_executable(app app.cpp)\n" + text)
                (host / "app.cpp").write_text(FRAGMENT % "")
                run(line, [cmake, "-S", "host", "-B", "host/build", "-DCMAKE_PREFIX_PATH=" + str(folder / "prefix"),
                           "-DCMAKE_CXX_COMPILER=" + compiler], folder)
                run(line, [cmake, "--build", "host/build"], folder)
                run(line, ["host/build/app", str(tiny)], folder)
            seen[language] += 1
    if "CMAKE_HOME_DIRECTORY:INTERNAL=%s\n" % source not in (build / "CMakeCache.txt").read_text():
        sys.exit("%s was made the build folder of another source than %s" % (build, source))
    print("ran", seen)
    if min(seen.values()) == 0:
        sys.exit("README.md lacks a kind of snippet that this test is for")


main()
