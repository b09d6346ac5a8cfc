"""What the library weighs at compile time: seconds, memory and object size of the translation units a host compiles.

python3 bench/weight.py [--cxx g++] [--flags=-O2] [--json OUT.json] [--header-seconds 6] [--header-mb 450] [--kernels-seconds 45]
                        [--kernels-mb 700]

headers  a file that includes nibble/nibble.hpp and nothing else
hello    examples/01_hello.cpp: the same with a model, a session and a loop of events
kernels  the file that includes nibble/kernels/compile.hpp, once a program; by g++ with the flag that CMake gives it
library  the file that includes all else that is compiled once, but for what has files of its own:
tokenizers, templates, models, decoder, architectures, samplers, grammars, generating  such files
Seconds are those of the processor, so that other work on the machine does not count. Fails above a budget; 0 takes it away.
"""
import argparse, os, shlex, subprocess, sys, tempfile, time
from measure import ROOT, add_json, at_least, given, machine, write_json

UNITS = {"headers": "#include <nibble/nibble.hpp>\n", "kernels": "#include <nibble/kernels/compile.hpp>\n",
         "library": "#include <nibble/library-impl.hpp>\n", "tokenizers": "#include <nibble/text/tokenizers-impl.hpp>\n",
         "templates": "#include <nibble/text/template/jinja_template-impl.hpp>\n",
         "models": "#include <nibble/model/models-impl.hpp>\n", "decoder": "#include <nibble/model/decoder-impl.hpp>\n",
         "architectures": "#include <nibble/model/registry-impl.hpp>\n", "samplers": "#include <nibble/sample/samplers-impl.hpp>\n",
         "grammars": "#include <nibble/grammar/grammars-impl.hpp>\n",
         "generating": "#include <nibble/generate/generating-impl.hpp>\n"}


def compile_unit(command, source, folder):
    """Compiles one file without a compiler cache; figures of the compiler's processes, the largest for memory."""
    target = os.path.join(folder, "unit.o")
    start = time.perf_counter()
    try: child = subprocess.Popen(command + ["-c", source, "-o", target], env={**os.environ, "CCACHE_DISABLE": "1"})
    except OSError as e: sys.exit("--cxx: %s: %s" % (command[0], e.strerror))
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode: sys.exit("failed: %s -c %s" % (" ".join(command), source))
    mb = used.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return {"seconds": used.ru_utime + used.ru_stime, "elapsed_s": time.perf_counter() - start, "peak_rss_mb": mb,
            "object_kb": os.path.getsize(target) / 1024, "text_kb": text_kb(target)}


def text_kb(target):
    """Code and constants of an object; None without the tool `size`."""
    try: lines = subprocess.run(["size", target], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.splitlines()
    except OSError: return None
    return int(lines[1].split()[0]) / 1024 if len(lines) > 1 else None


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--cxx", type=given, default=os.environ.get("CXX", "g++")); p.add_argument("--flags", default="-O2")
    p.add_argument("--eigen", default="/usr/include/eigen3", help="folder of Eigen's headers")
    add_json(p)
    for name, most in (("header-seconds", 6), ("header-mb", 450), ("kernels-seconds", 45), ("kernels-mb", 700)):
        p.add_argument("--" + name, type=at_least(0, float), default=most)
    a = p.parse_args()
    budget = {"headers": {"seconds": a.header_seconds, "peak_rss_mb": a.header_mb},
              "kernels": {"seconds": a.kernels_seconds, "peak_rss_mb": a.kernels_mb}}
    command = shlex.split(a.cxx) + ["-std=c++20"] + shlex.split(a.flags) + ["-I" + os.path.join(ROOT, "include"), "-isystem", a.eigen]
    units, above = {}, []
    with tempfile.TemporaryDirectory() as folder:
        sources = {}
        for name, text in UNITS.items():
            sources[name] = os.path.join(folder, name + ".cpp")
            with open(sources[name], "w") as f: f.write(text)
        hello = os.path.join(ROOT, "examples/01_hello.cpp")
        if os.path.isfile(hello): sources["hello"] = hello
        for name, source in sources.items():
            own = ["--param=ggc-min-expand=30"] if name == "kernels" and "clang" not in a.cxx else []
            u = units[name] = compile_unit(command + own, source, folder)
            print("%-8s %5.1f s of processor, %4.0f MiB, object %6.0f KiB%s" % (
                name, u["seconds"], u["peak_rss_mb"], u["object_kb"], ", code %5.0f KiB" % u["text_kb"] if u["text_kb"] else ""), flush=True)
            for key, most in budget.get(name, {}).items():
                if most and u[key] > most: above.append("%s: %s %.1f, budget %.1f" % (name, key, u[key], most))
    version = subprocess.run(shlex.split(a.cxx) + ["--version"], stdout=subprocess.PIPE, text=True).stdout.splitlines()
    write_json(a.json, {"machine": machine(), "compiler": version[0] if version else a.cxx, "flags": a.flags, "units": units, "budget": budget})
    if above: sys.exit("too heavy: " + "; ".join(above))


if __name__ == "__main__": main()
