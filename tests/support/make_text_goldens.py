#!/usr/bin/env python3
"""Writes tests/golden/text: small vocabularies, texts, and the ids that other programs give for them.

    pip install sentencepiece==0.2.3 regex==2026.5.9 unicodedata2==16.0.0
    python3 tests/support/make_text_goldens.py [DATA [LLAMA.PY]]

Without arguments only bytes.<pre>.ids, from the vocabulary that is there: enough for a new row of PRE_TOKENIZERS.
DATA holds models/stories260K-f32.gguf, models/nibble-tiny-f32.gguf, models/nibble-tiny.spm.model and
models/nibble-tiny-holdout.txt; LLAMA.PY asks llama.cpp v0.5.0 for ids: `LLAMA.PY tokens MODEL TEXT IDS.json`.

stories260K.gguf, nibble-tiny.gguf    the tokenizer keys of those models, without tensors
bytes.gguf                            a byte-level BPE trained here on the holdout text: 256 bytes, 600 merges, four special tokens
cases.txt                             texts, each followed by a line of SEPARATOR
nibble-tiny.ids                       their ids by sentencepiece, a line each
stories260K.ids                       their ids by llama.cpp, only written where LLAMA.PY is given
holdout.txt, holdout.sha256           public-domain text that nibble-tiny never saw; number and sha256 (32-bit little-endian) of
                                      sentencepiece's ids of it
bytes.<pre>.ids                       their ids by encode() below: composed where the model's own tokenizer does that, then the
                                      published regular expression, then merges one by one
nfc.sha256                            number and sha256 of texts in Normalization Form C by unicodedata2, as nfc_texts() makes them
"""
import collections
import hashlib
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

import regex
import unicodedata2 as unicodedata

OUT = pathlib.Path(__file__).resolve().parents[1] / "golden/text"
SEPARATOR = "\n=====\n"
CASES = [
    "", " ", "  ", "\n", "\n\n", "\t", " \n ", "\r\n", "Hello world", " Hello  world ", "Hello\n\n  world\n", "a  1", "a 1  b",
    "don't DON'T we'll WE'LL they've I'm she'd it's 'tis '", "1 12 123 1234 12345 1234567 3.14 1,000", "x1y22z333",
    "٣٤٥٦ 12٣45678 Ⅷ²½", "f(x) = a[i++] ? \"b\" : 'c'; // $5 <= 6^7 ~ |z|", "...!!!???---===>>><<<", "(a)...(b)\n\n(c)!!\r\n\r\n",
    "über naïve Straße Ünïcödé", "нещо на Български", "Cửa Việt", "កាន់តែពិសេស", "我想在apple工作1314151天～", "🚀 (normal) 😶‍🌫️ ✅",
    "a\u0301e\u0308 \u0301\u0301x", "\u00a0no\u00a0break\u3000wide\u2028line\u0085next", "\u200bzero\u200dwidth\ufeff",
    "\u2581a\u2581 \u2581\u2581b", "<s></s><unk><0x41>", "<|im_start|>user\nhi<|im_end|>", "<think>so</think>", "a\x0bb\x0cc\x1cd",
    "tabs\t\tand\t words", "the the the then there", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "                                   x", "\n\n\n\n\n\n\n\n\n\n\n\n\nx", "end with spaces   ", "end with newline\n", "'S 'Re 'lL 'x",
    "\U00031350's \U0002EBF0's \u1c89'S 1\U0001D2C0 \U00010D40x", "it'\u017f '\u017ft",
    "e\u0301 o\u0323\u0302 a\u0302\u0323x \u1112\u1161\u11ab q\u0307\u0323 \u0958 \ufb2f \u212b <think>\u0301e<think>\u0301",
]
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
TEKKEN = (rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*|\p{{N}}"
          r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
WHOLE_WORDS = {"llama-bpe", "tekken"}  # a word that is a token is taken as it is
COMPOSES = {"qwen2"}  # text is brought to Normalization Form C first
NFC_RANGES = [(0x61, 26), (0xC0, 0x1C0), (0x300, 0x70), (0x340, 6), (0x591, 0x37), (0x610, 0x60), (0x900, 0x100), (0xB3C, 0x24),
              (0xBBE, 0x1A), (0xD3E, 0x1A), (0xDCA, 0x16), (0xF40, 0x7D), (0x1026, 0x14), (0x1100, 0x100), (0x1B05, 0x40),
              (0x1DC0, 0x40), (0x1E00, 0x100), (0x1F00, 0x100), (0x20D0, 0x21), (0x2126, 6), (0x2ADC, 1), (0x302A, 0x75),
              (0xAC00, 0x100), (0xF900, 0x200), (0xFB1D, 0x32), (0x105D2, 0x13), (0x11099, 0x22), (0x11131, 4), (0x1133E, 0x1A),
              (0x11380, 0x50), (0x114B9, 5), (0x1D157, 0x6A), (0x1E8D0, 7), (0x1611E, 0x12), (0x16D63, 8), (0x2F800, 0x21E)]
PRE_TOKENIZERS = {  # expressions applied one after another, each to the pieces that the one before left
    "gpt-2": [GPT2],
    "smollm": [r"\p{N}", GPT2],
    "default": [r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", r"[0-9][0-9][0-9]"],
    "llama-bpe": [LLAMA3],
    "qwen2": [LLAMA3.replace("{1,3}", "")],
    "tekken": [TEKKEN],
}
ALPHABET = [chr(b) if 33 <= b <= 126 or 161 <= b != 173 else None for b in range(256)]
moved = iter(range(256, 512))
ALPHABET = [c or chr(next(moved)) for c in ALPHABET]


def text_bytes(value):
    raw = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(raw)) + raw


def gguf_value(value):
    if isinstance(value, bool):
        return struct.pack("<IB", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, (str, bytes)):
        return struct.pack("<I", 8) + text_bytes(value)
    kind, pack = {int: (5, lambda x: struct.pack("<i", x)), float: (6, lambda x: struct.pack("<f", x))}.get(
        type(value[0]), (8, text_bytes))
    return struct.pack("<IIQ", 9, kind, len(value)) + b"".join(map(pack, value))


def write_gguf(path, keys):
    body = b"".join(text_bytes(k) + gguf_value(v) for k, v in keys.items())
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, len(keys)) + body)


def read_keys(path):
    """The metadata of a GGUF file: strings as bytes, numbers as int, float or bool, arrays as lists."""
    raw = path.read_bytes()
    at = 24
    scalars = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}

    def take(form):
        nonlocal at
        at += struct.calcsize(form)
        return struct.unpack_from(form, raw, at - struct.calcsize(form))[0]

    def take_value(kind):
        nonlocal at
        if kind == 8:
            size = take("<Q")
            at += size
            return raw[at - size:at]
        if kind == 9:
            element, count = take("<I"), take("<Q")
            return [take_value(element) for _ in range(count)]
        return take(scalars[kind])

    return {take_value(8).decode(): take_value(take("<I")) for _ in range(struct.unpack_from("<Q", raw, 16)[0])}


def nfc_texts():
    """Every character among marks, then 10,000 texts of letters and marks that combine."""
    for code in range(0x110000):
        if not 0xD800 <= code < 0xE000:
            yield "a%s\u0334\u0316\u0301%s\u0345" % (chr(code), chr(code))
    seed = 1

    def draw(count):
        nonlocal seed
        seed = (seed * 1664525 + 1013904223) & 0xFFFFFFFF
        return (seed >> 8) % count

    for _ in range(10000):
        text = ""
        for _ in range(1 + draw(24)):
            first, count = NFC_RANGES[draw(len(NFC_RANGES))]
            text += chr(first + draw(count))
        yield text


def write_nfc():
    digest, count = hashlib.sha256(), 0
    for count, text in enumerate(nfc_texts(), 1):
        digest.update(unicodedata.normalize("NFC", text).encode())
    (OUT / "nfc.sha256").write_text(f"{count} {digest.hexdigest()}\n")


def words_of(text, pre):
    pieces = [unicodedata.normalize("NFC", text) if pre in COMPOSES else text]
    for expression in PRE_TOKENIZERS[pre]:
        out = []
        for piece in pieces:
            at = 0
            for found in regex.finditer(expression, piece):
                out += [piece[at:found.start()], found.group()]
                at = found.end()
            out.append(piece[at:])
        pieces = [p for p in out if p]
    return pieces


def train(text, merges_wanted):
    """Plain byte-pair encoding: the most frequent pair first, the first in the alphabet of equal ones."""
    words = collections.Counter(tuple(ALPHABET[b] for b in w.encode()) for w in words_of(text, "gpt-2"))
    merges = []
    while len(merges) < merges_wanted:
        pairs = collections.Counter()
        for word, count in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += count
        best = min(pairs, key=lambda p: (-pairs[p], p))
        merges.append(best)
        words = collections.Counter({merged(word, best): count for word, count in words.items()})
    return merges


def merged(word, pair):
    out = []
    for symbol in word:
        if out and (out[-1], symbol) == pair:
            out[-1] += symbol
        else:
            out.append(symbol)
    return tuple(out)


def encode(text, pre, ids, ranks):
    out = []
    for word in words_of(text, pre):
        symbols = tuple(ALPHABET[b] for b in word.encode())
        if pre in WHOLE_WORDS and "".join(symbols) in ids:
            symbols = ("".join(symbols),)
        while len(symbols) > 1:
            best = min(zip(symbols, symbols[1:]), key=lambda p: ranks.get(p, 1 << 30))
            if best not in ranks:
                break
            symbols = merged(symbols, best)
        out += [ids[s] for s in symbols]
    return out


def llama_ids(program, model, text):
    with tempfile.TemporaryDirectory() as folder:
        source, target = pathlib.Path(folder, "text"), pathlib.Path(folder, "ids.json")
        source.write_bytes(text.encode())
        subprocess.run([sys.executable, program, "tokens", str(model), str(source), str(target)], check=True, capture_output=True)
        ids = json.loads(target.read_text())
        return ids if isinstance(ids, list) else ids["tokens" if "tokens" in ids else "ids"]


def write_ids(name, rows):
    (OUT / name).write_text("".join(" ".join(map(str, row)) + "\n" for row in rows))


def write_vocabularies(data):
    import sentencepiece

    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "cases.txt").write_bytes("".join(case + SEPARATOR for case in CASES).encode())

    for model in ("stories260K", "nibble-tiny"):
        keys = read_keys(data / f"{model}-f32.gguf")
        write_gguf(OUT / f"{model}.gguf", {k: v for k, v in keys.items() if k.startswith("tokenizer.")})
    oracle = sentencepiece.SentencePieceProcessor(model_file=str(data / "nibble-tiny.spm.model"))
    write_ids("nibble-tiny.ids", [oracle.encode(case) for case in CASES])
    (OUT / "holdout.txt").write_bytes((data / "nibble-tiny-holdout.txt").read_bytes())
    holdout = (OUT / "holdout.txt").read_bytes().decode()
    ids = oracle.encode(holdout)
    digest = hashlib.sha256(struct.pack(f"<{len(ids)}i", *ids)).hexdigest()
    (OUT / "holdout.sha256").write_text(f"{len(ids)} {digest}\n")

    merges = train(holdout, 600)
    tokens = ALPHABET + [a + b for a, b in merges] + ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>"]
    write_gguf(OUT / "bytes.gguf", {
        "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "gpt-2", "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [1] * (len(tokens) - 4) + [3, 3, 3, 4],
        "tokenizer.ggml.merges": [a + " " + b for a, b in merges],
        "tokenizer.ggml.bos_token_id": len(tokens) - 4, "tokenizer.ggml.eos_token_id": len(tokens) - 2})


def write_byte_ids():
    """The ids of every pre-tokenizer over bytes.gguf."""
    keys = read_keys(OUT / "bytes.gguf")
    tokens = [t.decode() for t in keys["tokenizer.ggml.tokens"]]
    plain = {t: i for i, t in enumerate(tokens[:-4])}
    ranks = {tuple(m.decode().split(" ")): rank for rank, m in enumerate(keys["tokenizer.ggml.merges"])}
    think = len(tokens) - 1
    for pre in PRE_TOKENIZERS:
        rows = []
        for case in CASES:
            row = []
            for n, part in enumerate(case.split("<think>")):  # a user-defined token is matched as it is written
                row += ([think] if n else []) + encode(part, pre, plain, ranks)
            rows.append(row)
        write_ids(f"bytes.{pre}.ids", rows)


def main():
    if unicodedata.unidata_version != "16.0.0":
        sys.exit(f"this unicodedata2 has Unicode {unicodedata.unidata_version}, the goldens are of Unicode 16.0.0")
    if len(sys.argv) > 1:
        data = pathlib.Path(sys.argv[1]) / "models"
        write_vocabularies(data)
        if len(sys.argv) > 2:
            write_ids("stories260K.ids", [llama_ids(sys.argv[2], data / "stories260K-f32.gguf", case) for case in CASES])
    write_byte_ids()
    write_nfc()


main()
