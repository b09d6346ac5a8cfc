#!/usr/bin/env python3
"""Writes a model of real size and random weights, to measure speed, which does not depend on their values.

    pip install numpy==2.4.6
    python3 tests/support/make_random_model.py SHAPE OUT.gguf

SHAPE is a row of SHAPES. Weights are Q4_K, and Q6_K where published Q4_K_M files have that: the output matrix, and of every second
layer the values and the last product of the feed-forward. Small matrices, norms and biases are F32.
"""
import struct
import sys

import numpy as np

SHAPES = {
    # a quarter of the layers attends
    "qwen35-1b": dict(architecture="qwen35", layers=16, width=2048, hidden=6144, heads=8, kv_heads=2, head_dim=256, rotated=64,
                      key_heads=16, value_heads=16, state=128, taps=4, interval=4),
    "lfm2-1b": dict(architecture="lfm2", layers=16, width=2048, hidden=8192, heads=32, kv_heads=8, head_dim=64, taps=3,
                    attends=(2, 5, 8, 10, 12, 14)),
    "mamba2-1b": dict(architecture="mamba2", layers=48, width=2048, inner=4096, ssm_heads=64, groups=1, state=128, taps=4),
}
VOCABULARY, CONTEXT = 32000, 32768
TYPES = {"F32": (0, 1, 4), "Q4_K": (12, 256, 144), "Q6_K": (14, 256, 210)}  # number, numbers of a block, its bytes
random = np.random.default_rng(1)


def halves(values):
    return values.astype("<f2").view(np.uint8).reshape(-1, 2)


def blocks(kind, count, deviation):
    """Bytes of random blocks whose numbers have about this deviation."""
    size = TYPES[kind][2]
    out = np.frombuffer(random.bytes(count * size), np.uint8).reshape(count, size).copy()
    if kind == "Q6_K":  # 256 codes of 6 bits around 32, 16 scales of 8 bits, and a half
        out[:, 208:210] = halves(np.full(count, deviation / (18.5 * 73)))
        return out.tobytes()
    # a scale and a minimum, eight pairs of 6-bit factors of these, which are all 32 here, and 256 codes of 4 bits
    out[:, 0:2] = halves(np.full(count, deviation / (32 * 4.6)))
    out[:, 2:4] = halves(np.full(count, 7.5 * deviation / (32 * 4.6)))
    out[:, 4:12], out[:, 12:16] = 32 | 128, 0
    return out.tobytes()


class Model:
    def __init__(self, shape):
        self.shape, self.tensors = shape, []
        width = shape["width"]
        self.matrix("token_embd", VOCABULARY, width, "Q6_K")
        self.numbers("token_embd_norm" if shape["architecture"] == "lfm2" else "output_norm", width)
        for i in range(shape["layers"]):
            self.layer(f"blk.{i}.", i)

    def matrix(self, name, rows, columns, kind="Q4_K"):
        self.tensors.append((name + ".weight", kind, (columns, rows)))

    def numbers(self, name, *dims, value=1.0, suffix=".weight"):
        self.tensors.append((name + suffix, "F32", dims, value))

    def layer(self, at, i):
        s = self.shape
        more = "Q6_K" if i % 2 else "Q4_K"
        self.numbers(at + "attn_norm", s["width"])
        if s["architecture"] == "mamba2":
            return self.mamba2(at)
        attends = (i + 1) % s["interval"] == 0 if "interval" in s else i in s["attends"]
        if attends:
            self.attention(at, more)
        elif s["architecture"] == "lfm2":
            self.matrix(at + "shortconv.in_proj", 3 * s["width"], s["width"])
            self.numbers(at + "shortconv.conv", s["taps"], s["width"], value=0.4)
            self.matrix(at + "shortconv.out_proj", s["width"], s["width"])
        else:
            self.delta_net(at)
        self.numbers(at + ("post_attention_norm" if s["architecture"] == "qwen35" else "ffn_norm"), s["width"])
        self.matrix(at + "ffn_gate", s["hidden"], s["width"])
        self.matrix(at + "ffn_up", s["hidden"], s["width"])
        self.matrix(at + "ffn_down", s["width"], s["hidden"], more)

    def attention(self, at, more):
        s = self.shape
        queries = s["heads"] * s["head_dim"]
        self.matrix(at + "attn_q", queries * (2 if s["architecture"] == "qwen35" else 1), s["width"])
        self.matrix(at + "attn_k", s["kv_heads"] * s["head_dim"], s["width"])
        self.matrix(at + "attn_v", s["kv_heads"] * s["head_dim"], s["width"], more)
        self.matrix(at + "attn_output", s["width"], queries)
        self.numbers(at + "attn_q_norm", s["head_dim"])
        self.numbers(at + "attn_k_norm", s["head_dim"])

    def delta_net(self, at):
        s = self.shape
        keys, values = s["key_heads"] * s["state"], s["value_heads"] * s["state"]
        self.matrix(at + "attn_qkv", 2 * keys + values, s["width"])
        self.matrix(at + "attn_gate", values, s["width"])
        for name in ("ssm_alpha", "ssm_beta"):
            self.numbers(at + name, s["width"], s["value_heads"], value=0.001)
        self.numbers(at + "ssm_conv1d", s["taps"], 2 * keys + values, value=0.4)
        self.numbers(at + "ssm_dt", s["value_heads"], suffix=".bias")
        self.numbers(at + "ssm_a", s["value_heads"], value=-0.1, suffix="")
        self.numbers(at + "ssm_norm", s["state"])
        self.matrix(at + "ssm_out", s["width"], values)

    def mamba2(self, at):
        s = self.shape
        channels = s["inner"] + 2 * s["groups"] * s["state"]
        self.matrix(at + "ssm_in", s["inner"] + channels + s["ssm_heads"], s["width"])
        self.numbers(at + "ssm_conv1d", s["taps"], channels, value=0.4)
        self.numbers(at + "ssm_conv1d", channels, value=0.1, suffix=".bias")
        self.numbers(at + "ssm_dt", s["ssm_heads"], suffix=".bias")
        self.numbers(at + "ssm_a", 1, s["ssm_heads"], value=-0.1, suffix="")
        self.numbers(at + "ssm_d", 1, s["ssm_heads"], suffix="")
        self.numbers(at + "ssm_norm", s["inner"] // s["groups"], s["groups"])
        self.matrix(at + "ssm_out", s["width"], s["inner"])

    def metadata(self):
        s, name = self.shape, self.shape["architecture"]
        own = {"vocab_size": VOCABULARY, "context_length": CONTEXT, "embedding_length": s["width"], "block_count": s["layers"],
               "feed_forward_length": s.get("hidden", 0), "attention.head_count": s.get("heads", 0),
               "attention.layer_norm_rms_epsilon": 1e-6}
        if name == "qwen35":
            own |= {"attention.head_count_kv": s["kv_heads"], "full_attention_interval": s["interval"],
                    "rope.dimension_sections": [11, 11, 10, 0], "ssm.group_count": s["key_heads"],
                    "ssm.time_step_rank": s["value_heads"], "ssm.inner_size": s["value_heads"] * s["state"]}
        if name == "lfm2":
            own |= {"attention.head_count_kv": [s["kv_heads"] if i in s["attends"] else 0 for i in range(s["layers"])],
                    "shortconv.l_cache": s["taps"]}
        if name == "mamba2":
            own |= {"ssm.group_count": s["groups"], "ssm.time_step_rank": s["ssm_heads"], "ssm.inner_size": s["inner"]}
        if "state" in s:
            own |= {"ssm.state_size": s["state"], "ssm.conv_kernel": s["taps"]}
        if "head_dim" in s:
            own |= {"attention.key_length": s["head_dim"], "attention.value_length": s["head_dim"], "rope.freq_base": 1e6,
                    "rope.dimension_count": s.get("rotated", s["head_dim"])}
        tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{i:02X}>" for i in range(256)]
        tokens += [f"<{i}>" for i in range(len(tokens), VOCABULARY)]
        return {"general.architecture": name, "general.name": f"random {name}", **{f"{name}.{k}": v for k, v in own.items()},
                "tokenizer.ggml.model": "llama", "tokenizer.ggml.pre": "default", "tokenizer.ggml.tokens": tokens,
                "tokenizer.ggml.scores": [0.0] * 3 + [-1e6] * (VOCABULARY - 3),
                "tokenizer.ggml.token_type": [2, 3, 3] + [6] * 256 + [1] * (VOCABULARY - 259),
                "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2}

    def write(self, path):
        pairs = [string(k) + typed(v) for k, v in self.metadata().items()]
        head, offset = b"GGUF" + struct.pack("<IQQ", 3, len(self.tensors), len(pairs)) + b"".join(pairs), 0
        for name, kind, dims, *_ in self.tensors:
            head += string(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, TYPES[kind][0], offset)
            offset += -(-self.bytes_of(kind, dims) // 32) * 32
        with open(path, "wb") as file:
            file.write(head + bytes(-len(head) % 32))
            for _, kind, dims, *value in self.tensors:
                count = int(np.prod(dims)) // TYPES[kind][1]
                if kind == "F32":
                    data = (value[0] * random.uniform(0.8, 1.2, count)).astype("<f4").tobytes()
                else:
                    data = blocks(kind, count, dims[0] ** -0.5)
                file.write(data + bytes(-len(data) % 32))
        print(f"{path}: {sum(int(np.prod(t[2])) for t in self.tensors) / 1e9:.2f} G parameters, {offset / 1e6:.0f} MB")

    @staticmethod
    def bytes_of(kind, dims):
        return int(np.prod(dims)) // TYPES[kind][1] * TYPES[kind][2]


def string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def typed(value):
    """A value of metadata with its type: u32 or i32, f32, a string, or an array of one of them."""
    if isinstance(value, list):
        kind = 8 if isinstance(value[0], str) else 6 if isinstance(value[0], float) else 5
        data = b"".join(map(string, value)) if kind == 8 else struct.pack(f"<{len(value)}{'f' if kind == 6 else 'i'}", *value)
        return struct.pack("<IIQ", 9, kind, len(value)) + data
    if isinstance(value, str):
        return struct.pack("<I", 8) + string(value)
    return struct.pack("<If", 6, value) if isinstance(value, float) else struct.pack("<II", 4, value)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in SHAPES:
        sys.exit(f"{__doc__}\nSHAPES: {', '.join(SHAPES)}")
    Model(SHAPES[sys.argv[1]]).write(sys.argv[2])
