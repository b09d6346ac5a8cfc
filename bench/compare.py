"""Tokens a second of nibble beside its peers: the same file, threads and ids, run in turn (A B C A B C ...), compared pair by pair.

python3 bench/compare.py MODEL.gguf ... --peer FOLDER [--engine llama ik] [--rounds 5] [--threads 2 ...] [--prompt 512] [--generate 64]
                         [--depth 0] [--sequences 1] [--kv f16] [--repeat 2] [--busy 0] [--cases CASES.json] [--limits]
                         [--bench PROGRAM]
                         [--json OUT.json] [--markdown OUT.md] [--least-prompt 0.8] [--least-decode 0.9]

A machine varies from minute to minute, so only the ratios of neighbours in time mean anything: nibble's figure over the peer's of
the same round. Each run warms up once and reports the median of --repeat; a row shows the median ratio of the rounds, then lowest
and highest. Memory is the peak resident set beside the file and the KV cache. With --least-... it fails when a median is below.

--busy 3 keeps as many other processes computing meanwhile: what an engine makes of a machine that it has to share.

CASES.json is a list of objects with some of prompt, generate, depth, sequences, kv, repeat and busy; the command line says the others. Every
model, case and number of threads makes rows of one table, in Markdown, beside the limits that the machine showed in the same run.
With --limits a single case shows them too. ik aborts when several sequences decode in one batch, so it is left out there.
"""
import argparse, contextlib, json, os, subprocess, sys
from measure import add_bench, add_peer, last_json, machine, peer_program, run, spread, write_json

FIGURES = {"prompt": "prompt_tps", "decode": "decode_tps"}
CASE = ("prompt", "generate", "depth", "sequences", "kv", "repeat")  # as the engines take them
KV = ("f32", "f16", "q8_0")  # formats that every engine has


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("models", metavar="MODEL", nargs="+"); add_bench(p); add_peer(p, ["llama"])
    for name, default in (("rounds", 5), ("prompt", 512), ("generate", 64), ("depth", 0), ("sequences", 1), ("repeat", 2), ("busy", 0)):
        p.add_argument("--" + name, type=int, default=default)
    p.add_argument("--threads", type=int, nargs="+", default=[2])
    p.add_argument("--kv", choices=KV, default="f16")
    p.add_argument("--chunk", type=int, help="ids of a step of nibble")
    p.add_argument("--cases", help="JSON file of cases"); p.add_argument("--limits", action="store_true", help="measure those of the machine")
    p.add_argument("--json", help="write all figures to this file"); p.add_argument("--markdown", help="write the table to this file")
    for name in FIGURES: p.add_argument("--least-" + name, type=float, help="fail below this median ratio")
    a = p.parse_args()
    a.limits = a.limits or a.cases is not None
    return a


def cases(a):
    """One dictionary a combination of model, case and threads."""
    listed = [{}]
    if a.cases:
        try:
            with open(a.cases) as f: listed = json.load(f)
        except (OSError, ValueError) as e: sys.exit("--cases: %s: %s" % (a.cases, e))
    if not (isinstance(listed, list) and listed and all(isinstance(c, dict) for c in listed)):
        sys.exit("--cases: %s: expected a list of objects" % a.cases)
    for c in listed:
        for key in c:
            if key not in CASE + ("busy",): sys.exit("--cases: %s: expected keys of %s, busy, found %s" % (a.cases, ", ".join(CASE), key))
        if c.get("kv", "f16") not in KV: sys.exit("--cases: %s: expected a kv of %s, found %s" % (a.cases, ", ".join(KV), c["kv"]))
    return [{"model": m, "threads": t, **{k: c.get(k, getattr(a, k)) for k in CASE + ("busy",)}} for m in a.models for c in listed for t in a.threads]


def engines(a, case): return [e for e in a.engine if e != "ik" or case["sequences"] == 1]


@contextlib.contextmanager
def busy(count):
    """Other processes that compute without end."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try: yield
    finally:
        for p in others: p.kill(); p.wait()


def measure(a, case):
    """One dictionary a round: engine name -> what its `speed` printed."""
    same = [case["model"]] + [x for n in ("threads",) + CASE for x in ("--" + n, str(case[n]))]
    commands = {"nibble": [a.bench, "speed"] + same + (["--chunk", str(a.chunk)] if a.chunk else []) + (["--limits"] if a.limits else [])}
    for e in engines(a, case): commands[e] = peer_program(a) + ["speed"] + same + ["--engine", e]
    if "ik" in a.engine and "ik" not in commands: print("ik is left out: it aborts when several sequences decode in one batch")
    rounds = []
    for i in range(a.rounds):
        rounds.append({})
        for name, command in commands.items():
            with busy(case["busy"]): rounds[-1][name] = last_json(run(command))
        show = lambda v: "%8.1f" % v if v is not None else "       -"
        for name, r in rounds[-1].items():
            print("round %d  %-7s prompt %s  decode %s tokens/s" % (i + 1, name, show(r["prompt_tps"]), show(r["decode_tps"])), flush=True)
    return rounds


def compare(a, case):
    """Rounds, medians of every engine, ratios to each peer, and how near to the machine's limits nibble came."""
    rounds = measure(a, case)
    over = lambda x, y: x / y if x and y else None
    of_limit = lambda f: spread([r["nibble"].get(f + "_limit", {}).get("of_limit") for r in rounds])
    return {"case": case, "rounds": rounds,
            "ratios": {e: {f: spread([over(r["nibble"][k], r[e][k]) for r in rounds]) for f, k in FIGURES.items()} for e in engines(a, case)},
            "medians": {n: {k: spread([r[n].get(k) for r in rounds]) for k in (*FIGURES.values(), "read_gb_s", "load_s", "peak_rss_mb")}
                        for n in rounds[0]},
            "of_limit": {f: {"bound": rounds[-1]["nibble"][f + "_limit"]["bound"], **of_limit(f)} for f in FIGURES if of_limit(f)}}


def show(a, result):
    """One case in words."""
    case, medians, nibble = result["case"], result["medians"], result["rounds"][0]["nibble"]
    together = ", %d sequences" % case["sequences"] if case["sequences"] > 1 else ""
    if case["busy"]: together += ", %d busy processes beside" % case["busy"]
    print("\n%s, %s, %s, %d threads, KV %s%s, %d rounds" % (nibble["model"], nibble["engine"], nibble["target"], case["threads"], case["kv"],
                                                          together, a.rounds))
    for e, ratios in result["ratios"].items():
        for figure, ratio in ratios.items():
            if not ratio: continue
            print("%-6s nibble %8.1f   %-6s %8.1f tokens/s   ratio %.2f (%.2f to %.2f)" % (
                figure, medians["nibble"][FIGURES[figure]]["median"], e, medians[e][FIGURES[figure]]["median"],
                ratio["median"], ratio["low"], ratio["high"]))
    if medians["nibble"]["read_gb_s"]:
        print("decode reads %.1f GB/s of weights: the limit is what this machine can read" % medians["nibble"]["read_gb_s"]["median"])
    for figure, share in result["of_limit"].items():
        print("%-6s reaches %.0f%% of the limit by %s (%.0f to %.0f)" % (figure, 100 * share["median"], share["bound"], 100 * share["low"],
                                                                      100 * share["high"]))
    bound = os.path.getsize(case["model"]) / 2**20 + nibble["kv_mb"]
    memory = {n: m["peak_rss_mb"]["median"] for n, m in medians.items() if m["peak_rss_mb"]}
    print("memory " + ", ".join("%s %.0f MiB (%.2f x file + KV)" % (n, m, m / bound) for n, m in memory.items()))


def table(a, results):
    """All cases as Markdown: tokens/s and ratios as median (lowest to highest)."""
    three = lambda s, form: (form + " (" + form + " to " + form + ")") % (s["median"], s["low"], s["high"]) if s else "-"
    lines = ["| model | case | threads | nibble | %sof limit |" % "".join("%s | ratio | " % e for e in a.engine)]
    lines.append("|---" * (lines[0].count("|") - 1) + "|")
    for r in results:
        c = r["case"]
        for figure, key in FIGURES.items():
            if not r["medians"]["nibble"][key]: continue
            name = "prompt %d" % c["prompt"] if figure == "prompt" else "decode %d at %d" % (c["generate"], c["depth"])
            if c["sequences"] > 1: name += ", %d sequences" % c["sequences"]
            if c["busy"]: name += ", %d busy beside" % c["busy"]
            cells = [os.path.basename(c["model"]), name + ", KV " + c["kv"], str(c["threads"]), three(r["medians"]["nibble"][key], "%.1f")]
            for e in a.engine:
                cells += [three(r["medians"].get(e, {}).get(key), "%.1f"), three(r["ratios"].get(e, {}).get(figure), "%.2f")]
            share = r["of_limit"].get(figure)
            lines.append("| " + " | ".join(cells + ["%.0f%% of %s" % (100 * share["median"], share["bound"]) if share else "-"]) + " |")
    return "\n".join(lines) + "\n"


def too_slow(a, results):
    """Sentences on median ratios below --least-..."""
    low = []
    for r in results:
        for e, ratios in r["ratios"].items():
            for figure, ratio in ratios.items():
                least = getattr(a, "least_" + figure)
                if least and ratio and ratio["median"] < least: low.append("%s beside %s: %.2f, below %.2f" % (figure, e, ratio["median"], least))
    return low


def main():
    a = arguments()
    results, about = [], {"machine": machine(), "command": sys.argv[1:]}
    todo = cases(a)
    for i, case in enumerate(todo):
        if len(todo) > 1: print("\ncase %d of %d: %s" % (i + 1, len(todo), ", ".join("%s %s" % x for x in case.items())), flush=True)
        results.append(compare(a, case)); show(a, results[-1])
        write_json(a.json, {**about, **results[0]} if len(todo) == 1 else {**about, "table": results})
    if len(todo) > 1: print("\n" + table(a, results), end="")
    if a.markdown:
        with open(a.markdown, "w") as f: f.write(table(a, results))
    low = too_slow(a, results)
    if low: sys.exit("too slow: " + "; ".join(low))


if __name__ == "__main__": main()
