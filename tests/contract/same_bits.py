"""same_bits.py [--all] INCLUDE_FOLDER LIBRARY COMPILER...: kernels and their scalar reference have one result for all instruction sets,
compilers and levels of optimization. Compiles same_bits.cpp, two at a time, and says which results differ: in half of the ways with the
first compiler, and in the others with the second; with --all in all ways with each. Says what this CPU cannot run, and ends with
77 where that is everything.

The result is a number here, so that machines that are not at hand are compared as well; what changes the numbers of kernels on
purpose changes it, too."""
import os
import platform
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

RESULT = "ccdfc96dd6d89831"
# Those that cannot fuse multiplication and addition.
NOT_FUSED = ("SSE4", "SSSE3", "SSE2", "WASM")
FUSE = "-ffp-contract=fast"  # lets compilers fuse whatever they can: with little optimization, and with much
X86 = platform.machine() in ("x86_64", "AMD64")
AVX2 = ["-mavx2", "-mbmi", "-mbmi2", "-mfma", "-mf16c", "-maes", "-mpclmul"]
# The dot products of AVX-VNNI by other instructions: a processor without them runs all else of that table.
EMULATED = "-DNIBBLE_EMULATED_AVX_VNNI"
# The instructions that such code needs, as /proc/cpuinfo calls them.
NEEDED = {"-mavx2": "avx2", "-mbmi": "bmi1", "-mbmi2": "bmi2", "-mfma": "fma", "-mf16c": "f16c", "-maes": "aes", "-mpclmul": "pclmulqdq",
          "-march=skylake-avx512": "avx512f avx512cd avx512bw avx512dq avx512vl", "-mavxvnni": "avx_vnni",
          "-march=icelake-server": "avx512_vbmi2 avx512_vnni avx512_bitalg avx512ifma vaes vpclmulqdq gfni"}
WAYS = [["-O1", FUSE, EMULATED, *AVX2], ["-O3", *AVX2], ["-O3", FUSE, "-march=skylake-avx512"],
        ["-O2", FUSE, "-march=icelake-server", "-mavxvnni"]] if X86 else [["-O1", FUSE], ["-O3", FUSE]]


def can_run(way):
    """Whether this CPU says that it has the instructions of a way."""
    try:
        with open("/proc/cpuinfo") as file:
            has = next((line.split() for line in file if line.startswith("flags")), [])
    except OSError:
        has = []
    return bool(has) and all(name in has for flag in way for name in NEEDED.get(flag, "").split())


def result_of(way, include, library, folder):
    """What one way of compiling gives: its lines, or None where this CPU lacks the instructions."""
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "same_bits.cpp")
    program = os.path.join(folder, str(abs(hash(tuple(way)))))
    subprocess.run([way[0], "-std=c++20", "-DHWY_COMPILE_ONLY_STATIC", "-I" + include, *way[1:], source, library, "-o", program],
                   check=True)
    done = subprocess.run([program], capture_output=True, text=True)
    if done.returncode == -signal.SIGILL and not can_run(way):
        return None
    done.check_returncode()
    return [line.split() for line in done.stdout.splitlines()]


def main(include, library, *compilers):
    everything = include == "--all"
    if everything:
        include, library, *compilers = (library, *compilers)
    ways = [[compiler, *flags] for i, compiler in enumerate(compilers) for flags in (WAYS if everything else WAYS[i % 2::2])]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda way: result_of(way, include, library, folder), ways))
    wrong = 0
    for way, lines in zip(ways, results):
        if lines is None:
            print("not run, for this CPU cannot: %s" % " ".join(way))
            continue
        for target, result in lines:
            if result != RESULT and target not in NOT_FUSED:
                wrong += 1
                print("%s: %s gives %s, expected %s" % (" ".join(way), target, result, RESULT))
        if EMULATED in way and "AVX_VNNI" not in [target for target, _ in lines]:
            wrong += 1
            print("%s: does not choose AVX-VNNI" % " ".join(way))
    ran = sorted({target for lines in results if lines for target, _ in lines})
    print("compared: %s; by %s" % (" ".join(ran) or "nothing", ", ".join(compilers)))
    sys.exit(1 if wrong else 0 if ran else 77)


main(*sys.argv[1:])
