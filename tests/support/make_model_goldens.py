#!/usr/bin/env python3
"""Writes tests/golden/models: a small model of random weights for each architecture, and its logits by a float64 forward pass.

    pip install numpy==2.4.6
    python3 tests/support/make_model_goldens.py [FOLDER]

A model is a row of MODELS: its name (`<architecture>` or `<architecture>-<variant>`), a seed, and what tells it apart from a llama.
The forward pass below is written from the papers and shares nothing with the library. The vocabulary (512 tokens) is that of
llama.gguf, which must be there.
"""
import pathlib
import struct
import sys

import numpy as np

OUT = pathlib.Path(__file__).resolve().parents[1] / "golden/models"
IDS = [1, 403, 407, 261, 378, 300, 40, 265, 282, 293, 441, 7]
VOCABULARY, WIDTH, HIDDEN, HEADS, KV_HEADS, CONTEXT, EPS = 512, 64, 128, 4, 2, 512, 1e-5

GEMMA = dict(head_dim=32, rotate="halves", gelu=True, tied=True, embedding_scale=8.0, embedding_std=0.15)
GEMMA2 = dict(**GEMMA, post_norms=True, window=4)
MODELS = {
    "llama": dict(seed=1),
    "llama-tied-hd32": dict(seed=2, head_dim=32, tied=True),
    "llama-bias": dict(seed=3, biases="qkvo"),
    "llama-ffn-bias": dict(seed=15, layers=1, biases="gud", tied=True),
    "llama-window": dict(seed=16, layers=1, tied=True, local=lambda i: True, window=4, keys={"attention.sliding_window": 4}),
    "gemma-ffn-bias": dict(seed=17, layers=1, biases="gud", **GEMMA),
    "llama-ropefreqs": dict(seed=4, general_name="llama3-ropefreqs", base=5e5, rope_freqs=[1.0, 1.0, 1.5, 2.0, 3.0, 6.0, 8.0, 8.0]),
    "llama-linear4": dict(seed=5, position_scale=0.25, keys={"rope.scaling.type": "linear", "rope.scaling.factor": 4.0}),
    "qwen2": dict(seed=8, rotate="halves", biases="qkv", base=1e6),
    "qwen3": dict(seed=10, head_dim=32, rotate="halves", head_norms=True, tied=True, base=1e6),
    "llama-experts": dict(seed=6, layers=1, experts=4, keys={"expert_count": 4, "expert_used_count": 2}),
    "qwen3moe": dict(seed=7, head_dim=32, rotate="halves", head_norms=True, base=1e6, experts=6, expert_hidden=32, keys={
        "expert_count": 6, "expert_used_count": 2, "expert_feed_forward_length": 32}),
    "qwen2moe": dict(seed=18, layers=1, rotate="halves", biases="qkv", base=1e6, tied=True, experts=4, expert_hidden=32, shared_hidden=48,
                     keys={"expert_count": 4, "expert_used_count": 2, "expert_feed_forward_length": 32,
                           "expert_shared_feed_forward_length": 48}),
    "smollm3": dict(seed=9, layers=4, tied=True, turned=lambda i: i % 4 < 3),
    "minicpm": dict(seed=11, tied=True, embedding_scale=12.0, residual_scale=1.4 / np.sqrt(2), logit_scale=64 / 256),
    "granite": dict(seed=18, layers=1, tied=True, embedding_scale=12.0, residual_scale=0.22, attention_scale=0.0625, logit_scale=1 / 6,
                    embedding_std=0.1, keys={"embedding_scale": 12.0, "residual_scale": 0.22, "attention.scale": 0.0625,
                                             "logit_scale": 6.0}),
    "gemma": dict(seed=12, **GEMMA),
    "gemma2": dict(seed=13, layers=4, local=lambda i: i % 2 == 0, attention_cap=50.0, output_cap=30.0, **GEMMA2, keys={
        "attention.sliding_window": 4, "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0}),
    "gemma3": dict(seed=14, layers=7, local=lambda i: i % 6 < 5, local_base=1e4, base=1e6, head_norms=True, **GEMMA2,
                   keys={"attention.sliding_window": 4}),
}
DEFAULTS = dict(layers=2, head_dim=16, rotate="pairs", base=1e4, local_base=None, local=lambda i: False, window=0, biases="",
                head_norms=False, post_norms=False, gelu=False, tied=False, rope_freqs=None, position_scale=1.0, attention_cap=None,
                output_cap=None, embedding_scale=1.0, embedding_std=0.6, keys={}, general_name=None, experts=0, expert_hidden=HIDDEN,
                turned=lambda i: True, residual_scale=1.0, logit_scale=1.0, attention_scale=None, shared_hidden=0)


class Model:
    def __init__(self, name, seed, **apart):
        self.name, self.architecture = name, name.split("-")[0]
        self.__dict__.update({**DEFAULTS, **apart})
        self.random, self.tensors = np.random.default_rng(seed), {}
        self.make_tensors()

    # ---- weights, in the order of the random numbers
    def matrix(self, name, rows, columns, std=None):
        w = self.random.standard_normal((rows, columns)) * (std or 1.5 / np.sqrt(columns))
        self.tensors[name + ".weight"] = w.astype(np.float32)

    def stack(self, name, matrices, rows, columns):
        w = self.random.standard_normal((matrices, rows, columns)) * (1.5 / np.sqrt(columns))
        self.tensors[name + ".weight"] = w.astype(np.float32)

    def norm(self, name, size):
        self.tensors[name + ".weight"] = (1 + 0.2 * self.random.standard_normal((size,))).astype(np.float32)

    def bias(self, name, size):
        self.tensors[name + ".bias"] = (0.1 * self.random.standard_normal((size,))).astype(np.float32)

    def make_tensors(self):
        queries, keys = HEADS * self.head_dim, KV_HEADS * self.head_dim
        self.matrix("token_embd", VOCABULARY, WIDTH, self.embedding_std)
        for i in range(self.layers):
            at = "blk.%d." % i
            self.norm(at + "attn_norm", WIDTH)
            for letter, rows in (("q", queries), ("k", keys), ("v", keys)):
                self.matrix(at + "attn_" + letter, rows, WIDTH)
                if letter in self.biases: self.bias(at + "attn_" + letter, rows)
            self.matrix(at + "attn_output", WIDTH, queries)
            if "o" in self.biases: self.bias(at + "attn_output", WIDTH)
            if self.head_norms: self.norm(at + "attn_q_norm", self.head_dim); self.norm(at + "attn_k_norm", self.head_dim)
            if self.post_norms: self.norm(at + "post_attention_norm", WIDTH); self.norm(at + "post_ffw_norm", WIDTH)
            self.norm(at + "ffn_norm", WIDTH)
            if self.experts:
                self.matrix(at + "ffn_gate_inp", self.experts, WIDTH)
                for part, shape in (("gate", (self.expert_hidden, WIDTH)), ("up", (self.expert_hidden, WIDTH)), ("down", (WIDTH, self.expert_hidden))):
                    self.stack(at + "ffn_%s_exps" % part, self.experts, *shape)
                if self.shared_hidden:
                    self.matrix(at + "ffn_gate_inp_shexp", 1, WIDTH)
                    self.tensors[at + "ffn_gate_inp_shexp.weight"].shape = (WIDTH,)
                    for part in ("gate", "up"): self.matrix(at + "ffn_%s_shexp" % part, self.shared_hidden, WIDTH)
                    self.matrix(at + "ffn_down_shexp", WIDTH, self.shared_hidden)
                continue
            for part, shape in (("gate", (HIDDEN, WIDTH)), ("up", (HIDDEN, WIDTH)), ("down", (WIDTH, HIDDEN))):
                self.matrix(at + "ffn_" + part, *shape)
                if part[0] in self.biases: self.bias(at + "ffn_" + part, shape[0])
        self.norm("output_norm", WIDTH)
        if not self.tied: self.matrix("output", VOCABULARY, WIDTH)
        if self.rope_freqs: self.tensors["rope_freqs.weight"] = np.array(self.rope_freqs, np.float32)

    # ---- the file
    def metadata(self):
        own = {"vocab_size": VOCABULARY, "context_length": CONTEXT, "embedding_length": WIDTH, "block_count": self.layers,
               "feed_forward_length": HIDDEN, "attention.head_count": HEADS, "attention.head_count_kv": KV_HEADS,
               "attention.layer_norm_rms_epsilon": EPS}
        if self.head_dim * HEADS != WIDTH: own.update({"attention.key_length": self.head_dim, "attention.value_length": self.head_dim})
        own.update({"rope.dimension_count": self.head_dim, "rope.freq_base": self.base, **self.keys})
        return {"general.architecture": self.architecture, "general.name": self.general_name or self.name, "general.alignment": 32,
                "general.file_type": 0, **{self.architecture + "." + key: value for key, value in own.items()}}

    def write(self, path, vocabulary):
        pairs = [string(key) + typed(value) for key, value in self.metadata().items()] + vocabulary
        head, offset, padded = b"GGUF" + struct.pack("<IQQ", 3, len(self.tensors), len(pairs)) + b"".join(pairs), 0, []
        for name, w in self.tensors.items():
            head += string(name) + struct.pack("<I%dQIQ" % w.ndim, w.ndim, *w.shape[::-1], 0, offset)
            padded.append(w.tobytes() + bytes(-w.nbytes % 32))
            offset += len(padded[-1])
        path.write_bytes(head + bytes(-len(head) % 32) + b"".join(padded))

    # ---- the forward pass
    def logits(self, ids):
        w = {name: tensor.astype(np.float64) for name, tensor in self.tensors.items()}
        eps, heads_a_key, tokens = float(np.float32(EPS)), HEADS // KV_HEADS, len(ids)
        norm = lambda x, name: x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * w[name + ".weight"]
        linear = lambda x, name: x @ w[name + ".weight"].T + w.get(name + ".bias", 0)
        gate = (lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * x * (1 + 0.044715 * x * x)))) if self.gelu else (
            lambda x: x / (1 + np.exp(-x)))
        distance = np.arange(tokens)[:, None] - np.arange(tokens)[None]
        x = w["token_embd.weight"][ids] * self.embedding_scale
        for i in range(self.layers):
            at, local = "blk.%d." % i, self.local(i)
            h = norm(x, at + "attn_norm")
            q, k, v = (linear(h, at + "attn_" + letter).reshape(tokens, -1, self.head_dim) for letter in "qkv")
            if self.head_norms: q, k = norm(q, at + "attn_q_norm"), norm(k, at + "attn_k_norm")
            if self.turned(i): q, k = self.rotated(q, local), self.rotated(k, local)
            seen = (distance >= 0) & (distance < self.window if local else True)
            mixed = np.zeros_like(q)
            for head in range(HEADS):
                scores = q[:, head] @ k[:, head // heads_a_key].T * (self.attention_scale or self.head_dim ** -0.5)
                if self.attention_cap: scores = self.attention_cap * np.tanh(scores / self.attention_cap)
                scores = np.where(seen, scores, -np.inf)
                p = np.exp(scores - scores.max(-1, keepdims=True))
                mixed[:, head] = p / p.sum(-1, keepdims=True) @ v[:, head // heads_a_key]
            branch = linear(mixed.reshape(tokens, -1), at + "attn_output")
            x = x + self.residual_scale * (norm(branch, at + "post_attention_norm") if self.post_norms else branch)
            h = norm(x, at + "ffn_norm")
            if self.experts:
                branch = np.array([self.mixture(w, at, gate, row) for row in h])
                if self.shared_hidden:
                    share = 1 / (1 + np.exp(-linear(h, at + "ffn_gate_inp_shexp")))[:, None]
                    given = gate(linear(h, at + "ffn_gate_shexp")) * linear(h, at + "ffn_up_shexp")
                    branch = branch + share * linear(given, at + "ffn_down_shexp")
            else:
                branch = linear(gate(linear(h, at + "ffn_gate")) * linear(h, at + "ffn_up"), at + "ffn_down")
            x = x + self.residual_scale * (norm(branch, at + "post_ffw_norm") if self.post_norms else branch)
        y = self.logit_scale * linear(norm(x, "output_norm"), "token_embd" if self.tied else "output")
        return self.output_cap * np.tanh(y / self.output_cap) if self.output_cap else y

    def mixture(self, w, at, gate, x):
        """The two most likely experts, by how likely each of the two is, or where one is shared, each of all."""
        scores = w[at + "ffn_gate_inp.weight"] @ x
        best = np.argsort(-scores)[:2]
        share = np.exp(scores[best] - scores[best].max())
        total = np.exp(scores - scores.max()).sum() if self.shared_hidden else share.sum()
        gates, ups, downs = (w[at + "ffn_%s_exps.weight" % part][best] for part in ("gate", "up", "down"))
        return sum(s * (d @ (gate(g @ x) * (u @ x))) for s, g, u, d in zip(share / total, gates, ups, downs))

    def rotated(self, x, local):
        pair = np.arange(self.head_dim // 2)
        base = self.local_base if local and self.local_base else self.base
        angle = np.arange(len(x))[:, None] * base ** (-2.0 * pair / self.head_dim) * self.position_scale
        if self.rope_freqs: angle = angle / np.array(self.rope_freqs)
        cos, sin, out = np.cos(angle)[:, None], np.sin(angle)[:, None], np.empty_like(x)
        first, second = (2 * pair, 2 * pair + 1) if self.rotate == "pairs" else (pair, pair + self.head_dim // 2)
        out[..., first] = x[..., first] * cos - x[..., second] * sin
        out[..., second] = x[..., first] * sin + x[..., second] * cos
        return out


def string(text):
    return struct.pack("<Q", len(text.encode())) + text.encode()


def typed(value):
    if isinstance(value, str): return struct.pack("<I", 8) + string(value)
    if isinstance(value, list): return struct.pack("<IIQ%di" % len(value), 9, 5, len(value), *value)
    return struct.pack("<If", 6, value) if isinstance(value, float) else struct.pack("<II", 4, value)


def vocabulary_of(path):
    """The metadata pairs of a GGUF file whose keys begin with "tokenizer.", as they stand."""
    file, at, pairs = path.read_bytes(), 24, []
    size = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}

    def after(at, kind):
        if kind == 8: return at + 8 + struct.unpack_from("<Q", file, at)[0]
        if kind != 9: return at + size[kind]
        (element, count), at = struct.unpack_from("<IQ", file, at), at + 12
        for _ in range(count): at = after(at, element)
        return at

    for _ in range(struct.unpack_from("<Q", file, 16)[0]):
        start, at = at, after(at, 8)
        key, at = file[start + 8:at], after(at + 4, struct.unpack_from("<I", file, at)[0])
        if key.startswith(b"tokenizer."): pairs.append(file[start:at])
    return pairs


def main():
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    vocabulary = vocabulary_of(OUT / "llama.gguf")
    for name, apart in MODELS.items():
        model = Model(name, **apart)
        model.write(out / (name + ".gguf"), vocabulary)
        model.logits(IDS).astype("<f4").tofile(out / (name + ".numpy.logits.f32"))


if __name__ == "__main__":
    main()
