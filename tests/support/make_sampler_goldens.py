"""What llama.cpp's samplers make of logits and texts that both sides compute: tests/golden/sample/llama_cpp.txt.

    LLAMA_LIBS=folder of libllama (npm @node-llama-cpp/linux-x64 3.22.1: llama.cpp v0.5.0) python3 make_sampler_goldens.py

A line: what is recorded, the sampler in the words of nibble::parse_sampler, how many candidates, the seed of their logits, and
    kept    ids that stay, ascending
    logits  those that differ from before, as id:logit
    shares  id:probability, the likeliest five
    trace   token by token, how many candidates were left to draw from, and the probability of the drawn one among them
    adapted token by token, the greatest probability after the transformation, and the original one of the drawn token
"""
import ctypes as C
import glob
import math
import os

LIBS = os.environ["LLAMA_LIBS"]
OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../golden/sample/llama_cpp.txt")
for name in ("libggml-base.so", "libggml.*.so", "libllama.v*.so"):
    lib = C.CDLL(sorted(glob.glob(os.path.join(LIBS, name)))[0], mode=C.RTLD_GLOBAL)
f32, i32, u32, ptr, size = C.c_float, C.c_int32, C.c_uint32, C.c_void_p, C.c_size_t


class Candidate(C.Structure):
    _fields_ = [("id", i32), ("logit", f32), ("p", f32)]


class Candidates(C.Structure):
    _fields_ = [("data", C.POINTER(Candidate)), ("size", size), ("selected", C.c_int64), ("sorted", C.c_bool)]


for name, arguments in (("typical", [f32, size]), ("min_p", [f32, size]), ("top_n_sigma", [f32]), ("temp_ext", [f32] * 3), ("xtc", [f32, f32, size, u32]),
                        ("mirostat", [i32, u32, f32, f32, i32]), ("mirostat_v2", [u32, f32, f32]), ("adaptive_p", [f32, f32, u32])):
    function = getattr(lib, "llama_sampler_init_" + name)
    function.restype, function.argtypes = ptr, arguments
silent = C.CFUNCTYPE(None, C.c_int, C.c_char_p, ptr)(lambda level, text, data: None)
lib.llama_log_set(silent, None)
lib.llama_sampler_apply.argtypes = [ptr, C.POINTER(Candidates)]
lib.llama_sampler_accept.argtypes = [ptr, i32]
dry_testing = getattr(lib, "_Z30llama_sampler_init_dry_testingffiiRKSt6vectorIS_IiSaIiEESaIS1_EE")
dry_testing.restype, dry_testing.argtypes = ptr, [f32, f32, i32, i32, ptr]


def numbers(n, seed):
    """Integers of 24 bits, the same in C++."""
    for _ in range(n):
        seed = (seed * 1664525 + 1013904223) & 0xffffffff
        yield seed >> 8


def logits(n, seed, scale=2.0 ** -20):
    return [(x - (1 << 23)) * scale for x in numbers(n, seed)]


def apply(sampler, values):
    data = (Candidate * len(values))(*[Candidate(i, x, 0) for i, x in enumerate(values)])
    c = Candidates(data, len(values), -1, False)
    lib.llama_sampler_apply(sampler, C.byref(c))
    return c, [(c.data[i].id, c.data[i].logit, c.data[i].p) for i in range(c.size)]


def vector(kind, items):
    """A std::vector of libstdc++: first, last, end of memory."""
    memory = (kind * max(len(items), 1))(*items)
    first = C.addressof(memory)
    last = first + C.sizeof(kind) * len(items)
    out = (C.c_uint64 * 3)(first, last, last)
    keep.append(memory)
    return out


keep = []
lines = []


def record(kind, text, n, seed, *values):
    lines.append(" ".join([kind, text, str(n), str(seed)] + [str(v) for v in values]))


def g(x):
    return "%.9g" % x


for n, seed in ((5, 1), (40, 2), (1000, 3), (1000, 4)):
    values = logits(n, seed)
    for p in (0.1, 0.5, 0.9):
        if n <= 40:  # beyond that llama.cpp's sums of float change which are kept
            record("kept", "typical_p=%g" % p, n, seed, *sorted(i for i, _, _ in apply(lib.llama_sampler_init_typical(p, 1), values)[1]))
    for s in (0.1, 0.5, 1, 1.5):
        kept = sorted(i for i, x, _ in apply(lib.llama_sampler_init_top_n_sigma(s), values)[1] if x > -float("inf"))
        if len(kept) <= 100:
            record("kept", "top_n_sigma=%g" % s, n, seed, *kept)
    for threshold in (0.4, 0.1, 0.02, 0.005):
        all_ids = set(range(n))
        kept = {i for i, _, _ in apply(lib.llama_sampler_init_xtc(1.0, threshold, 0, 7), values)[1]}
        record("gone", "xtc=probability:1,threshold:%g" % threshold, n, seed, *sorted(all_ids - kept))
    for t, r, e in ((0.8, 0.5, 1), (1, 0.7, 0.5), (0.3, 0.6, 2), (1.5, 0.2, 3)):
        after = dict((i, x) for i, x, _ in apply(lib.llama_sampler_init_temp_ext(t, r, e), values)[1])
        record("logits", "dynamic_temperature=t:%g,range:%g,exponent:%g" % (t, r, e), n, seed, *["%d:%s" % (i, g(after[i])) for i in range(min(n, 5))])
    for target, decay in ((0.55, 0.9), (0.1, 0.5), (0.9, 0.99), (0, 0)):
        sampler = lib.llama_sampler_init_adaptive_p(target, decay, 11)
        out = []
        for step in range(6):
            now = logits(n, seed + 100 * step, 2.0 ** -21)
            total = sum(math.exp(x - 8) for x in now)
            c, after = apply(sampler, now)
            drawn = after[c.selected][0]
            lib.llama_sampler_accept(sampler, drawn)
            out += [g(max(p for _, _, p in after)), g(math.exp(now[drawn] - 8) / total)]
        record("adapted", "adaptive_p=target:%g,decay:%g" % (target, decay), n, seed, *out)
    for tau, eta in ((5, 0.1), (2, 0.3), (0.5, 1)):
        for version in (1, 2):
            sampler = lib.llama_sampler_init_mirostat(n, 13, tau, eta, 100) if version == 1 else lib.llama_sampler_init_mirostat_v2(13, tau, eta)
            out = []
            for step in range(12):
                c, after = apply(sampler, logits(n, seed + 100 * step, 2.0 ** -21))
                out += [len(after), g(after[c.selected][2])]
            record("trace", "%s=tau:%g,eta:%g" % ("mirostat" if version == 1 else "mirostat_v2", tau, eta), n, seed, *out)

# texts of a few words, so that much is repeated; the breakers are one token, and two in a row
for multiplier, base, allowed, last_n, words, breakers in ((0.8, 1.75, 2, 200, 3, []), (1, 1.5, 1, 60, 5, []), (0.5, 2, 3, 200, 3, [[2]]), (0.8, 1.75, 2, 200, 4, [[3], [2, 1]]),
                                                           (2, 1.1, 2, 30, 2, []), (0.8, 1.75, 2, 200, 6, [[5, 5, 5]])):
    for seed in range(1, 9):
        text = [x % words for x in numbers(150, 1000 + seed)]
        rows = [vector(i32, b) for b in breakers]
        table = vector(C.c_uint64 * 3, rows)
        sampler = dry_testing(multiplier, base, allowed, last_n, C.addressof(table))
        for token in text:
            lib.llama_sampler_accept(sampler, token)
        values = logits(8, seed)
        after = dict((i, x) for i, x, _ in apply(sampler, values)[1])
        changed = ["%d:%s" % (i, g(after[i])) for i in range(8) if after[i] != values[i]]
        name = "dry=multiplier:%g,base:%g,allowed_length:%d,last_n:%d" % (multiplier, base, allowed, last_n)
        record("dry", name, words, seed, ";".join(",".join(map(str, b)) for b in breakers) or "none", *changed)

os.makedirs(os.path.dirname(OUT), exist_ok=True)
with open(OUT, "w") as out:
    out.write("# llama.cpp v0.5.0; tests/support/make_sampler_goldens.py says what stands here\n" + "\n".join(lines) + "\n")
