"""Figures of nibble-bench sweep, schedule and compare.py as pictures (SVG): how near to the roofline, and what length, batch and memory cost.

python3 bench/plot.py SWEEP.json [COMPARE.json ...] [--out FOLDER]

Of a sweep: roofline.svg   multiply-adds a second over multiply-adds a byte, below what the machine reads and multiplies
            memory.svg     planned memory against the milliseconds of a decoded token
            context.svg    tokens a second of prompts, and of decoding, by length and by depth
            batch.svg      tokens a second of all sequences, by their number
Of a schedule: schedule.svg when requests waited, read and answered, and how long they did
Of compare.py: compare.svg tokens a second of every engine, case by case
               crowd.svg   what is left of them with more threads than cores, or beside busy processes. Needs matplotlib.
"""
import argparse, os, sys
from measure import read_json, source, spread

try:
    import matplotlib; matplotlib.use("svg")
    import matplotlib.pyplot as plt
    plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "nibble"})  # small files, and the same for the same figures
except ImportError: sys.exit("plot.py needs matplotlib (Debian: python3-matplotlib)")

FIGURES = {"prompt": "prompt_tps", "decode": "decode_tps"}


def series(figures, *keys):
    """Figures by the values of some keys, in order."""
    out = {}
    for f in figures: out.setdefault(tuple(f[k] for k in keys), []).append(f)
    return out


def origin(identity):
    """What a figure belongs to: engine, commit, instruction set and processor."""
    return "%s %s, %s, %s" % tuple(identity[k] for k in ("engine", "commit", "target", "cpu"))


def save(figure, axes, folder, name, title, x, y):
    axes.set_title(title, fontsize=8); axes.set_xlabel(x); axes.set_ylabel(y); axes.grid(True, alpha=0.3, which="both")
    if axes.get_legend_handles_labels()[0]: axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    path = os.path.join(folder, name + ".svg")
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None}); plt.close(figure); print(path)


def draw_series(axes, figures, x, label):
    """A line with the spread of its rounds."""
    figures = sorted(figures, key=lambda f: f[x])
    line, = axes.plot([f[x] for f in figures], [f["tps"] for f in figures], marker="o", label=label)
    axes.fill_between([f[x] for f in figures], [f["low"] for f in figures], [f["high"] for f in figures], color=line.get_color(), alpha=0.15)
    return line


def roofline(sweep, folder, title):
    figure, axes = plt.subplots()
    intensity = [f["multiply_adds_a_byte"] for f in sweep["figures"]]
    xs = [min(intensity) / 2 * (4 * max(intensity) / min(intensity)) ** (i / 200) for i in range(201)]
    for threads in sorted({l["threads"] for l in sweep["limits"]}):
        own = [l for l in sweep["limits"] if l["threads"] == threads]
        read = spread([l["read_gb_s"] for l in own])["high"]
        peak = spread([l["int8_gops"]["limit"] for l in own])["high"] / 2
        roof, = axes.plot(xs, [min(x * read, peak) for x in xs], label="limit, threads %d" % threads)
        for case, marker in (("prompt", "s"), ("decode", "o"), ("batch", "^")):
            points = [f for f in sweep["figures"] if f["threads"] == threads and f["case"] == case]
            axes.plot([f["multiply_adds_a_byte"] for f in points], [f["tps"] * f["multiply_adds_a_token"] / 1e9 for f in points], marker,
                      color=roof.get_color(), alpha=0.6, label="%s, threads %d" % (case, threads))
    axes.set_xscale("log"); axes.set_yscale("log")
    save(figure, axes, folder, "roofline", title, "multiply-adds a byte read", "10^9 multiply-adds a second")


def memory(sweep, folder, title):
    figure, axes = plt.subplots()
    decoded = [f for f in sweep["figures"] if f["case"] != "prompt"]
    for (threads, kv), figures in series(decoded, "threads", "kv").items():
        axes.plot([f["planned_mb"] for f in figures], [f["token_ms_p50_p95_p99"][0] for f in figures], "o", label="threads %d, KV %s" % (threads, kv))
    named = series(decoded, "threads", "kv")  # the cases of one series: those of the others stand below and beside it
    for f in named[min(named)]:
        if f["case"] == "batch" and f["sequences"] == 1: continue
        name = "%d sequences" % f["sequences"] if f["case"] == "batch" else "depth %d" % f["depth"]
        axes.annotate(name, (f["planned_mb"], f["token_ms_p50_p95_p99"][0]), (4, 0), textcoords="offset points", fontsize=6, va="center")
    axes.margins(x=0.15); axes.set_yscale("log", base=2); axes.yaxis.set_major_formatter("{x:g}")
    save(figure, axes, folder, "memory", title, "planned memory, MiB", "milliseconds of a decoded token (median)")


def context(sweep, folder, title):
    figure, axes = plt.subplots()
    most = max((f["generate"] for f in sweep["figures"] if f["case"] == "decode"), default=0)
    for (threads, kv), figures in series(sweep["figures"], "threads", "kv").items():
        name = "threads %d, KV %s" % (threads, kv)
        line = draw_series(axes, [f for f in figures if f["case"] == "prompt"], "prompt", "prompt, " + name)
        decoded = sorted((f for f in figures if f["case"] == "decode" and f["generate"] == most), key=lambda f: f["depth"])
        axes.plot([f["depth"] for f in decoded], [f["tps"] for f in decoded], "--", marker="o", color=line.get_color(), label="decode, " + name)
    axes.set_xscale("symlog", base=2, linthresh=32); axes.set_xlim(left=0); axes.set_yscale("log")  # a depth of 0 has a place
    save(figure, axes, folder, "context", title, "tokens of the prompt, or in front of the decoded ones", "tokens a second")


def batch(sweep, folder, title):
    figure, axes = plt.subplots()
    for (threads, kv), figures in series([f for f in sweep["figures"] if f["case"] == "batch"], "threads", "kv").items():
        draw_series(axes, figures, "sequences", "threads %d, KV %s" % (threads, kv))
    axes.set_xscale("log", base=2); axes.set_ylim(bottom=0)
    save(figure, axes, folder, "batch", title, "sequences decoded together", "tokens a second of all")


def peers_of(results):
    """Names of the engines that compare.py ran beside nibble, with their versions."""
    return {e: name for r in results for e, name in r.get("peers", {}).items()}


def compare(results, folder, title):
    """A line of points a row of the table, with the spread of the rounds."""
    rows = [(r, f, k) for r in results for f, k in FIGURES.items() if r["medians"]["nibble"][k]]
    engines = sorted({e for r in results for e in r["medians"]}, key=lambda e: (e != "nibble", e))
    names = peers_of(results)
    figure, axes = plt.subplots(figsize=(6, 1 + 0.5 * len(rows)))
    for i, engine in enumerate(engines):
        here = [(y + 0.15 * i, r["medians"][engine][k]) for y, (r, _, k) in enumerate(rows) if r["medians"].get(engine, {}).get(k)]
        axes.errorbar([s["median"] for _, s in here], [y for y, _ in here], fmt="o", label=names.get(engine, engine),
                      xerr=[[s["median"] - s["low"] for _, s in here], [s["high"] - s["median"] for _, s in here]])
    def name(r, figure):
        c = r["case"]
        what = "prompt %d" % c["prompt"] if figure == "prompt" else "decode at %d" % c["depth"]
        return "%s\n%s, KV %s, threads %d, sequences %d" % (os.path.basename(c["model"]), what, c["kv"], c["threads"], c["sequences"])
    axes.set_yticks(range(len(rows))); axes.set_yticklabels([name(r, f) for r, f, _ in rows], fontsize=6)
    axes.invert_yaxis(); axes.set_xscale("log")
    save(figure, axes, folder, "compare", title, "tokens a second", "")


def crowded(result):
    case = result["case"]
    return case.get("busy", 0) > 0 or case["threads"] > result["rounds"][0]["nibble"]["cores"]


def crowd(results, folder, title):
    """A bar an engine: its share of its own tokens a second with as many threads as cores, and nothing beside."""
    work = lambda r: tuple(v for k, v in sorted(r["case"].items()) if k not in ("threads", "busy"))
    rows = []
    for r in filter(crowded, results):
        alone = [q for q in results if not crowded(q) and work(q) == work(r)]
        if not alone: sys.exit("crowd.svg: no figures of %s on a machine of its own" % r["case"]["model"])
        base = max(alone, key=lambda q: q["case"]["threads"])
        rows += [(r, f, {e: m[k]["median"] / base["medians"][e][k]["median"] for e, m in r["medians"].items() if m.get(k)})
                 for f, k in FIGURES.items()]
    rows = [row for row in rows if row[2]]
    engines = sorted({e for _, _, shares in rows for e in shares}, key=lambda e: (e != "nibble", e))
    names = peers_of(results)
    figure, axes = plt.subplots(figsize=(6, 1 + 0.5 * len(rows)))
    for i, engine in enumerate(engines):
        here = [(y + 0.25 * i, shares[engine]) for y, (_, _, shares) in enumerate(rows) if engine in shares]
        bars = axes.barh([y for y, _ in here], [s for _, s in here], height=0.22, label=names.get(engine, engine))
        axes.bar_label(bars, ["%.2f" % s for _, s in here], fontsize=6, padding=2)
    name = lambda r, f: "%s\n%s, threads %d, %d busy beside" % (os.path.basename(r["case"]["model"]), f, r["case"]["threads"],
                                                                r["case"].get("busy", 0))
    axes.set_yticks([y + 0.25 for y in range(len(rows))]); axes.set_yticklabels([name(r, f) for r, f, _ in rows], fontsize=6)
    axes.invert_yaxis()
    save(figure, axes, folder, "crowd", title, "share of the tokens a second that the engine reaches alone on the cores", "")


def schedule(run, folder, title):
    """Requests over time: how long each waited, read its prompt and answered; beside it how its tokens came."""
    requests = [r for r in run["requests"] if r["end_s"] is not None]
    figure, (when, gaps) = plt.subplots(1, 2, figsize=(11, 1.5 + min(8, 0.12 * len(requests))))
    for y, r in enumerate(requests):
        begins = r["arrival_s"] + r["queue_ms"] / 1e3; first = r["arrival_s"] + r["first_token_ms"] / 1e3
        for start, end, colour, name in ((r["arrival_s"], begins, "lightgray", "waits"), (begins, first, "tab:orange", "reads its prompt"),
                                         (first, r["end_s"], "tab:blue", "answers")):
            when.barh(y, end - start, left=start, color=colour, height=0.8, label=name if y == 0 else None)
    when.set_xlabel("seconds"); when.set_ylabel("requests, as they came"); when.invert_yaxis(); when.legend(fontsize=7)
    for key, name in (("first_token_ms", "first token"), ("queue_ms", "until it had room")):
        values = sorted(r[key] for r in requests)
        gaps.plot([v or 0.01 for v in values], [(i + 1) / len(values) for i in range(len(values))], label=name)
    token = sorted(r["token_ms_p50_p95_p99"][1] for r in requests if r["token_ms_p50_p95_p99"][1] is not None)
    gaps.plot(token, [(i + 1) / len(token) for i in range(len(token))], label="a token (95% of each request's)")
    gaps.set_xscale("log")
    totals = run["totals"]
    title += "\n%d requests, %d run together, %.0f tokens/s of answers; p50 p95 p99: first token %.0f %.0f %.0f ms, a token %.0f %.0f %.0f ms" % (
        len(run["requests"]), run["running"], totals["generated_tps"], *totals["first_token_ms_p50_p95_p99"], *totals["token_ms_p50_p95_p99"])
    figure.suptitle(title, fontsize=8)
    save(figure, gaps, folder, "schedule", "", "milliseconds", "share of requests")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("files", metavar="JSON", nargs="+", type=source); p.add_argument("--out", default=".", help="folder of the pictures")
    a = p.parse_args()
    try: os.makedirs(a.out, exist_ok=True)
    except OSError as e: sys.exit("--out: %s: %s" % (a.out or "a folder without a name", e.strerror))
    results = []
    for path in a.files:
        found = read_json(path)
        if not isinstance(found, dict): found = {}
        if "requests" in found and "totals" in found:
            schedule(found, a.out, "%s\n%s" % (found["model"], origin(found)))
            continue
        if "figures" in found and "limits" in found:
            title = "%s\n%s" % (found["model"], origin(found))
            for draw in (roofline,) * bool(found["limits"]) + (memory, context, batch): draw(found, a.out, title)
        elif "rounds" in found or "table" in found: results += found.get("table") or [found]
        else: sys.exit("%s: neither of nibble-bench sweep or schedule nor of compare.py" % path)
    if not results: return
    title = "\n".join(dict.fromkeys(origin(r["rounds"][0]["nibble"]) for r in results))
    if not all(map(crowded, results)): compare([r for r in results if not crowded(r)], a.out, title)
    if any(map(crowded, results)): crowd(results, a.out, title)


if __name__ == "__main__": main()
