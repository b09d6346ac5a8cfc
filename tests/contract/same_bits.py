"""same_bits.py INCLUDE_FOLDER LIBRARY COMPILER...: kernels and their scalar reference have one result for all instruction sets,
compilers and levels of optimisation. Compiles same_bits.cpp with each compiler, two at a time, and says which results differ.

The result is a number here, so that machines that are not at hand are compared as well; what changes the numbers of kernels on
purpose changes it, too."""
import os
import platform
import subprocess
import sys
import tempfile

RESULT = "c6c70199d03ab4bb"
X86 = platform.machine() in ("x86_64", "AMD64")
AVX2 = ["-mavx2", "-mbmi", "-mbmi2", "-mfma", "-mf16c", "-maes", "-mpclmul"] if X86 else []
AVX3 = ["-march=icelake-server"] if X86 else []
# The flag that lets compilers fuse whatever they can, with little and with much optimisation.
WAYS = [["-O1", "-ffp-contract=fast", *AVX2], ["-O3", *AVX2], ["-O2", "-ffp-contract=fast", *AVX3]]


def compile(compiler, flags, include, library, to):
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "same_bits.cpp")
    return subprocess.Popen([compiler, "-std=c++20", "-DHWY_COMPILE_ONLY_STATIC", "-I" + include, *flags, source, library, "-o", to],
                            stderr=subprocess.PIPE, text=True)


def main(include, library, *compilers):
    found = []
    with tempfile.TemporaryDirectory() as folder:
        ways = [(c, flags) for c in compilers for flags in WAYS]
        for at in range(0, len(ways), 2):
            pair = [(way, os.path.join(folder, str(at + i))) for i, way in enumerate(ways[at:at + 2])]
            running = [(way, program, compile(*way, include, library, program)) for way, program in pair]
            for way, program, process in running:
                errors = process.communicate()[1]
                if process.returncode != 0:
                    found.append("%s: %s" % (way, errors))
                    continue
                done = subprocess.run([program], capture_output=True, text=True)
                if done.returncode == -4:
                    continue  # this CPU lacks the instructions
                if done.stdout.split() != [RESULT, RESULT]:
                    found.append("%s: kernels and reference give %s, expected %s" % (way, done.stdout.strip(), RESULT))
    print("\n".join(found))
    sys.exit(1 if found else 0)


main(*sys.argv[1:])
