"""same_logits.py [--golden FILE [--write]] [--markdown] NAME=COMMAND... -- MODEL...: a model has one hash of its logits for all
instruction sets, compilers and levels of optimisation.

COMMAND runs a same_logits.cpp that was compiled in the way that NAME says; each is asked for every instruction set that it has
and this CPU runs. MODEL is a file, or `architectures`: the smallest model of each. A model has two hashes: one for all
instruction sets that fuse multiplication and addition, and one for those that cannot. The golden file has both of some models,
so that machines that are not at hand are compared as well; what changes numbers on purpose changes it, too (--write).
Says what differs, and prints how many models each way was compared on."""
import argparse
import os
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

NOT_FUSED = ("SSE4", "SSSE3", "SSE2", "WASM")


def say(command, *arguments):
    done = subprocess.run([*shlex.split(command), *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit("%s %s: status %s\n%s" % (command, " ".join(arguments), done.returncode, done.stderr))
    return done.stdout.splitlines()


def hashes(command, target, models):
    """Of each model by its name; long texts for small models, which are then as quick as short ones for large models."""
    found = {}
    for small in (True, False):
        files = [m for m in models if (m == "architectures" or os.path.getsize(m) < 16 << 20) == small]
        lines = say(command, target, "80" if small else "6", *files) if files else []
        found.update(line.rsplit(" ", 1) for line in lines)
    return found


def read_golden(path):
    with open(path) as file:
        lines = [line.split("\t") for line in file.read().splitlines() if not line.startswith("#")]
    return {name: {True: fused, False: other} for name, fused, other in lines}


def write_golden(path, names, first):
    with open(path) as file:
        head = [line for line in file.read().splitlines() if line.startswith("#")]
    with open(path, "w") as file:
        file.write("\n".join(head + ["\t".join([n, first[n, True][0], first[n, False][0]]) for n in names]) + "\n")


def compare(results, golden):
    """What differs, as sentences, and of each model and kind the first hash with the way that gave it."""
    first = {(name, fused): (h, "the golden file") for name, both in golden.items() for fused, h in both.items()}
    found = []
    for (way, target), models in results.items():
        for name, value in models.items():
            expected, whose = first.setdefault((name, target not in NOT_FUSED), (value, "%s %s" % (way, target)))
            if value != expected:
                found.append("%s: %s with %s gives %s, %s %s" % (name, way, target, value, whose, expected))
    return found, first


def print_table(results, first):
    targets = list(dict.fromkeys(target for _, target in results))
    for target in sorted(targets, key=lambda t: (t in NOT_FUSED, t == "reference")):
        ways = ["%s (%d)" % (way, len(models)) for (way, t), models in results.items() if t == target]
        print("| %s | %s |" % (target, ", ".join(ways)))
    print()
    for name in dict.fromkeys(name for name, _ in first):
        both = [first.get((name, fused), ("",))[0] for fused in (True, False)]
        print("| %s | %s | %s |" % (name, *both))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--golden"), p.add_argument("--write", action="store_true"), p.add_argument("--markdown", action="store_true")
    p.add_argument("ways", nargs="+", metavar="NAME=COMMAND")
    at = sys.argv.index("--")
    a, models = p.parse_args(sys.argv[1:at]), sys.argv[at + 1:]
    ways = dict(way.split("=", 1) for way in a.ways)
    jobs = [(name, target) for name, command in ways.items() for target in say(command, "targets")]
    with ThreadPoolExecutor(2) as pool:
        results = dict(zip(jobs, pool.map(lambda job: hashes(ways[job[0]], job[1], models), jobs)))
    golden = read_golden(a.golden) if a.golden else {}
    found, first = compare(results, {} if a.write else golden)
    if a.write and not found:
        write_golden(a.golden, golden, first)
    if a.markdown:
        print_table(results, first)
    else:
        for (way, target), models in results.items():
            print("%s, %s: %d models, %d in the golden file" % (way, target, len(models), len(golden.keys() & models.keys())))
    if not any(golden.keys() & models.keys() for models in results.values()) and a.golden:
        found.append("no model of the golden file was computed")
    sys.exit("\n".join(found) or None)


main()
