#!/usr/bin/env python3
"""Writes a GGUF file with the shape of a real model and random Q4_K weights: speed does not depend on their values.

    pip install numpy==2.4.6
    python3 tests/support/make_speed_model.py qwen3moe-1b OUT.gguf

A shape is a row of SHAPES: experts, or delta nets of which every fourth layer attends. The vocabulary (512 tokens) is that of tests/golden/models/llama.gguf.
"""
import pathlib
import struct
import sys

import numpy as np

from make_model_goldens import OUT, string, typed, vocabulary_of

SHAPES = {
    "qwen3moe-1b": dict(architecture="qwen3moe", layers=16, width=1024, heads=16, kv_heads=8, head_dim=128, hidden=2048, experts=8, used=2),
    "qwen35-1b": dict(architecture="qwen35", layers=24, width=1536, heads=8, kv_heads=2, head_dim=256, hidden=4608, state_heads=16, state=128),
}
VOCABULARY, CONTEXT = 512, 4096
F32, Q4_K = (0, 1, 4), (12, 256, 144)  # number, columns of a block, bytes of a block


def expert_layer(s, i):
    queries, keys = s["heads"] * s["head_dim"], s["kv_heads"] * s["head_dim"]
    yield from (("attn_norm.weight", (s["width"],)), ("ffn_norm.weight", (s["width"],)), ("attn_q_norm.weight", (s["head_dim"],)),
                ("attn_k_norm.weight", (s["head_dim"],)), ("attn_q.weight", (queries, s["width"])), ("attn_k.weight", (keys, s["width"])),
                ("attn_v.weight", (keys, s["width"])), ("attn_output.weight", (s["width"], queries)),
                ("ffn_gate_inp.weight", (s["experts"], s["width"])), ("ffn_gate_exps.weight", (s["experts"], s["hidden"], s["width"])),
                ("ffn_up_exps.weight", (s["experts"], s["hidden"], s["width"])),
                ("ffn_down_exps.weight", (s["experts"], s["width"], s["hidden"])))


def delta_layer(s, i):
    queries, keys, inner = s["heads"] * s["head_dim"], s["kv_heads"] * s["head_dim"], s["state_heads"] * s["state"]
    yield from (("attn_norm.weight", (s["width"],)), ("post_attention_norm.weight", (s["width"],)))
    if i % 4 == 3:
        yield from (("attn_q.weight", (2 * queries, s["width"])), ("attn_k.weight", (keys, s["width"])), ("attn_v.weight", (keys, s["width"])),
                    ("attn_q_norm.weight", (s["head_dim"],)), ("attn_k_norm.weight", (s["head_dim"],)),
                    ("attn_output.weight", (s["width"], queries)))
    else:
        yield from (("attn_qkv.weight", (3 * inner, s["width"])), ("attn_gate.weight", (inner, s["width"])),
                    ("ssm_beta.weight", (s["state_heads"], s["width"])), ("ssm_alpha.weight", (s["state_heads"], s["width"])),
                    ("ssm_dt.bias", (s["state_heads"],)), ("ssm_a", (s["state_heads"],)), ("ssm_conv1d.weight", (3 * inner, 4)),
                    ("ssm_norm.weight", (s["state"],)), ("ssm_out.weight", (s["width"], inner)))
    yield from (("ffn_gate.weight", (s["hidden"], s["width"])), ("ffn_up.weight", (s["hidden"], s["width"])),
                ("ffn_down.weight", (s["width"], s["hidden"])))


def tensors_of(s):
    """Names and shapes, slowest dimension first."""
    yield "token_embd.weight", (VOCABULARY, s["width"])
    yield "output.weight", (VOCABULARY, s["width"])
    yield "output_norm.weight", (s["width"],)
    for i in range(s["layers"]):
        for name, shape in (expert_layer if "experts" in s else delta_layer)(s, i): yield "blk.%d.%s" % (i, name), shape


def metadata_of(s, name):
    own = {"block_count": s["layers"], "context_length": CONTEXT, "embedding_length": s["width"], "feed_forward_length": s["hidden"],
           "attention.head_count": s["heads"], "attention.head_count_kv": s["kv_heads"], "attention.key_length": s["head_dim"],
           "attention.value_length": s["head_dim"], "attention.layer_norm_rms_epsilon": 1e-6, "vocab_size": VOCABULARY}
    if "experts" in s:
        own |= {"rope.freq_base": 1e6, "rope.dimension_count": s["head_dim"], "expert_count": s["experts"], "expert_used_count": s["used"],
                "expert_feed_forward_length": s["hidden"]}
    else:
        own |= {"rope.freq_base": 1e7, "rope.dimension_count": s["head_dim"] // 4, "rope.dimension_sections": [11, 11, 10, 0],
                "full_attention_interval": 4, "ssm.conv_kernel": 4, "ssm.inner_size": s["state_heads"] * s["state"],
                "ssm.state_size": s["state"], "ssm.time_step_rank": s["state_heads"], "ssm.group_count": s["state_heads"]}
    return {"general.architecture": s["architecture"], "general.name": "random " + name, "general.alignment": 32, "general.file_type": 15,
            **{s["architecture"] + "." + key: value for key, value in own.items()}}


def format_of(name, shape):
    return F32 if len(shape) == 1 or shape[-1] % 256 or any(part in name for part in ("gate_inp", "alpha", "beta")) else Q4_K


def bytes_of(shape, kind):
    return int(np.prod(shape)) // kind[1] * kind[2]


def values(random, name, shape, kind):
    count = int(np.prod(shape))
    if len(shape) == 1: return np.full(count, -1 if name.endswith("ssm_a") else 1, "<f4").tobytes()  # states decay
    spread = shape[-1] ** -0.5
    if kind == F32: return (random.standard_normal(count) * spread).astype("<f4").tobytes()
    n = count // 256
    blocks = np.frombuffer(random.bytes(n * 144), np.uint8).reshape(n, 144).copy()
    scale = (spread / (48 * 4.6) * (0.75 + 0.5 * random.random(n))).astype("<f2")
    blocks[:, 0:2] = scale.view(np.uint8).reshape(n, 2)
    blocks[:, 2:4] = (scale.astype(np.float32) * 7.5).astype("<f2").view(np.uint8).reshape(n, 2)
    each = random.integers(32, 64, (n, 8), dtype=np.uint8)  # of 32 columns: one number as scale and as minimum
    high = (each[:, 4:] >> 4) << 6
    blocks[:, 4:8] = blocks[:, 8:12] = each[:, :4] | high
    blocks[:, 12:16] = (each[:, 4:] & 15) | ((each[:, 4:] & 15) << 4)
    return blocks.tobytes()


def main():
    name, path = sys.argv[1], pathlib.Path(sys.argv[2])
    shape, random = SHAPES[name], np.random.default_rng(1)
    pairs = [string(key) + typed(value) for key, value in metadata_of(shape, name).items()] + vocabulary_of(OUT / "llama.gguf")
    tensors, offset = list(tensors_of(shape)), 0
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs)) + b"".join(pairs)
    for tensor, dims in tensors:
        kind = format_of(tensor, dims)
        head += string(tensor) + struct.pack("<I%dQIQ" % len(dims), len(dims), *dims[::-1], kind[0], offset)
        offset += bytes_of(dims, kind) + -bytes_of(dims, kind) % 32
    with path.open("wb") as file:
        file.write(head + bytes(-len(head) % 32))
        for tensor, dims in tensors:
            kind = format_of(tensor, dims)
            file.write(values(random, tensor, dims, kind) + bytes(-bytes_of(dims, kind) % 32))
    print("%s: %.2f billion weights, %.0f MB" % (path, sum(np.prod(d) for _, d in tensors) / 1e9, offset / 1e6))


if __name__ == "__main__":
    main()
