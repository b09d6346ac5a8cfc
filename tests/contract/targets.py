"""targets.py CMAKE FOLDER_OF_MODULES COMPILER FLAG...: which instruction sets NIBBLE_TARGETS chooses, as a macro and in CMake; and
which weight formats NIBBLE_FORMATS does.

Says what is not as it should be; compiles no kernel."""
import re
import subprocess
import sys
import tempfile

DEFAULT = "HWY_SSE4|HWY_AVX2|HWY_AVX3|HWY_AVX3_DL"
# Flags, and what is there beside the target that the flags of the file promise.
CHOICES = [([], DEFAULT), (["-DNIBBLE_TARGETS=HWY_AVX2"], "HWY_AVX2"), (["-DNIBBLE_TARGETS=HWY_SSSE3|HWY_AVX2"], "HWY_SSSE3|HWY_AVX2"),
           (["-DNIBBLE_TARGETS=HWY_AVX3_DL", "-msse4.2"], "HWY_AVX3_DL"), (["-DHWY_DISABLED_TARGETS=HWY_SSE4", "-DOWN_MASK"], "HWY_AVX2"), (["-DNIBBLE_TARGETS=HWY_EMU128"], "0")]
# Lists of CMake, and the macro that they become, or a part of the error.
LISTS = [("", "[]"), ("AVX2;SSE4", "[NIBBLE_TARGETS=(HWY_AVX2|HWY_SSE4)]"), ("NEON", "[NIBBLE_TARGETS=(HWY_NEON)]"), ("WASM", "[NIBBLE_TARGETS=(HWY_WASM)]"),
         ("native", "[NIBBLE_TARGETS=(HWY_EMU128)]"),  # on a processor that no kernels are made for
         ("SSE4;native", "[NIBBLE_TARGETS=(HWY_SSE4|HWY_EMU128)]"), ("EMU128;native", "[NIBBLE_TARGETS=(HWY_EMU128)]"),
         ("avx2;Sse4", "[NIBBLE_TARGETS=(HWY_AVX2|HWY_SSE4)]"), ("AVX2;Native", "[NIBBLE_TARGETS=(HWY_AVX2|HWY_EMU128)]"),
         ("AVX2;NEON", "[NIBBLE_TARGETS=(HWY_AVX2|HWY_NEON)]"), ("AVX2;AVX9", "NIBBLE_TARGETS: AVX9 is none of native AVX10_2"),
         ("AVX2,SSE4", "EMU128; between names stands a semicolon"), ("AVX2 SSE4", "EMU128; between names stands a semicolon"), ("AVX2|SSE4", "EMU128; between names stands a semicolon"),
         (";", "NIBBLE_TARGETS: an empty name is none of native")]
FORMAT_LISTS = [("", "[]"), ("Q4_K;IQ4_NL;bf16", "[NIBBLE_FORMATS=q4_k,iq4_nl,bf16]"), ("Q4_K;Q9_K", "Q9_K is none of BF16 F16"),
                ("q4_k,q6_k", "TQ2_0; between names stands a semicolon"),
                (";", "NIBBLE_FORMATS: an empty name is none of BF16"), ("format", "format is none of"), ("Q4*", "Q4* is none of"), ("../quant/q4_k", "is none of")]


def macros(compiler, folder):
    """The macro, in a file of kernels."""
    found = []
    with open(folder + "/unit.cpp", "w") as file:
        file.write("#include \"nibble/kernels/target_macros.hpp\"\n#define FALLBACK (HWY_SCALAR | HWY_EMU128)\n"
                   "static_assert(((WANTED) & ~HWY_TARGETS) == 0, \"lacks\");\n"
                   "static_assert(HWY_TARGETS & (FALLBACK | 1LL << 14), \"has no code for every processor\");\n"
                   "#ifndef OWN_MASK\nstatic_assert((HWY_TARGETS & ~FALLBACK) == (WANTED), \"has more\");\n#endif\n")
    compile = [*compiler, "-fsyntax-only", folder + "/unit.cpp"]
    for flags, wanted in CHOICES:
        done = subprocess.run([*compile, "-DWANTED=" + wanted, *flags], capture_output=True, text=True)
        if done.returncode != 0:
            found.append("%s: %s" % (flags, done.stderr))
    with open(folder + "/formats.cpp", "w") as file:
        file.write("#include \"nibble/kernels/compiled_formats.hpp\"\n")
    for text, sentence in (("q4_k,nvfp4", None), ("q4_k,q9_k", "q9_k"), ("q4_k,int", "NIBBLE_FORMATS: q4_k")):
        done = subprocess.run([*compiler, "-fsyntax-only", folder + "/formats.cpp", "-DNIBBLE_FORMATS=" + text], capture_output=True, text=True)
        if (done.returncode == 0) != (sentence is None) or (sentence or "") not in done.stderr:
            found.append("NIBBLE_FORMATS=%s: %s" % (text, done.stderr))
    for unknown in ("HWY_AVX2|HWY_AVX9", "AVX2", "0"):
        done = subprocess.run([*compile, "-DWANTED=0", "-DNIBBLE_TARGETS=" + unknown], capture_output=True, text=True)
        if done.returncode == 0 or "NIBBLE_TARGETS" not in done.stderr:
            found.append("%s: is accepted, or refused without a hint: %s" % (unknown, done.stderr))
    return found


def lists(cmake, modules, folder):
    """The variables of CMake."""
    found = []
    with open(folder + "/warning.cmake", "w") as file:
        file.write("set(CMAKE_SYSTEM_PROCESSOR x86_64)\ninclude(\"%s/nibble-targets.cmake\")\nnibble_target_definition(out \"${LIST}\")\n" % modules)
    for text, warns in (("NEON", True), ("NEON;AVX2", False), ("EMU128", False), ("", False)):
        done = subprocess.run([cmake, "-DLIST=" + text, "-P", folder + "/warning.cmake"], capture_output=True, text=True)
        if ("what is left is scalar" in re.sub(r"\s+", " ", done.stderr)) != warns:
            found.append("%s on x86: %s" % (text, done.stderr))
    with open(folder + "/lists.cmake", "w") as file:
        file.write("include(\"%s/nibble-targets.cmake\")\ncmake_language(CALL nibble_${OF}_definition out \"${LIST}\")\nmessage(\"[${out}]\")\n" % modules)
    for of, text, says in [("target", *case) for case in LISTS] + [("format", *case) for case in FORMAT_LISTS]:
        done = subprocess.run([cmake, "-DOF=" + of, "-DLIST=" + text, "-DNIBBLE_NATIVE_TARGET=PPC8", "-P", folder + "/lists.cmake"], capture_output=True, text=True)
        said = re.sub(r"\s+", " ", done.stderr)
        if says not in said:
            found.append("%s: %s" % (text, said))
    return found


def main(cmake, modules, *compiler):
    with tempfile.TemporaryDirectory() as folder:
        found = macros(compiler, folder) + lists(cmake, modules, folder)
    print("\n".join(found))
    sys.exit(1 if found else 0)


main(*sys.argv[1:])
