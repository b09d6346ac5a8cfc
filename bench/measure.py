"""What the scripts of this folder share: where things are, what arguments may be, how programs are run, what is recorded of the machine."""
import argparse, contextlib, glob, json, math, os, platform, statistics, subprocess, sys, tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SHARED = os.environ.get("NIBBLE_SHARED", "")
ENGINES = ("llama", "new", "ik")  # as llama.py names them: llama.cpp, a newer one, ik_llama.cpp
# llama.cpp as it is shipped has a library for each of these instruction sets, and takes the best; the others are built for AVX2
LLAMA_CPUS = {"AVX10_2": "sapphirerapids", "AVX3_SPR": "sapphirerapids", "AVX3_ZEN4": "zen4", "AVX3_DL": "icelake", "AVX3": "skylakex", "AVX_VNNI": "alderlake",
              "AVX2": "haswell", "SSE4": "sse42", "SSSE3": "x64", "SSE2": "x64", "reference": "x64"}


def at_least(least, kind=int):
    """The type of an argument: a number, finite, and no less than this."""
    def read(text):
        try: value = kind(text)
        except ValueError: value = math.nan
        if not least <= value < math.inf:
            raise argparse.ArgumentTypeError("expected a %s of %s or more, found %s" % ("whole number" if kind is int else "number", least, text or "none"))
        return value
    return read


def given(text):
    """The type of an argument without which something else is done: no empty name."""
    if not text: raise argparse.ArgumentTypeError("expected a name, found none")
    return text


def source(path):
    """The type of an argument: a file to read."""
    if not os.path.isfile(path): raise argparse.ArgumentTypeError("there is no file %s" % (path or "without a name"))
    return path


def output(path):
    """The type of an argument: a file to write. What is measured for long should not be lost for want of a folder."""
    folder = os.path.dirname(given(path)) or "."
    if not os.path.isdir(folder): raise argparse.ArgumentTypeError("%s cannot be written: there is no folder %s" % (path, folder))
    if os.path.isdir(path) or not os.access(path if os.path.exists(path) else folder, os.W_OK): raise argparse.ArgumentTypeError("%s cannot be written" % path)
    return path


def keep_inputs(outputs, inputs):
    """Ends this script where an output is a file that is read, or where two are one file. Either list may have None in it."""
    outputs = [o for o in outputs if o]
    for i, o in enumerate(outputs):
        for other in outputs[:i] + [p for p in inputs if p]:
            if os.path.realpath(o) == os.path.realpath(other) or (os.path.exists(o) and os.path.exists(other) and os.path.samefile(o, other)):
                if o != os.devnull: sys.exit("%s: expected a file of its own to write, found one that is used already" % o)


def add_json(parser, what="all figures"): parser.add_argument("--json", type=output, help="write %s to this file" % what)


def add_bench(parser):
    parser.add_argument("--bench", default=os.environ.get("NIBBLE_BENCH", os.path.join(ROOT, "build/bench/nibble-bench")),
                        help="the program nibble-bench (default: $NIBBLE_BENCH, or the one in build/)")
    parser.add_argument("--target", type=given, help="the instruction set that nibble runs, of `nibble-bench targets` (default: the best)")


def add_peer(parser, engines):
    parser.add_argument("--peer", default=os.path.join(SHARED, "tools/peer/llama.py") if SHARED else None,
                        help="llama.py, or its folder, with the peers' libraries installed beside it (default: in $NIBBLE_SHARED)")
    parser.add_argument("--engine", nargs="*", choices=ENGINES, default=engines, help="the peers to run")


def peer_program(args):
    """The command that runs a peer. It runs as it is, so LLAMA_LIBS and IK_LIBS may say where the libraries are."""
    if not args.peer: sys.exit("--peer: say where llama.py is, or set NIBBLE_SHARED")
    path = os.path.join(args.peer, "llama.py") if os.path.isdir(args.peer) else args.peer
    if not os.path.isfile(path): sys.exit("--peer: there is no %s" % path)
    return [sys.executable, path]


def llama_libraries(args):
    """Where llama.py looks for llama.cpp's libraries."""
    installed = glob.glob(os.path.join(os.path.dirname(peer_program(args)[1]), "node_modules/@node-llama-cpp/*/bins/*"))
    return os.environ.get("LLAMA_LIBS") or (installed[0] if installed else sys.exit("--peer: llama.cpp's libraries are not installed there"))


@contextlib.contextmanager
def peers_for(args):
    """While it is open, llama.cpp has only the library for the instruction set of --target; gives that library's name, if there is one."""
    if not args.target or "llama" not in args.engine:
        yield None
        return
    if args.target not in LLAMA_CPUS: sys.exit("--target: no library of llama.cpp is known to be for %s; leave --engine llama out" % args.target)
    cpu, libraries, before = "libggml-cpu-%s" % LLAMA_CPUS[args.target], llama_libraries(args), os.environ.get("LLAMA_LIBS")
    if not os.path.isdir(libraries): sys.exit("LLAMA_LIBS: there is no folder %s" % libraries)
    files = [f for f in sorted(os.listdir(libraries)) if not f.startswith("libggml-cpu") or f.startswith(cpu + ".")]
    if not any(f.startswith(cpu) for f in files): sys.exit("--target: llama.cpp has no %s in %s; leave --engine llama out" % (cpu, libraries))
    with tempfile.TemporaryDirectory() as folder:
        for f in files: os.symlink(os.path.join(os.path.abspath(libraries), f), os.path.join(folder, f))
        os.environ["LLAMA_LIBS"] = folder
        try: yield cpu
        finally: os.environ.update(LLAMA_LIBS=before) if before is not None else os.environ.pop("LLAMA_LIBS")


def run(command, text=None):
    """Its standard output, with this text as its input; ends this script with what it said when it fails."""
    try: done = subprocess.run(command, input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    except OSError as e: sys.exit("%s: %s" % (command[0], e.strerror))
    if done.returncode: sys.exit("failed (%d): %s\n%s" % (done.returncode, " ".join(command), done.stderr.strip()))
    return done.stdout


def run_json(command, *keys):
    """The object that its last line is, with these keys among others."""
    lines = run(command).strip().splitlines()
    try: found = json.loads(lines[-1]) if lines else None
    except ValueError: found = None
    if not isinstance(found, dict) or any(k not in found for k in keys):
        sys.exit("%s: expected a line of JSON with %s, found %s" % (" ".join(command), ", ".join(keys), lines[-1][:200] if lines else "nothing"))
    return found


def run_for(path, command):
    """Runs what writes this file; ends this script where it did not."""
    run(command)
    if not os.path.isfile(path): sys.exit("%s: it did not write %s" % (" ".join(command), path))


def read_json(path):
    try:
        with open(path) as f: return json.load(f)
    except (OSError, ValueError) as e: sys.exit("%s: %s" % (path, getattr(e, "strerror", None) or e))


def read_ids(path):
    """The ids of a file, and all that is in it: a list, or an object with one as "ids"."""
    found = read_json(path)
    ids = found.get("ids") if isinstance(found, dict) else found
    if not (isinstance(ids, list) and ids): sys.exit("%s: expected a list of ids, or an object with one as \"ids\"" % path)
    return ids, found


def machine():
    """The processor, cores and commit that a figure belongs to."""
    cpu = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as f: cpu = next((l.split(":", 1)[1].strip() for l in f if l.startswith("model name")), cpu)
    except OSError: pass
    describe = ["git", "-C", ROOT, "describe", "--always", "--dirty"]
    try: commit = subprocess.run(describe, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.strip() or None
    except OSError: commit = None
    return {"cpu": cpu, "cores": os.cpu_count(), "system": platform.platform(), "commit": commit}


def spread(values):
    """Median, lowest and highest of the values that are there; None without any."""
    values = sorted(v for v in values if v is not None)
    return {"median": statistics.median(values), "low": values[0], "high": values[-1]} if values else None


def write_json(path, value):
    if not path: return
    with open(path, "w") as f: f.write(json.dumps(value, indent=1) + "\n")
