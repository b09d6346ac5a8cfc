"""Tokens a second of nibble beside its peers: the same file, threads and ids, run in turn (A B C A B C ...), compared pair by pair.

python3 bench/compare.py MODEL.gguf ... --peer FOLDER [--engine llama new ik] [--settings flash no-flash] [--target AVX2] [--rounds 5]
                         [--threads 2 ...] [--prompt 512] [--generate 64] [--depth 0] [--sequences 1] [--kv f16] [--repeat 3] [--busy 0]
                         [--cases CASES.json] [--limits] [--bench PROGRAM]
                         [--json OUT.json] [--markdown OUT.md] [--least-prompt 0.8] [--least-decode 0.9]

A machine varies from minute to minute, so only the ratios of neighbours in time mean anything: nibble's figure over the peer's of
the same round, each of which begins with another program. Each run warms up once and reports the median of --repeat; a row shows
the median ratio of the rounds, then lowest and highest. Memory is the peak resident set beside the file and the KV cache. With
--least-... it fails when a median is below.

A peer runs with flash attention and without it, where it can, and is quoted for each figure by the setting whose median is the better.
llama.cpp has no path without it for quantised keys and values; ik_llama.cpp aborts with it when several sequences decode in one batch.

--target AVX2 is beside llama.cpp's library for AVX2, too. The others are built for AVX2 as they are shipped, whatever the machine has.

--busy 3 keeps as many other processes computing meanwhile: what an engine makes of a machine that it has to share.

CASES.json is a list of objects with some of prompt, generate, depth, sequences, kv, repeat and busy; the command line says the others. Every
model, case and number of threads makes rows of one table, in Markdown, beside the limits that the machine showed in the same run.
With --limits a single case shows them too.
"""
import argparse, contextlib, json, os, subprocess, sys
from measure import add_bench, add_json, add_peer, at_least, keep_inputs, machine, output, peer_program, peers_for, read_json, run_json, source, spread, write_json

FIGURES = {"prompt": "prompt_tps", "decode": "decode_tps"}
CASE = ("prompt", "generate", "depth", "sequences", "kv", "repeat")  # as the engines take them
LEAST = {"prompt": 0, "generate": 0, "depth": 0, "sequences": 1, "repeat": 1, "busy": 0}
KV = ("f32", "f16", "q8_0")  # formats that every engine has
ABOUT = ("model", "engine", "commit", "compiler", "cpu", "cores", "huge_pages", "target", "kv_mb")  # what nibble-bench says beside them
SETTINGS = {"flash": [], "no-flash": ["--no-flash"]}  # of the peers


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("models", metavar="MODEL", nargs="+", type=source); add_bench(p); add_peer(p, ["llama"])
    for name, default in (("rounds", 5), ("prompt", 512), ("generate", 64), ("depth", 0), ("sequences", 1), ("repeat", 3), ("busy", 0)):
        p.add_argument("--" + name, type=at_least(LEAST.get(name, 1)), default=default)
    p.add_argument("--settings", nargs="+", choices=list(SETTINGS), default=list(SETTINGS), help="how the peers attend; the best is quoted")
    p.add_argument("--threads", type=at_least(1), nargs="+", default=[2])
    p.add_argument("--kv", choices=KV, default="f16")
    p.add_argument("--chunk", type=at_least(1), help="ids of a step of nibble")
    p.add_argument("--cases", type=source, help="JSON file of cases"); p.add_argument("--limits", action="store_true", help="measure those of the machine")
    add_json(p); p.add_argument("--markdown", type=output, help="write the table to this file")
    for name in FIGURES: p.add_argument("--least-" + name, type=at_least(0, float), help="fail below this median ratio")
    a = p.parse_args()
    keep_inputs([a.json, a.markdown], [*a.models, a.cases])
    a.limits = a.limits or a.cases is not None
    return a


def cases(a):
    """One dictionary a combination of model, case and threads."""
    listed = read_json(a.cases) if a.cases else [{}]
    if not (isinstance(listed, list) and listed and all(isinstance(c, dict) for c in listed)):
        sys.exit("--cases: %s: expected a list of objects" % a.cases)
    for c in listed:
        for key in c:
            if key not in CASE + ("busy",): sys.exit("--cases: %s: expected keys of %s, busy, found %s" % (a.cases, ", ".join(CASE), key))
            if key in LEAST and not (type(c[key]) is int and c[key] >= LEAST[key]):
                sys.exit("--cases: %s: expected a %s of %d or more, found %s" % (a.cases, key, LEAST[key], json.dumps(c[key])))
        if c.get("kv", "f16") not in KV: sys.exit("--cases: %s: expected a kv of %s, found %s" % (a.cases, ", ".join(KV), c["kv"]))
    return [{"model": m, "threads": t, **{k: c.get(k, getattr(a, k)) for k in CASE + ("busy",)}} for m in a.models for c in listed for t in a.threads]


def peers(a, case):
    """Name of a run -> the engine and its setting, of those that can be."""
    def can(engine, setting):
        if setting == "no-flash": return case["kv"] != "q8_0"
        return engine != "ik" or case["sequences"] == 1
    return {"%s %s" % (e, s): (e, s) for e in a.engine for s in a.settings if can(e, s)}


def expect_ratios(a, todo):
    """Ends this script where --least-... could not fail, for no case has such a figure beside a peer."""
    for figure, count in (("prompt", "prompt"), ("decode", "generate")):
        if getattr(a, "least_" + figure) is not None and not any(c[count] and peers(a, c) for c in todo):
            sys.exit("--least-%s: no case has tokens for it and a peer beside; see --%s and --engine" % (figure, count))


@contextlib.contextmanager
def busy(count):
    """Other processes that compute without end."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try: yield
    finally:
        for p in others: p.kill(); p.wait()


def measure(a, case, runs):
    """One dictionary a round: nibble, or an engine and its setting -> what its `speed` printed."""
    same = [case["model"]] + [x for n in ("threads",) + CASE for x in ("--" + n, str(case[n]))]
    own = (["--chunk", str(a.chunk)] if a.chunk else []) + (["--limits"] if a.limits else []) + (["--target", a.target] if a.target else [])
    commands = {"nibble": [a.bench, "speed"] + same + own}
    for name, (e, s) in runs.items(): commands[name] = peer_program(a) + ["speed"] + same + ["--engine", e] + SETTINGS[s]
    rounds = []
    for i in range(a.rounds):
        found, names = {}, list(commands)
        for name in names[i % len(names):] + names[:i % len(names)]:  # a drift within rounds favours nobody
            with busy(case["busy"]): found[name] = run_json(commands[name], *FIGURES.values(), *({"peer"} if name in runs else ABOUT))
        rounds.append({name: found[name] for name in names})
        show = lambda v: "%8.1f" % v if v is not None else "       -"
        for name, r in rounds[-1].items():
            print("round %d  %-14s prompt %s  decode %s tokens/s" % (i + 1, name, show(r["prompt_tps"]), show(r["decode_tps"])), flush=True)
    return rounds


def best(medians, runs):
    """Of an engine's runs: for each figure the setting whose median is the best, and the medians with these."""
    settings, figures = {}, {}
    for key in next(iter(medians.values())):
        found = {s: medians[name][key] for name, s in runs.items() if medians[name][key]}
        if found: settings[key] = (max if key.endswith("_tps") else min)(found, key=lambda s: found[s]["median"])
        figures[key] = found[settings[key]] if found else None
    return settings, figures


def compare(a, case):
    """Rounds, medians and best settings of every engine, ratios to each peer's best, and how near to the machine's limits nibble came."""
    runs = peers(a, case)
    for e in a.engine:
        if all(e != engine for engine, _ in runs.values()): print("%s is left out: none of the settings can do this case" % e)
    rounds = measure(a, case, runs)
    keys = (*FIGURES.values(), "read_gb_s", "load_s", "peak_rss_mb")
    of_runs = {n: {k: spread([r[n].get(k) for r in rounds]) for k in keys} for n in rounds[0]}
    of_limit = lambda f: spread([r["nibble"].get(f + "_limit", {}).get("of_limit") for r in rounds])
    result = {"case": case, "rounds": rounds, "runs": of_runs, "medians": {"nibble": of_runs["nibble"]}, "settings": {}, "ratios": {},
              "peers": {}, "of_limit": {f: {"bound": rounds[-1]["nibble"][f + "_limit"]["bound"], **of_limit(f)} for f in FIGURES if of_limit(f)}}
    for e in dict.fromkeys(engine for engine, _ in runs.values()):
        settings, result["medians"][e] = best(of_runs, {name: s for name, (engine, s) in runs.items() if engine == e})
        over = lambda r, k: r["nibble"][k] / r["%s %s" % (e, settings[k])][k] if k in settings and r["nibble"][k] else None
        result["ratios"][e] = {f: spread([over(r, k) for r in rounds]) for f, k in FIGURES.items()}
        result["settings"][e] = {f: settings.get(k) for f, k in FIGURES.items()}
        result["peers"][e] = next(rounds[0][name]["peer"] for name, (engine, _) in runs.items() if engine == e)
    return result


def about(results, llama_cpu):
    """What the figures belong to: processor, instruction set, commit, compiler, peers."""
    n, peers = results[0]["rounds"][0]["nibble"], {e: name for r in results for e, name in r["peers"].items()}
    names = [name + (" (%s)" % llama_cpu if e == "llama" and llama_cpu else "") for e, name in peers.items()]
    return "%s, %d cores, %s; %s %s, %s; %s" % (n["cpu"], n["cores"], n["target"], n["engine"], n["commit"], n["compiler"], ", ".join(names))


def show(a, result):
    """One case in words."""
    case, medians, nibble = result["case"], result["medians"], result["rounds"][0]["nibble"]
    together = ", %d sequences" % case["sequences"] if case["sequences"] > 1 else ""
    if case["busy"]: together += ", %d busy processes beside" % case["busy"]
    print("\n%s, %s %s, %s, %d threads, KV %s%s, %d rounds" % (nibble["model"], nibble["engine"], nibble["commit"], nibble["target"],
                                                             case["threads"], case["kv"], together, a.rounds))
    for e, ratios in result["ratios"].items():
        for figure, ratio in ratios.items():
            if not ratio: continue
            print("%-6s nibble %8.1f   %-14s %8.1f tokens/s   ratio %.2f (%.2f to %.2f)" % (
                figure, medians["nibble"][FIGURES[figure]]["median"], e + " " + result["settings"][e][figure],
                medians[e][FIGURES[figure]]["median"], ratio["median"], ratio["low"], ratio["high"]))
    if medians["nibble"]["read_gb_s"]:
        print("decode reads %.1f GB/s of weights: the limit is what this machine can read" % medians["nibble"]["read_gb_s"]["median"])
    for figure, share in result["of_limit"].items():
        print("%-6s reaches %.0f%% of the limit by %s (%.0f to %.0f)" % (figure, 100 * share["median"], share["bound"], 100 * share["low"],
                                                                      100 * share["high"]))
    bound = os.path.getsize(case["model"]) / 2**20 + nibble["kv_mb"]
    memory = {n: m["peak_rss_mb"]["median"] for n, m in medians.items() if m["peak_rss_mb"]}
    print("memory " + ", ".join("%s %.0f MiB (%.2f x file + KV)" % (n, m, m / bound) for n, m in memory.items()))


def table(a, results, llama_cpu):
    """All cases as Markdown: tokens/s and ratios as median (lowest to highest), beside the best setting of each peer."""
    three = lambda s, form: (form + " (" + form + " to " + form + ")") % (s["median"], s["low"], s["high"]) if s else "-"
    lines = [about(results, llama_cpu), "",
             "| model | case | threads | nibble | %sof limit |" % "".join("%s | ratio | " % e for e in a.engine)]
    lines.append("|---" * (lines[-1].count("|") - 1) + "|")
    for r in results:
        c = r["case"]
        for figure, key in FIGURES.items():
            if not r["medians"]["nibble"][key]: continue
            name = "prompt %d" % c["prompt"] if figure == "prompt" else "decode %d at %d" % (c["generate"], c["depth"])
            if c["sequences"] > 1: name += ", %d sequences" % c["sequences"]
            if c["busy"]: name += ", %d busy beside" % c["busy"]
            cells = [os.path.basename(c["model"]), name + ", KV " + c["kv"], str(c["threads"]), three(r["medians"]["nibble"][key], "%.1f")]
            for e in a.engine:
                setting = r["settings"].get(e, {}).get(figure)
                cells += [three(r["medians"].get(e, {}).get(key), "%.1f") + (" " + setting if setting else ""),
                          three(r["ratios"].get(e, {}).get(figure), "%.2f")]
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
                if least and ratio and not ratio["median"] >= least: low.append("%s beside %s: %.2f, below %.2f" % (figure, e, ratio["median"], least))
    return low


def main():
    a = arguments()
    results, todo = [], cases(a)
    expect_ratios(a, todo)
    with peers_for(a) as llama_cpu:
        origin = {"machine": machine(), "command": sys.argv[1:], "llama_cpu": llama_cpu}
        for i, case in enumerate(todo):
            if len(todo) > 1: print("\ncase %d of %d: %s" % (i + 1, len(todo), ", ".join("%s %s" % x for x in case.items())), flush=True)
            results.append(compare(a, case)); show(a, results[-1])
            write_json(a.json, {**origin, **results[0]} if len(todo) == 1 else {**origin, "table": results})
    if len(todo) > 1: print("\n" + table(a, results, llama_cpu), end="")
    if a.markdown:
        with open(a.markdown, "w") as f: f.write(table(a, results, llama_cpu))
    low = too_slow(a, results)
    if low: sys.exit("too slow: " + "; ".join(low))


if __name__ == "__main__": main()
