"""What compare.py, fidelity.py and weight.py share: where things are, how programs are run, what is recorded of the machine."""
import json, os, platform, statistics, subprocess, sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SHARED = os.environ.get("NIBBLE_SHARED", "")


def add_bench(parser):
    parser.add_argument("--bench", default=os.environ.get("NIBBLE_BENCH", os.path.join(ROOT, "build/bench/nibble-bench")),
                        help="the program nibble-bench (default: $NIBBLE_BENCH, or the one in build/)")


def add_peer(parser, engines):
    parser.add_argument("--peer", default=os.path.join(SHARED, "tools/peer/llama.py") if SHARED else None,
                        help="llama.py, or its folder, with the peers' libraries installed beside it (default: in $NIBBLE_SHARED)")
    parser.add_argument("--engine", nargs="*", choices=["llama", "ik"], default=engines, help="the peers to run")


def peer_program(args):
    """The command that runs a peer. It runs as it is, so LLAMA_LIBS and IK_LIBS may say where the libraries are."""
    if not args.peer: sys.exit("--peer: say where llama.py is, or set NIBBLE_SHARED")
    path = os.path.join(args.peer, "llama.py") if os.path.isdir(args.peer) else args.peer
    if not os.path.isfile(path): sys.exit("--peer: there is no %s" % path)
    return [sys.executable, path]


def run(command):
    """Its standard output; ends this script with what it said when it fails."""
    try: done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    except OSError as e: sys.exit("%s: %s" % (command[0], e.strerror))
    if done.returncode: sys.exit("failed (%d): %s\n%s" % (done.returncode, " ".join(command), done.stderr.strip()))
    return done.stdout


def last_json(text): return json.loads(text.strip().splitlines()[-1])


def machine():
    """The processor, cores and commit that a figure belongs to."""
    cpu = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as f: cpu = next((l.split(":", 1)[1].strip() for l in f if l.startswith("model name")), cpu)
    except OSError: pass
    git = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return {"cpu": cpu, "cores": os.cpu_count(), "system": platform.platform(), "commit": git.stdout.strip() or None}


def spread(values):
    """Median, lowest and highest of the values that are there; None without any."""
    values = sorted(v for v in values if v is not None)
    return {"median": statistics.median(values), "low": values[0], "high": values[-1]} if values else None


def write_json(path, value):
    if not path: return
    with open(path, "w") as f: f.write(json.dumps(value, indent=1) + "\n")
