"""Facts that a compiler's other tools can tell. Usage: check.py symbols OBJECT... | exports LIBRARY | macros COMPILER FLAG... |
budget JSON HELLO COMPILER FLAG... | alike LIBRARY KERNELS HIGHWAY COMPILER FLAG... | versions MODEL LIBRARY KERNELS HIGHWAY COMPILER
FLAG... | machines INCLUDE_FOLDER CLANG | finite_math COMPILER FLAG... | preconditions INCLUDE_FOLDER CASES |
typed PROGRAM PROGRAM | packages ROOT | layers INCLUDE_FOLDER | sizes INCLUDE_FOLDER | twins INCLUDE_FOLDER ; exit status 1 and one line a finding when
a promise is broken."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

# Ends the host, writes to it, or touches what is global to it. std::terminate is absent on purpose: compilers put a call to it
# behind every noexcept function, and the standard library into the destructor of std::thread.
FORBIDDEN = r"""
abort exit _exit _Exit quick_exit at_quick_exit atexit raise kill tgkill pthread_kill longjmp __longjmp_chk __assert_fail
hwy::Abort.* std::__glibcxx_assert_fail.*
v?f?printf v?fprintf v?dprintf puts putchar putc fputs fputc fwrite perror psignal syslog __(v?f?printf|vfprintf|fprintf)_chk
stdin stdout stderr fopen(64)? freopen(64)? std::(w?)(cout|cerr|clog|cin) std::ios_base::Init::.*
getenv secure_getenv setenv putenv setlocale std::locale::global.* uselocale newlocale
signal sigaction sigprocmask fesetround fesetenv feenableexcept system popen fork vfork exec[lv].* socket connect dlopen
rand srand std::basic_regex.* std::__detail::_(Scanner|Compiler|NFA).*
""".split()
FORBIDDEN = re.compile("(?:%s)" % "|".join(FORBIDDEN))


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit("%s\n%s" % (" ".join(command), done.stderr))
    return done.stdout


def symbols(objects):
    """No object asks the linker for anything that could end or write to the host."""
    found = []
    for path in objects:
        for line in run("nm", "-u", "-C", path).splitlines():
            match = re.match(r"\s+[Uvw] (.+?)(@.*)?$", line)
            if match and FORBIDDEN.fullmatch(match[1]):
                found.append("%s needs %s" % (path, match[1]))
    return found


def exports(library):
    """A shared library that embeds nibble exports its own function and nothing of ours."""
    names = [line.split(" ", 2)[2] for line in run("nm", "-D", "-C", "--defined-only", library).splitlines()]
    found = ["%s exports %s" % (library, name) for name in names if "nibble" in name]
    return found if "guest_generate" in names else found + [library + " does not export guest_generate"]


def macros_of(compiler, text):
    with tempfile.NamedTemporaryFile("w", suffix=".cpp") as file:
        file.write(text)
        file.flush()
        return {re.split(r"[ (]", line)[1] for line in run(*compiler, "-dM", "-E", file.name).splitlines()}


def macros(compiler):
    """Every macro that our headers add to those of others is named NIBBLE_..."""
    ours = macros_of(compiler, '#include "theirs.hpp"\n#include "all.hpp"\n') - macros_of(compiler, '#include "theirs.hpp"\n')
    if "NIBBLE_ABI" not in ours:
        return ["NIBBLE_ABI is not seen: this check compares nothing"]
    return ["macro %s" % name for name in sorted(ours) if not name.startswith("NIBBLE_")]


# The folders and files of include/nibble in the order data flows; those of one line may include each other.
LAYERS = """
config.hpp error.hpp error-impl.hpp
core
file
gguf
tensor
quant
kv
kernels
layers
attention
text
model
sample
grammar
generate
nibble.hpp library-impl.hpp compile.hpp
""".strip().splitlines()
LAYER = {name: number for number, line in enumerate(LAYERS) for name in line.split()}


def layers(root):
    """Every header includes only what stands in its own folder or in one above it in LAYERS."""
    found, seen = [], 0
    for folder, _, names in os.walk(os.path.join(root, "nibble")):
        for name in sorted(names):
            path = os.path.relpath(os.path.join(folder, name), root)
            own = path.split(os.sep)[1]
            if own not in LAYER:
                found.append("%s: %s has no place in the order of layers" % (path, own))
                continue
            with open(os.path.join(root, path)) as file:
                lines = file.read().splitlines()
            for number, line in enumerate(lines, 1):
                match = re.match(r'\s*#\s*(?:include|define\s+HWY_TARGET_INCLUDE)\s*["<]nibble/([^/">]+)', line)
                if not match:
                    continue
                seen += 1
                if match[1] not in LAYER:
                    found.append("%s:%d: %s has no place in the order of layers" % (path, number, match[1]))
                elif LAYER[match[1]] > LAYER[own]:
                    found.append("%s:%d: %s stands above %s and must not include it" % (path, number, own, match[1]))
    return found if seen else found + [root + ": no includes are seen: this check compares nothing"]


def layers_test():
    """The check of layers sees what it is there for, in small trees made for that."""
    def of(files):
        with tempfile.TemporaryDirectory() as root:
            for path, text in files.items():
                path = os.path.join(root, "nibble", path)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "w") as file:
                    file.write(text)
            return layers(root)

    good = {"core/a.hpp": '#include "nibble/error.hpp"\n#include "nibble/core/b.hpp"\n', "error.hpp": '#include "nibble/config.hpp"\n',
            "model/arch/c.hpp": '#include <vector>\n\n#include "nibble/core/a.hpp"\n', "nibble.hpp": '#include "nibble/model/arch/c.hpp"\n'}
    cases = [("a tree in order", {}, 0), ("a file that runs up", {"core/up.hpp": '#include "nibble/model/arch/c.hpp"\n'}, 1),
             ("a root file that runs up", {"config.hpp": '#include "nibble/core/a.hpp"\n'}, 1),
             ("an implementation that runs up", {"text/x-impl.hpp": '  #  include <nibble/sample/y.hpp>  // why not\n'}, 1),
             ("the umbrella from inside", {"generate/x.hpp": '#include "nibble/nibble.hpp"\n'}, 1),
             ("a folder that nobody knows", {"extra/x.hpp": "", "core/z.hpp": '#include "nibble/extra/x.hpp"\n'}, 2)]
    found = ["%s: %d findings" % (name, len(of({**good, **more}))) for name, more, count in cases if len(of({**good, **more})) != count]
    return found if of({"core/a.hpp": ""}) else found + ["an empty tree: no findings"]


# What takes memory, and the functions that say how much; where sizes are those of a head, of a unit or of one kernel's tile, they fit.
TAKES_MEMORY = re.compile(r"\b(take|try_allocate|resize|reserve|assign|calloc|malloc|try_create|make_unique<[^()]*>)\(")
COUNTS_BYTES = re.compile(r"std::(?:size_t|uint64_t) \w*bytes\w*\([^;{}]*\{")
COUNTED_IN = ("core", "file", "gguf", "tensor", "kernels", "layers", "attention", "kv", "model", "generate")
SMALL = ("kv/tile.hpp", "kernels/unit_source.hpp", "kernels/reference_matmul.hpp")


def closing(text, at, opens, closes):
    """Where the bracket that opened before `at` is closed."""
    depth = 1
    while depth and at < len(text):
        depth += (text[at] == opens) - (text[at] == closes)
        at += 1
    return at


def computes(expression, operators):
    """Whether an operator stands outside of the checked functions, between what is more than literals and sizes in memory."""
    while match := re.search(r"\b(product_of_sizes|sum_of_sizes)\(", expression):
        expression = expression[:match.start()] + "checked" + expression[closing(expression, match.end(), "(", ")"):]
    expression = re.sub(r"[\w.]+(->|\.)size\(\)", "1", expression)
    return re.search(r" (%s) (?!\d)|[^\d] (%s) " % (operators, operators), expression)


def sizes(root):
    """No size is multiplied on its way to an allocation, and no function that counts bytes multiplies or adds, but by core/checked.hpp.
    Offsets into what was allocated so need no check: they are smaller. A line that says `// fits: why` is left alone."""
    found, seen = [], 0
    for folder, _, names in os.walk(os.path.join(root, "nibble")):
        for name in sorted(names):
            path = os.path.relpath(os.path.join(folder, name), os.path.join(root, "nibble"))
            if name.endswith("-inl.hpp") or path.replace(os.sep, "/") in SMALL:
                continue
            with open(os.path.join(folder, name)) as file:
                text = file.read()
            lines = text.splitlines()
            text = re.sub(r'//[^\n]*|"(?:[^"\\\n]|\\.)*"', lambda match: " " * len(match[0]), text)
            places = []
            for match in TAKES_MEMORY.finditer(text):
                seen += 1
                if computes(text[match.end():closing(text, match.end(), "(", ")") - 1], r"\*|<<"):
                    places.append(match.start())
            for match in COUNTS_BYTES.finditer(text) if path.split(os.sep)[0] in COUNTED_IN else ():
                for part in re.finditer(r"(?:return|=)\s([^;]*);", text[match.end():closing(text, match.end(), "{", "}")]):
                    if computes(part[1], r"\*|<<|\+"):
                        places.append(match.end() + part.start())
            for line in sorted({text.count("\n", 0, place) for place in places}):
                if "// fits:" not in lines[line]:
                    found.append("%s:%d: a size that is not computed by core/checked.hpp: %s" % (path, line + 1, lines[line].strip()))
    return found if seen else found + [root + ": nothing takes memory: this check compares nothing"]


def sizes_test():
    """The check of sizes sees what it is there for."""
    cases = [("x.resize(rows * columns);", 1), ("x.resize(product_of_sizes(rows, columns));", 0), ("a.take(n * sizeof(T));", 1),
             ("x.resize(rows * columns);  // fits: both are small", 0), ("x.reserve(name.size() + 1);", 0),
             ("auto b = buffer::try_allocate(\n    of(a) * 2);", 1), ("x.reserve(1 << bits);", 1), ("// x.resize(a * b)\nx.resize(a);", 0),
             ("constexpr std::size_t row_bytes(std::size_t n) noexcept { return n / 32 * block; }\nx.resize(1);", 1),
             ("std::size_t kept_bytes() {\n  return sum_of_sizes(a, product_of_sizes(b, c));\n}\nx.resize(1);", 0)]
    found = []
    for text, count in cases:
        with tempfile.TemporaryDirectory() as root:
            os.makedirs(os.path.join(root, "nibble/model"))
            with open(os.path.join(root, "nibble/model/a.hpp"), "w") as file:
                file.write(text)
            if len(sizes(root)) != count:
                found.append("%r: %d findings" % (text, len(sizes(root))))
    return found


# metadata::get() is the one that gives nothing where there is nothing, and a pool's constructor takes fewer threads than it is told:
# they need no exceptions.
NO_TWIN = {"gguf/metadata.hpp": {"try_get"}, "core/thread_pool.hpp": {"try_create"}}


def twins(root):
    """Every public try_x() has its twin in the same header, x() or a constructor, that throws: as many calls of it with `.value()`."""
    found, seen = [], 0
    for folder, _, names in os.walk(os.path.join(root, "nibble")):
        for name in sorted(names):
            path = os.path.relpath(os.path.join(folder, name), os.path.join(root, "nibble")).replace(os.sep, "/")
            if name.endswith(("-inl.hpp", "-impl.hpp")):
                continue
            with open(os.path.join(folder, name)) as file:
                text = re.sub(r'//(?! namespace)[^\n]*|"(?:[^"\\\n]|\\.)*"', "", file.read())
            text = re.sub(r"\nnamespace detail \{\n[^\n]*(?:\n(?!\}  // namespace detail)[^\n]*)*", "", text)
            text = re.sub(r"\n (?:private|protected):\n(?:(?!\n(?: public:|\};)).)*", "\n", text, flags=re.DOTALL)
            declared = [match[1] for match in re.finditer(r"\bresult<[^;{}()]*>\s+(try_\w+)\(", text)
                        if not re.match(r"[\w\s]*\boverride\b", text[closing(text, match.end(), "(", ")"):])]
            seen += len(declared)
            for function in sorted(set(declared) - NO_TWIN.get(path, set())):
                thrown = sum(re.match(r"\.value\(\)", text[closing(text, match.end(), "(", ")"):]) is not None
                             for match in re.finditer(r"\b%s(?:<\w+>)?\(" % function, text))
                if thrown < declared.count(function):
                    found.append("%s: %s stands there %d times, and what throws its error %d" % (path, function, declared.count(function), thrown))
    return found if seen else found + [root + ": no try_ is seen: this check compares nothing"]


def twins_test():
    """The check of twins sees what it is there for."""
    twin = "  static a load(int n) { return try_load(n).value(); }\n"
    cases = [("class a {\n public:\n  static result<a> try_load(int n);\n%s};\n" % twin, 0),
             ("class a {\n public:\n  static result<a> try_load(int n);\n};\n", 1),
             ("class a {\n public:\n  static result<a> try_load(int n);\n  static result<a> try_load(char c);\n%s};\n" % twin, 1),
             ("class a {\n public:\n  static result<a> try_create();\n  a() : a(try_create().value()) {}\n};\n", 0),
             ("result<int> try_b();\nclass a {\n private:\n  result<int> try_c();\n};\n", 1),
             ("namespace x {\nnamespace detail {\nresult<int> try_b();\n}  // namespace detail\nresult<int> try_c();\n}\n", 1)]
    found = []
    for text, count in cases:
        with tempfile.TemporaryDirectory() as root:
            os.makedirs(os.path.join(root, "nibble"))
            with open(os.path.join(root, "nibble/a.hpp"), "w") as file:
                file.write(text)
            if len(twins(root)) != count:
                found.append("%r: %s" % (text, twins(root)))
    return found


def alike(libraries, compiler):
    """A file that checks preconditions and a library that does not, or the other way round, do not link; alike, they do."""
    checked = "-DNIBBLE_CHECKED=1" in compiler
    found = []
    with tempfile.TemporaryDirectory() as folder:
        source = folder + "/unit.cpp"
        with open(source, "w") as file:
            file.write('#include "nibble/text/utf8.hpp"\nint main(int n, char** a) { return nibble::is_utf8(a[n - 1]) ? 0 : 1; }\n')
        for how in (False, True):
            flags = [flag for flag in compiler if not flag.startswith("-DNIBBLE_CHECKED")] + ["-DNIBBLE_CHECKED=%d" % how]
            done = subprocess.run([*flags, source, *libraries, "-o", folder + "/unit"], capture_output=True, text=True)
            if how == checked and done.returncode != 0:
                found.append("alike, they do not link:\n" + done.stderr)
            elif how != checked and (done.returncode == 0 or "valid_utf8_prefix" not in done.stderr):
                found.append("NIBBLE_CHECKED=%d links with a library of the other kind" % how)
    return found


# Another version of the library: its number, and members more in types that hosts hold, and that the two units pass around inside.
OTHER_VERSION = {
    "config.hpp": ("#define NIBBLE_VERSION_PATCH ", "#define NIBBLE_VERSION_PATCH 9"),
    "error.hpp": ("  errc code_;", "  double more_[5] = {}; errc code_;"),
    "core/aligned.hpp": ("class aligned_buffer {", "class aligned_buffer { long more_[3] = {};"),
    "core/thread_pool.hpp": ("class thread_pool {", "class thread_pool { long more_[3] = {};"),
    "model/any_model.hpp": ("class any_model {", "class any_model { long more_[3] = {};"),
    "model/loaded_model.hpp": ("class loaded_model {", "class loaded_model { long more_[3] = {};"),
    "generate/session.hpp": ("class session {", "class session { long more_[3] = {};"),
    "generate/session_state.hpp": ("struct session_state {", "struct session_state { long more_[3] = {};"),
    "kernels/table.hpp": ("struct kernel_table {", "struct kernel_table { void* more_[3] = {};"),
    "text/tokenizer.hpp": ("class tokenizer {", "class tokenizer { long more_[3] = {};"),
}
SPEAKER = """#include <nibble/nibble.hpp>
#include <cstdio>
bool speak_%s(const char* path, char* text, std::size_t room) {
  std::string said;
  auto model = nibble::any_model::try_load(path, {.threads = 2});
  if (!model) return false;
  auto session = nibble::session::try_create(*model, {.context = 64});
  if (!session) return false;
  for (auto& event : session->generate("It was a dark", {.max_tokens = 8, .sampler = nibble::temperature{0.8f} | nibble::top_k{40}}))
    said += event.text;
  try {
    nibble::any_model::load("/nowhere.gguf");
    return false;
  } catch (const nibble::error& e) {
    said += e.what();
  }
  std::snprintf(text, room, "%%s", said.c_str());
  return true;
}
"""
BOTH = """#include <cstdio>
#include <cstring>
bool speak_old(const char*, char*, std::size_t);
bool speak_new(const char*, char*, std::size_t);
int main(int, char** argv) {
  char a[999], b[999], c[999];
  const bool good = speak_old(argv[1], a, sizeof a) && speak_new(argv[1], b, sizeof b) && speak_old(argv[1], c, sizeof c);
  if (!good || std::strcmp(a, b) != 0 || std::strcmp(a, c) != 0) return std::printf("%d\\n%s\\n%s\\n%s\\n", good, a, b, c), 1;
}
"""


def defined(paths):
    """What some objects and libraries define for others to see: mangled names, and how they read."""
    names = set()
    for path in paths:
        for line in run("nm", "--defined-only", "-g", path).splitlines():
            if len(line.split()) == 3:
                names.add(line.split()[2])
    readable = subprocess.run(["c++filt"], input="\n".join(sorted(names)), capture_output=True, text=True).stdout.splitlines()
    return dict(zip(sorted(names), readable))


def versions(model, libraries, compiler):
    """Two versions whose types differ speak in one program, in either order of linking; no name of theirs is the same."""
    include = next(flag[2:] for flag in compiler if flag.startswith("-I") and os.path.isdir(flag[2:] + "/nibble"))
    found = []
    with tempfile.TemporaryDirectory() as folder:
        other = folder + "/include"
        shutil.copytree(include, other)
        for name, (old, new) in OTHER_VERSION.items():
            with open(other + "/nibble/" + name) as file:
                text = file.read()
            if text.count(old) < 1:
                return ["%s has no line %s: this check compares less than it says" % (name, old)]
            at = text.index(old)
            end = text.index("\n", at) if name == "config.hpp" else at + len(old)
            with open(other + "/nibble/" + name, "w") as file:
                file.write(text[:at] + new + text[end:])
        sources = {"old": SPEAKER % "old", "new": "#include <nibble/compile.hpp>\n" + SPEAKER % "new", "main": BOTH}
        for name, text in sources.items():
            with open("%s/%s.cpp" % (folder, name), "w") as file:
                file.write(text)
        plain = [flag for flag in compiler if flag != "-I" + include]
        # The other version as headers alone; of its kernels those of the oldest instruction set, and of few formats, to take less time.
        run(*plain, "-DHWY_COMPILE_ONLY_STATIC", "-DNIBBLE_FORMATS=q4_k,q5_k,q6_k", "-I" + other, "-c", folder + "/new.cpp", "-o", folder + "/new.o")
        run(*compiler, "-c", folder + "/old.cpp", "-o", folder + "/old.o")
        run(*plain, "-c", folder + "/main.cpp", "-o", folder + "/main.o")
        for order in (["old.o", "new.o"], ["new.o", "old.o"]):
            objects = [folder + "/" + name for name in ["main.o", *order]]
            run(*plain, *objects, *libraries, "-pthread", "-o", folder + "/both")
            done = subprocess.run([folder + "/both", model], capture_output=True, text=True)
            if done.returncode != 0:
                found.append("linked as %s: status %d\n%s" % (" ".join(order), done.returncode, done.stdout))
        ours, theirs = defined([folder + "/old.o", *libraries[:2]]), defined([folder + "/new.o"])
        found += ["both versions define " + ours[name] for name in ours.keys() & theirs.keys() if "nibble" in ours[name]]
        found += ["no version in " + readable for readable in {**ours, **theirs}.values()
                  if "nibble" in readable and not re.search(r"nibble(::|\d+)(v|kernels_)\d+_\d+_\d+", readable) and "speak_" not in readable]
        if len(ours) < 100 or len(theirs) < 100:
            found.append("few names are seen: this check compares nothing")
    return found


def machines(include, clang):
    """Machines that are not supported are refused by one sentence each, and those that are not by none."""
    says = {"i686-linux-gnu": "as precise as they say", "avr": "32 bits or more", "mips64-linux-gnu": "little-endian",
            "powerpc64-linux-gnu": "little-endian", "s390x-linux-gnu": "little-endian", "aarch64-linux-gnu": None, "x86_64-linux-gnu": None,
            "x86_64-linux-gnux32": None, "riscv64-linux-gnu": None, "wasm32-unknown-emscripten": None}
    found, paths = [], []
    done = subprocess.run([clang, "-xc++", "-E", "-v", os.devnull], capture_output=True, text=True)
    for line in done.stderr.splitlines():  # this machine's headers are as good as another's for what config.hpp includes
        if line.startswith(" /"):
            paths += ["-isystem", line.strip()]
    with tempfile.TemporaryDirectory() as folder:
        os.makedirs(folder + "/gnu")
        for kind in ("32", "x32", "64", "n64_hard"):
            open("%s/gnu/stubs-%s.h" % (folder, kind), "w").close()
        with open(folder + "/unit.cpp", "w") as file:
            file.write('#include "nibble/config.hpp"\n')
        for target, sentence in says.items():
            done = subprocess.run([clang, "-std=c++20", "--target=" + target, "-I" + include, "-isystem", folder, *paths,
                                   "-fsyntax-only", folder + "/unit.cpp"], capture_output=True, text=True)
            errors = [line for line in done.stderr.splitlines() if " error: " in line]
            if len(errors) != (1 if sentence else 0) or (sentence and sentence not in errors[0]):
                found.append("%s: %s" % (target, errors))
    return found


def finite_math(compiler):
    """A file whose flags take NaN for impossible, or change the order of sums, is refused by one sentence. clang does not tell of
    the latter."""
    found = []
    clang = "clang" in subprocess.run([compiler[0], "--version"], capture_output=True, text=True).stdout
    order = (None if clang else "nibble's sums have one order")
    cases = ((["-ffast-math"], "nibble needs NaN"), (["-Ofast"], "nibble needs NaN"), (["-ffinite-math-only"], "nibble needs NaN"),
             (["-O3"], None), (["-ffast-math", "-fno-finite-math-only"], order), (["-funsafe-math-optimizations"], order),
             (["-fassociative-math", "-fno-signed-zeros", "-fno-trapping-math"], order), (["-freciprocal-math"], order),
             (["-fno-signed-zeros"], order), (["-fno-math-errno", "-fno-trapping-math"], None))
    with tempfile.TemporaryDirectory() as folder:
        for header in ("nibble/config.hpp", "nibble/kernels/compile.hpp"):
            with open(folder + "/unit.cpp", "w") as file:
                file.write('#include "%s"\n' % header)
            for flags, sentence in cases if header == "nibble/config.hpp" else cases[3:5]:
                done = subprocess.run([*compiler, *flags, "-E", "-o", folder + "/unit.ii", folder + "/unit.cpp"],
                                      capture_output=True, text=True)
                errors = [line for line in done.stderr.splitlines() if "error: " in line]
                if len(errors) != (1 if sentence else 0) or (sentence and sentence not in errors[0]):
                    found.append("%s, %s: %s" % (header, " ".join(flags), errors))
    return found


# Preconditions that a program cannot test: on lifetimes, on what a parameter refers to, on states of what others own; and those
# of functions to which tables of kernels point, which throw nothing.
UNTESTABLE = """
tensor/eigen.hpp view_of
gguf/value.hpp borrow
quant/format.hpp decode_row
quant/panel.hpp group_bytes
quant/panel.hpp pack_unit
quant/panel.hpp unit_bytes
quant/panel.hpp widen_unit
file/byte_reader.hpp load_little
text/normalize.hpp to_nfc
"""


def stated_preconditions(include):
    """Functions in whose docs the word stands, as (header, name)."""
    stated = []
    for folder, _, names in os.walk(os.path.join(include, "nibble")):
        for name in sorted(names):
            if not name.endswith(".hpp") or re.search(r"-(impl|inl)\.hpp$", name):
                continue
            path = os.path.join(folder, name)
            with open(path) as file:
                lines = file.read().splitlines()
            said = private = False
            for line in lines:
                private = (private or line.startswith("namespace detail {")) and not line.startswith("}  // namespace detail")
                if private:
                    continue
                if line.lstrip().startswith("///"):
                    said = said or "precondition" in line
                    continue
                if said and (match := re.search(r"(operator *(?:\(\)|\[\]|[^ (\w]+)|\b(?!requires|noexcept|decltype|sizeof|size_t)[a-z_]\w*) ?\(", line)):
                    stated.append((os.path.relpath(path, os.path.join(include, "nibble")), match[1]))
                    said = False
                elif line.strip() and not line.lstrip().startswith(("template", "requires", "[[", "//")):
                    said = False
    return stated


def preconditions(include, cases):
    """Each precondition that docs state has a case that breaks it, or stands in the list above."""
    with open(cases) as file:
        tested = set(re.findall(r'\{"([\w/.]+\.hpp)", "([^"]+)"', file.read()))
    lists = {tuple(line.split(" ", 1)) for line in UNTESTABLE.strip().splitlines() if line}
    stated = set(stated_preconditions(include))
    for header, name in stated:  # those of a folder have a test there, too
        test = os.path.join(os.path.dirname(cases), "..", header.split("/")[0], "preconditions_test.cpp")
        if os.path.exists(test) and re.search(r"\b%s\(" % re.escape(name), open(test).read()):
            tested.add((header, name))
    found = ["%s: %s has no case that breaks its precondition" % key for key in sorted(stated - tested - lists)]
    found += ["%s: %s states no precondition (any more)" % key for key in sorted((tested | lists) - stated)]
    found += ["%s: %s has a case, and stands in the list of those without" % key for key in sorted(tested & lists)]
    return found if len(stated) > 20 else found + ["few preconditions are seen: this check compares nothing"]


def cost(compiler, source, folder):
    """Processor seconds and megabytes of the compiler for one file."""
    child = subprocess.Popen([*compiler, "-O2", "-c", source, "-o", folder + "/unit.o"])
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit("does not compile: " + source)
    return round(usage.ru_utime + usage.ru_stime, 2), round(usage.ru_maxrss / 1024)


# What tells how slow a compiler is here, and now: on a machine where this file takes longer than so many seconds, all have more time.
STANDARD = "".join("#include <%s>\n" % name for name in ("algorithm", "filesystem", "functional", "iostream", "map", "regex"))
STANDARD += 'int main() { return std::regex_match("a", std::regex("a|b")); }\n'
STANDARD_SECONDS = 2.5


def over(name, found, most, slowness=1.0):
    """What to say of a cost in (seconds, megabytes) and its budget, of whose time a machine gets twice as much, or more if it is slow."""
    if found[0] <= 2 * max(1.0, slowness) * most[0] and found[1] <= most[1]:
        return []
    return ["%s: %s s and %s MB are over the budget of %s s and %s MB" % (name, *found, *most)]


def with_architectures(count, compiler, folder):
    """The compiler's command for a copy of the headers in which so many more architectures are registered."""
    flag = next(flag for flag in compiler if os.path.isdir(flag[2:] + "/nibble") and flag.startswith("-I"))
    shutil.copytree(flag[2:] + "/nibble", folder + "/nibble")
    registry = folder + "/nibble/model/registry.hpp"
    with open(registry) as file:
        text = file.read()
    struct = 'struct made_up_%d : llama {\n  static constexpr std::string_view name = "made-up-%d";\n  using llama::llama;\n};\n'
    structs = "namespace arch {\n%s}\n" % "".join(struct % (i, i) for i in range(count))
    names = "".join(", arch::made_up_%d" % i for i in range(count))
    text, places = re.subn(r"(using architectures\s*=\s*type_list<)([^;]*)>;", lambda m: structs + m[1] + m[2] + names + ">;", text)
    if places != 1:
        sys.exit("no list of architectures in model/registry.hpp")
    with open(registry, "w") as file:
        file.write(text)
    return ["-I" + folder if other == flag else other for other in compiler]


def budget(report, hello, compiler):
    """What a user's translation unit costs, written as JSON: a file that includes nibble.hpp and nothing else, and the program of
    the first example, with a model, a session and a loop of events.

    The budget is for g++ -O2 on a core of 2020."""
    within = [((8, 400), (4, 400)), ((16, 400), (4, 400), 2)]
    beyond = [((8.1, 1), (4, 400), 0.5), ((16.1, 1), (4, 400), 2), ((1, 401), (4, 400))]
    if any(over("", *case) for case in within) or not all(over("", *case) for case in beyond):
        return ["the budget does not see what is over it"]
    facts = {"compiler": run(compiler[0], "--version").splitlines()[0], "flags": "-std=c++20 -O2", "units": {}}
    found = []
    with tempfile.TemporaryDirectory() as folder:
        include = folder + "/include.cpp"
        with open(include, "w") as file:
            file.write("#include <nibble/nibble.hpp>\nint main() {}\n")
        with open(folder + "/standard.cpp", "w") as file:
            file.write(STANDARD)
        # Each: its name, its file, the budget in seconds and in megabytes.
        units = [("include", include, 4, 450), ("hello", hello, 6, 450)]
        for name, source, *most in units:
            slowness = cost(compiler, folder + "/standard.cpp", folder)[0] / STANDARD_SECONDS
            seconds, megabytes = cost(compiler, source, folder)
            facts["units"][name] = {"seconds": seconds, "megabytes": megabytes, "budget": most, "slowness": round(slowness, 2)}
            found += over(name, (seconds, megabytes), most, slowness)
        # Architectures are compiled with the library: to a user's file their number is nothing.
        seconds, megabytes = cost(with_architectures(26, compiler, folder + "/more"), hello, folder)
        known = facts["units"]["hello"]["megabytes"]
        facts["units"]["hello with 26 more architectures"] = {"seconds": seconds, "megabytes": megabytes}
        if megabytes > 1.05 * known:
            found.append("26 more architectures cost a user's file %s MB instead of %s" % (megabytes, known))
    with open(report, "w") as file:
        json.dump(facts, file, indent=1)
    print(json.dumps(facts))
    return found


def typed(one, every):
    """A program with one architecture has its parts and no others, and is smaller than one with all of them."""
    # Parts of others: none of them may be called what qwen3's are, and all of them are in every architecture together.
    foreign = ("latent_attention", "mamba2_mixer", "delta_net", "short_convolution", "expert_feed_forward", "plain_feed_forward")
    found, kilobytes = [], []
    with tempfile.TemporaryDirectory() as folder:
        for program in (one, every):
            symbols = run("nm", "-C", program)
            held = [part for part in foreign if re.search(r"arch::%s::forward" % part, symbols)]
            if program == one:
                found += ["a program with qwen3 alone holds %s" % part for part in held]
            elif len(held) < len(foreign):
                found.append("of the parts that are looked for, only %s are seen: this check compares nothing" % ", ".join(held))
            run("strip", "-o", folder + "/stripped", program)
            kilobytes.append(os.path.getsize(folder + "/stripped") / 1024)
    print("stripped: one architecture %.0f KiB, all of them %.0f KiB" % tuple(kilobytes))
    return found if kilobytes[0] < kilobytes[1] else found + ["a program with one architecture is no smaller than one with all"]


def headers_of_others(include, path, seen):
    """What the headers behind one include that is not ours."""
    others = set()
    if path not in seen:
        seen.add(path)
        for ours, name in re.findall(r'^ *# *include ("nibble/|<)([^">]+)', (include / path).read_text(), re.M):
            others |= {name} if ours == "<" else headers_of_others(include, "nibble/" + name, seen)
    return others


def packages(root):
    """What packages and documents repeat: the version, the headers of others in front of the module, and the options of CMake."""
    root, found = pathlib.Path(root), []
    named = set(re.findall(r"^#include <([^>]+)>", (root / "packaging/nibble.cppm").read_text(), re.M))
    missing = headers_of_others(root / "include", "nibble/nibble.hpp", set()) - named
    if missing or len(named) < 20: found.append("packaging/nibble.cppm lacks %s" % sorted(missing))
    numbers = re.findall(r"^#define NIBBLE_VERSION_\w+ (\d+)", (root / "include/nibble/config.hpp").read_text(), re.M)
    for path in ("vcpkg.json", "packaging/vcpkg/nibble/vcpkg.json"):
        version = json.loads((root / path).read_text())["version"]
        if version != ".".join(numbers): found.append("%s: version %s, expected %s" % (path, version, ".".join(numbers)))
    options = set()
    for path in ("CMakeLists.txt", "tests/CMakeLists.txt", "tests/fuzz/CMakeLists.txt"):
        options |= set(re.findall(r"^(?:option\(|set\((?=.*CACHE))(NIBBLE_\w+)", (root / path).read_text(), re.M))
    table = re.search(r"^\| option of CMake .*?\n\n", (root / "README.md").read_text(), re.M | re.S)[0]
    named = set(name for row in table.strip().splitlines()[2:] for name in re.findall(r"`(NIBBLE_\w+)`", row.split("|")[1]))
    if len(options) < 10: found.append("finds only the options %s" % sorted(options))
    return found + ["README.md: the table of CMake's options lacks %s" % name for name in sorted(options - named)] + \
        ["README.md: %s is no option of CMake" % name for name in sorted(named - options)]


def main(command, *rest):
    if command == "symbols":
        found = symbols(rest)
    elif command == "exports":
        found = exports(rest[0])
    elif command == "macros":
        found = macros(rest)
    elif command == "alike":
        found = alike(rest[:3], rest[3:])
    elif command == "versions":
        found = versions(rest[0], rest[1:4], rest[4:])
    elif command == "preconditions":
        found = preconditions(*rest)
    elif command == "finite_math":
        found = finite_math(rest)
    elif command == "machines":
        found = machines(*rest)
    elif command == "packages":
        found = packages(*rest)
    elif command == "typed":
        found = typed(*rest)
    elif command == "layers":
        found = layers_test() + layers(rest[0])
    elif command == "sizes":
        found = sizes_test() + sizes(rest[0])
    elif command == "twins":
        found = twins_test() + twins(rest[0])
    else:
        found = budget(rest[0], rest[1], rest[2:])
    print("\n".join(found))
    sys.exit(1 if found else 0)


main(*sys.argv[1:])
