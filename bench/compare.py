"""Tokens a second of nibble beside its peers: the same file, threads and ids, run in turn (A B A B ...), compared pair by pair.

python3 bench/compare.py MODEL.gguf --peer FOLDER [--engine llama ik] [--rounds 5] [--threads 2] [--prompt 512] [--generate 64]
                         [--depth 0] [--kv f16] [--repeat 2] [--bench PROGRAM] [--json OUT.json] [--least-prompt 0.8] [--least-decode 0.9]

A machine varies from minute to minute, so only the ratios of neighbours in time mean anything: nibble's figure over the peer's of
the same round. Each run warms up once and reports the median of --repeat; a row shows the median ratio of the rounds, then lowest
and highest. Memory is the peak resident set beside the file and the KV cache. With --least-... it fails when a median is below.
"""
import argparse, os, sys
from measure import add_bench, add_peer, last_json, machine, peer_program, run, spread, write_json

FIGURES = {"prompt": "prompt_tps", "decode": "decode_tps"}


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model"); add_bench(p); add_peer(p, ["llama"])
    for name, default in (("rounds", 5), ("threads", 2), ("prompt", 512), ("generate", 64), ("depth", 0), ("repeat", 2)):
        p.add_argument("--" + name, type=int, default=default)
    p.add_argument("--kv", choices=["f32", "f16", "q8_0"], default="f16", help="formats that every engine has")
    p.add_argument("--chunk", type=int, help="ids of a step of nibble")
    p.add_argument("--json", help="write all figures to this file")
    for name in FIGURES: p.add_argument("--least-" + name, type=float, help="fail below this median ratio")
    return p.parse_args()


def measure(a):
    """One dictionary a round: engine name -> what its `speed` printed."""
    same = [a.model] + [x for n in ("threads", "prompt", "generate", "depth", "repeat", "kv") for x in ("--" + n, str(getattr(a, n)))]
    commands = {"nibble": [a.bench, "speed"] + same + (["--chunk", str(a.chunk)] if a.chunk else [])}
    for e in a.engine: commands[e] = peer_program(a) + ["speed"] + same + ["--engine", e]
    rounds = []
    for i in range(a.rounds):
        rounds.append({name: last_json(run(command)) for name, command in commands.items()})
        show = lambda v: "%8.1f" % v if v is not None else "       -"
        for name, r in rounds[-1].items():
            print("round %d  %-7s prompt %s  decode %s tokens/s" % (i + 1, name, show(r["prompt_tps"]), show(r["decode_tps"])), flush=True)
    return rounds


def ratios(rounds, engine, key):
    return spread([r["nibble"][key] / r[engine][key] if r["nibble"][key] and r[engine][key] else None for r in rounds])


def main():
    a = arguments()
    rounds = measure(a)
    result = {"machine": machine(), "command": sys.argv[1:], "rounds": rounds, "ratios": {}, "medians": {}}
    for name in rounds[0]:
        result["medians"][name] = {k: spread([r[name].get(k) for r in rounds])
                                   for k in ("prompt_tps", "decode_tps", "read_gb_s", "load_s", "peak_rss_mb")}
    nibble = rounds[0]["nibble"]
    print("\n%s, %s, %s, %d threads, KV %s, %d rounds" % (nibble["model"], nibble["engine"], nibble["target"], a.threads, a.kv, a.rounds))
    low = []
    for e in a.engine:
        result["ratios"][e] = {}
        for figure, key in FIGURES.items():
            ratio = result["ratios"][e][figure] = ratios(rounds, e, key)
            if not ratio: continue
            print("%-6s nibble %8.1f   %-6s %8.1f tokens/s   ratio %.2f (%.2f to %.2f)" % (
                figure, result["medians"]["nibble"][key]["median"], e, result["medians"][e][key]["median"],
                ratio["median"], ratio["low"], ratio["high"]))
            least = getattr(a, "least_" + figure)
            if least and ratio["median"] < least: low.append("%s beside %s: %.2f, below %.2f" % (figure, e, ratio["median"], least))
    if result["medians"]["nibble"]["read_gb_s"]:
        print("decode reads %.1f GB/s of weights: the limit is what this machine can read" % result["medians"]["nibble"]["read_gb_s"]["median"])
    bound = os.path.getsize(a.model) / 2**20 + nibble["kv_mb"]
    memory = {n: m["peak_rss_mb"]["median"] for n, m in result["medians"].items() if m["peak_rss_mb"]}
    print("memory " + ", ".join("%s %.0f MiB (%.2f x file + KV)" % (n, m, m / bound) for n, m in memory.items()))
    write_json(a.json, result)
    if low: sys.exit("too slow: " + "; ".join(low))


if __name__ == "__main__": main()
