"""Facts that a compiler's other tools can tell. Usage: check.py symbols OBJECT... | exports LIBRARY | macros COMPILER FLAG... |
budget JSON HELLO COMPILER FLAG... | alike LIBRARY KERNELS HIGHWAY COMPILER FLAG... | layers INCLUDE_FOLDER ; exit status 1 and one line a finding when
a promise is broken."""
import json
import os
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


def cost(compiler, source, folder):
    """Processor seconds and megabytes of the compiler for one file."""
    child = subprocess.Popen([*compiler, "-O2", "-c", source, "-o", folder + "/unit.o"])
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit("does not compile: " + source)
    return round(usage.ru_utime + usage.ru_stime, 2), round(usage.ru_maxrss / 1024)


def over(name, found, most):
    """What to say of a cost in (seconds, megabytes) and its budget. A slower machine, or one that is busy, gets twice the time."""
    if found[0] <= 2 * most[0] and found[1] <= most[1]:
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
    if over("", (8, 400), (4, 400)) or not over("", (8.1, 1), (4, 400)) or not over("", (1, 401), (4, 400)):
        return ["the budget does not see what is over it"]
    facts = {"compiler": run(compiler[0], "--version").splitlines()[0], "flags": "-std=c++20 -O2", "units": {}}
    found = []
    with tempfile.TemporaryDirectory() as folder:
        include = folder + "/include.cpp"
        with open(include, "w") as file:
            file.write("#include <nibble/nibble.hpp>\nint main() {}\n")
        # Each: its name, its file, the budget in seconds and in megabytes.
        units = [("include", include, 4, 400), ("hello", hello, 6, 400)]
        for name, source, *most in units:
            seconds, megabytes = cost(compiler, source, folder)
            facts["units"][name] = {"seconds": seconds, "megabytes": megabytes, "budget": most}
            found += over(name, (seconds, megabytes), most)
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


def main(command, *rest):
    if command == "symbols":
        found = symbols(rest)
    elif command == "exports":
        found = exports(rest[0])
    elif command == "macros":
        found = macros(rest)
    elif command == "alike":
        found = alike(rest[:3], rest[3:])
    elif command == "layers":
        found = layers_test() + layers(rest[0])
    else:
        found = budget(rest[0], rest[1], rest[2:])
    print("\n".join(found))
    sys.exit(1 if found else 0)


main(*sys.argv[1:])
