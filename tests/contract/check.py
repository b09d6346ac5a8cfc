"""Facts that a compiler's other tools can tell. Usage: check.py symbols OBJECT... | exports LIBRARY | macros COMPILER FLAG... |
budget JSON COMPILER FLAG... ; exit status 1 and one line a finding when a promise is broken."""
import json
import re
import resource
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


def budget(report, compiler):
    """One translation unit that includes nibble.hpp: processor seconds and memory of the compiler, written as JSON.

    The published budget is 6 s and 400 MB with g++ -O2. A loaded or slower machine gets twice the time before this fails."""
    with tempfile.TemporaryDirectory() as folder:
        source = folder + "/unit.cpp"
        with open(source, "w") as file:
            file.write("#include <nibble/nibble.hpp>\nint main() {}\n")
        run(*compiler, "-O2", "-c", source, "-o", folder + "/unit.o")
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds, megabytes = round(usage.ru_utime + usage.ru_stime, 2), round(usage.ru_maxrss / 1024)
    facts = {"header": "nibble/nibble.hpp", "compiler": run(compiler[0], "--version").splitlines()[0], "flags": "-std=c++20 -O2",
             "seconds": seconds, "megabytes": megabytes}
    with open(report, "w") as file:
        json.dump(facts, file, indent=1)
    print(json.dumps(facts))
    return ["%s s and %s MB are over the budget" % (seconds, megabytes)] if seconds > 12 or megabytes > 400 else []


def main(command, *rest):
    if command == "symbols":
        found = symbols(rest)
    elif command == "exports":
        found = exports(rest[0])
    elif command == "macros":
        found = macros(rest)
    else:
        found = budget(rest[0], rest[1:])
    print("\n".join(found))
    sys.exit(1 if found else 0)


main(*sys.argv[1:])
