"""What recipes make of a model: sizes of files, and how far their logits are from those of the source.

python3 bench/recipes.py F32.gguf --ids IDS.json [--recipes Q4_K_M IQ4_XS ...] [--theirs FOLDER] [--quantize PROGRAM] [--bench PROGRAM]
                         [--context 512] [--json OUT.json]

Each recipe is made by examples/07_quantize; FOLDER holds RECIPE.gguf as llama-quantize made them, without importance. The distance
is the mean KL divergence, in nats, of nibble's own logits of either file from those of the source, F32 KV, teacher-forced over the
ids, anew after every --context of them. Prints a table. Needs numpy.
"""
import argparse, json, os, subprocess, sys, tempfile
from measure import ROOT, add_bench, add_json, at_least, given, keep_inputs, machine, read_ids, run_for, source, write_json

try: import numpy as np
except ImportError: sys.exit("recipes.py needs numpy (Debian: python3-numpy)")

RECIPES = """Q8_0 Q6_K Q5_K_M Q5_K_S Q5_1 Q5_0 Q4_K_M Q4_K_S Q4_1 Q4_0 IQ4_NL IQ4_XS MXFP4 NVFP4 Q3_K_L Q3_K_M Q3_K_S IQ3_M IQ3_S IQ3_XS
IQ3_XXS Q2_K Q2_K_S IQ2_M IQ2_S IQ2_XS IQ2_XXS IQ1_M IQ1_S TQ2_0 TQ1_0 Q2_0 Q1_0""".split()


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", type=source); add_bench(p)
    p.add_argument("--ids", type=source, required=True, help="JSON file: a list, or an object with one as \"ids\"")
    p.add_argument("--recipes", nargs="+", default=RECIPES); p.add_argument("--theirs", help="folder of files by llama-quantize")
    p.add_argument("--quantize", type=given, default=os.path.join(ROOT, "build/examples/07_quantize"))
    p.add_argument("--context", type=at_least(0), default=512); add_json(p)
    a = p.parse_args()
    keep_inputs([a.json], [a.model, a.ids])
    if a.theirs is not None and not os.path.isdir(a.theirs): sys.exit("--theirs: there is no folder %s" % a.theirs)
    return a


def log_probabilities(a, model, ids, folder):
    out = os.path.join(folder, "logits.f32")
    target = ["--target", a.target] if a.target else []
    run_for(out, [a.bench, "logits", model, ids, out, "--kv", "f32", "--context", str(a.context)] + target)
    with open(ids) as f: count = len(json.load(f))
    logits = np.fromfile(out, np.float32).reshape(count, -1).astype(np.float64)
    logits -= logits.max(1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(1, keepdims=True))


def figures(a, model, ids, folder, truth):
    q = log_probabilities(a, model, ids, folder)
    return {"bytes": os.path.getsize(model), "kl": float((np.exp(truth) * (truth - q)).sum(1).mean())}


def main():
    a, rows = arguments(), []
    with tempfile.TemporaryDirectory() as folder:
        plain = os.path.join(folder, "ids.json")
        with open(plain, "w") as f: json.dump(read_ids(a.ids)[0], f)
        truth = log_probabilities(a, a.model, plain, folder)
        print("| recipe | bytes | KL | llama-quantize: bytes | KL | size | KL |\n|---|---|---|---|---|---|---|")
        for recipe in a.recipes:
            made, row = os.path.join(folder, "made.gguf"), {"recipe": recipe}
            try: done = subprocess.run([a.quantize, a.model, made, recipe], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            except OSError as e: sys.exit("--quantize: %s: %s" % (a.quantize, e.strerror))
            if done.returncode: sys.exit("%s: %s" % (recipe, done.stderr.strip()))
            row["ours"] = figures(a, made, plain, folder, truth)
            theirs = os.path.join(a.theirs or "", recipe + ".gguf")
            row["theirs"] = figures(a, theirs, plain, folder, truth) if a.theirs and os.path.exists(theirs) else None
            o, t = row["ours"], row["theirs"]
            beside = "%d | %.5f | %.4f | %.3f" % (t["bytes"], t["kl"], o["bytes"] / t["bytes"], o["kl"] / t["kl"]) if t else " | | | "
            print("| %s | %d | %.5f | %s |" % (recipe, o["bytes"], o["kl"], beside), flush=True)
            rows.append(row)
    write_json(a.json, {"machine": machine(), "model": os.path.basename(a.model), "ids": len(truth), "recipes": rows})


main()
