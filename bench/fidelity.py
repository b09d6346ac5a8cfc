"""How far a model's logits are from the truth, teacher-forced, for several formats of keys and values.

python3 bench/fidelity.py MODEL.gguf [--ids IDS.json] [--kv f32 f16 q8_0] [--truth TRUTH.py] [--cache FOLDER] [--threads 2]
                          [--chunk 64] [--target AVX2] [--peer FOLDER --engine llama new] [--bench PROGRAM] [--json OUT.json] [--check]
                          [--reference FILE.gguf [--context N]]

The truth is a float64 forward pass over the dequantised weights (truth.py logits), made once and kept in the cache folder: rows x
vocabulary x 4 bytes. IDS.json is a list of ids, or an object with one as "ids", whose keys that end in "against the truth" are
shown beside ours; without --ids it is looked for in $NIBBLE_SHARED/data/models by the model's name. With --reference FILE.gguf the
distance is to nibble's own logits of that file with F32 KV instead, for quantised copies of a model; --context N then starts anew
after every N ids, and the perplexities, which look across, mean little. --check fails unless, for each
F32 and F16 KV recorded there, mean KL and its 99th percentile are no larger, top-1 agreement is no smaller less 0.3 points, and the
perplexity is within 0.5% of the truth's.
"""
import argparse, hashlib, json, os, sys, tempfile
from measure import (SHARED, add_bench, add_json, add_peer, at_least, given, keep_inputs, machine, peer_program, peers_for, read_ids, run, run_for, run_json, source,
                     write_json)


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", type=source); add_bench(p); add_peer(p, [])
    p.add_argument("--ids", type=source, help="JSON file")
    p.add_argument("--kv", nargs="+", choices=["f32", "f16", "bf16", "q8_0"], default=["f32", "f16", "q8_0"])
    p.add_argument("--truth", default=os.path.join(SHARED, "tools/truth.py") if SHARED else None, help="truth.py (default: in $NIBBLE_SHARED)")
    p.add_argument("--cache", type=given, default=os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "nibble/truth"))
    p.add_argument("--reference", type=source, help="GGUF file"); p.add_argument("--context", type=at_least(0), default=0, help="ids of a chunk")
    p.add_argument("--threads", type=at_least(1), default=2); p.add_argument("--chunk", type=at_least(1), default=64)
    add_json(p); p.add_argument("--check", action="store_true")
    a = p.parse_args()
    if not a.truth: sys.exit("--truth: say where truth.py is, or set NIBBLE_SHARED")
    if not os.path.isfile(a.truth): sys.exit("--truth: there is no %s" % a.truth)
    if a.context and not a.reference: sys.exit("--context: the truth is one sequence; give --reference")
    if a.context and a.engine: sys.exit("--context: peers take one sequence; leave --engine out")
    if not a.ids:
        stem = os.path.splitext(os.path.basename(a.model))[0]
        found = [f for f in (os.path.join(SHARED, "data/models", d, stem + ".json") for d in ("real", "")) if SHARED and os.path.isfile(f)]
        if not found: sys.exit("--ids: none found for %s" % stem)
        a.ids = found[0]
    keep_inputs([a.json], [a.model, a.ids, a.reference])
    return a


def fingerprint(*paths):
    h = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as f:
            for block in iter(lambda: f.read(1 << 20), b""): h.update(block)
    return h.hexdigest()[:24]


def truth_logits(a, ids_file):
    """The cached file, made if it is missing; it appears whole or not at all."""
    path = os.path.join(a.cache, "%s-%s.f32" % (os.path.splitext(os.path.basename(a.model))[0], fingerprint(a.model, ids_file, a.truth)))
    if not os.path.exists(path):
        part = path + ".part%d" % os.getpid()
        try:
            run_for(part, [sys.executable, a.truth, "logits", a.model, ids_file, part]); os.rename(part, path)
        finally:
            if os.path.exists(part): os.remove(part)
    return path


def recorded(found):
    """(engine, KV format) -> figures, of what the ids' file records."""
    out = {}
    for key, value in found.items() if isinstance(found, dict) else ():
        if key.endswith(" against the truth"):
            for kv, figures in value.items(): out[key[:-len(" against the truth")] + ", recorded", kv[len("kv_"):]] = figures
    return out


def worse(ours, theirs):
    """What of ours misses the bounds of --check."""
    out = [k for k in ("kl_mean", "kl_p99") if not ours[k] <= theirs[k]]  # not a number is no less
    if not ours["top1"] >= theirs["top1"] - 0.003: out.append("top1")
    if not abs(ours["ppl_ratio"] - 1) <= 0.005: out.append("ppl")
    return out


def show(engine, kv, f):
    ppl = "%.4f" % f["ppl"] if "ppl" in f else "%.4f (truth %.4f)" % (f["ppl_other"], f["ppl_truth"])
    print("%-28s KV %-5s KL mean %.6f  p99 %.5f  top-1 %.4f  perplexity %s" % (engine, kv, f["kl_mean"], f["kl_p99"], f["top1"], ppl), flush=True)


def main():
    a = arguments()
    listed, found = read_ids(a.ids)
    bounds = {} if a.reference else recorded(found)
    if a.check and not any(kv in a.kv for _, kv in bounds): sys.exit("--check: %s records nothing to check for KV %s%s" % (
        a.ids, ", ".join(a.kv), "; it is not of --reference" if a.reference else ""))
    result = {"machine": machine(), "command": sys.argv[1:], "target": a.target, "figures": []}
    try: os.makedirs(a.cache, exist_ok=True)
    except OSError as e: sys.exit("--cache: %s: %s" % (a.cache, e.strerror))
    with tempfile.TemporaryDirectory(dir=a.cache) as folder, peers_for(a):
        ids, out = os.path.join(folder, "ids.json"), os.path.join(folder, "out.f32")
        with open(ids, "w") as f: json.dump(listed, f)
        def logits_of(model, kv, to):
            return [a.bench, "logits", model, ids, to, "--kv", kv, "--threads", str(a.threads), "--chunk", str(a.chunk), "--context", str(a.context)] + (
                ["--target", a.target] if a.target else [])

        if a.reference:
            truth = os.path.join(folder, "reference.f32")
            run_for(truth, logits_of(a.reference, "f32", truth))
        else:
            truth = truth_logits(a, ids)

        def measure(name, kv, command):
            run_for(out, command)
            figures = run_json([sys.executable, a.truth, "compare", truth, out, ids], "kl_mean", "kl_p99", "top1")
            os.remove(out); show(name, kv, figures)
            result["figures"].append({"engine": name, "kv": kv, **figures})
            return figures

        print("%s, %d ids" % (os.path.basename(a.model), len(listed)))
        ours = {kv: measure("nibble", kv, logits_of(a.model, kv, out)) for kv in a.kv}
        for e in a.engine:
            for kv in a.kv:
                if kv != "bf16": measure(e, kv, peer_program(a) + ["logits", a.model, ids, out, "--kv", kv, "--engine", e])
    missed = []
    for (engine, kv), figures in bounds.items():
        show(engine, kv, figures)
        if a.check and kv in ours: missed += ["KV %s: %s" % (kv, ", ".join(w))] if (w := worse(ours[kv], figures)) else []
    write_json(a.json, result)
    if missed: sys.exit("further from the truth than allowed: " + "; ".join(missed))


if __name__ == "__main__": main()
