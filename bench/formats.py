"""What each weight format costs the file with the kernels: KB of code a target, and seconds of a compiler.

python3 bench/formats.py [--cxx clang++] [--flags ...] [--json OUT.json]
python3 bench/formats.py --object kernels.cpp.o           sizes alone, of a file that is compiled already

A function counts for the format that is an argument of its template; what formats share (products of widened codes, tables of
grids) stands in lines of its own. Seconds need clang, whose -ftime-trace tells what each function took to instantiate and to
optimise: of one thread, on whatever else the machine does meanwhile.
"""
import argparse, collections, json, os, re, sys, tempfile
from measure import ROOT, add_json, given, keep_inputs, machine, run, source, write_json

FORMATS = """f32 f16 bf16 q4_0 q4_1 q5_0 q5_1 q8_0 q2_k q3_k q4_k q5_k q6_k iq4_nl iq4_xs mxfp4 q2_0 iq2_xxs iq2_xs iq2_s iq3_xxs iq3_s
iq1_s iq1_m tq1_0 tq2_0 q1_0 nvfp4 widened""".split()


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--cxx", type=given, default="clang++"); p.add_argument("--flags", nargs="*", default=["-std=c++20", "-O3", "-DNDEBUG"])
    p.add_argument("--object", type=source, help="an object file of the kernels"); add_json(p)
    a = p.parse_args()
    keep_inputs([a.json], [a.object])
    return a


def format_of(name):
    """The format that a function belongs to: the one among its template's arguments that is named first."""
    at = name.find("<")
    for word in re.findall(r"[a-z][a-z0-9_]*", name[at:]) if at >= 0 else []:
        if word in FORMATS: return word
    return "widened" if re.search("widen|write_unit|write_ternary", name) else None


def sizes(path):
    """Bytes of code by target and format; None: what no format is named in."""
    found = collections.defaultdict(collections.Counter)
    for line in run(["nm", "-S", "-C", "--size-sort", path]).splitlines():
        match = re.match(r"[0-9a-f]+ ([0-9a-f]+) ([tTwW]) (.*)", line)
        if not match: continue
        target = re.search(r"N_([A-Z0-9_]+)::", match[3])
        found[target[1] if target else "any"][format_of(match[3])] += int(match[1], 16)
    return found


def seconds(a, folder):
    """Seconds by format of one compilation, and of all of it."""
    made = os.path.join(folder, "kernels.o")
    run([a.cxx, *a.flags, "-ftime-trace", "-ftime-trace-granularity=0", "-I" + os.path.join(ROOT, "include"), "-c",
         os.path.join(ROOT, "packaging/kernels.cpp"), "-o", made])
    with open(os.path.join(folder, "kernels.json")) as f: events = json.load(f)["traceEvents"]
    names = [e["args"]["detail"] for e in events if e["name"] == "OptFunction"]
    plain = dict(zip(names, run(["c++filt"], "\n".join(names)).split("\n")))
    found, whole = collections.Counter(), 0.0
    for e in events:
        if e["name"] == "ExecuteCompiler": whole = e["dur"] / 1e6
        if e["name"] == "OptFunction": found[format_of(plain[e["args"]["detail"]])] += e["dur"] / 1e6
    top = sorted((e for e in events if e["name"] == "InstantiateFunction"), key=lambda e: (e["ts"], -e["dur"]))
    end = 0  # of the outermost one; those within it are a part of its time
    for e in top:
        if e["ts"] < end: continue
        end = e["ts"] + e["dur"]
        found[format_of(e["args"]["detail"])] += e["dur"] / 1e6
    return made, found, whole


def main():
    a = arguments()
    with tempfile.TemporaryDirectory() as folder:
        made, time, whole = (a.object, None, None) if a.object else seconds(a, folder)
        code = sizes(made)
        targets = sorted(code)  # "any": what is compiled once, packing and widening above all
        print("| format | %s | seconds |\n|---|%s---|" % (" | ".join((t if t != "any" else "once") + ", KB" for t in targets), "---|" * len(targets)))
        for name in FORMATS + [None]:
            kb = ["%.1f" % (code[t][name] / 1024) for t in targets]
            label = {None: "what no format is named in", "widened": "what IQ1 to IQ3 and TQ1_0 share"}.get(name, name.upper() if name else "")
            print("| %s | %s | %s |" % (label, " | ".join(kb), "%.2f" % time[name] if time else ""))
        if whole: print("| all | %s | %.1f |" % (" | ".join("%.1f" % (sum(code[t].values()) / 1024) for t in targets), whole))
    write_json(a.json, {"machine": machine(), "bytes": {t: {str(k): v for k, v in c.items()} for t, c in code.items()},
                        "seconds": {str(k): v for k, v in time.items()} if time else None})


main()
