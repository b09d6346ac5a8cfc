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
unigram.gguf, unigram_cases.txt, unigram.ids  a unigram model that sentencepiece trained here on the holdout text, with the
                                      replacements of REPLACED; texts and sentencepiece's ids of them
bytes.<pre>.ids                       their ids by encode() below: composed where the model's own tokenizer does that, then the
                                      published regular expression, then merges one by one
words.sha256                          for each expression: number of words and sha256 of the words, each with a byte 0xFF behind it, of
                                      the texts of word_texts()
word_parts.txt                        what those are made of: parts in hexadecimal UTF-8, then ranges of code points
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
QWEN2 = LLAMA3.replace("{1,3}", "")
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
TEKKEN = (rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*|\p{{N}}"
          r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
YOUTU = TEKKEN.replace(f"{LOWER}+|", f"{LOWER}+{CONTRACTION}|").replace(f"{LOWER}*|", f"{LOWER}*{CONTRACTION}|")
GPT4O = YOUTU.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
NOT_HAN_UPPER, NOT_HAN_LOWER = (rf"(?:(?!\p{{Han}}){letters})" for letters in (UPPER, LOWER))
KIMI = r"\p{Han}+|" + GPT4O.replace(UPPER, NOT_HAN_UPPER).replace(LOWER, NOT_HAN_LOWER).replace(r"[\r\n/]*", r"[\r\n]*")
DEEPSEEK3 = (r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"
             r"|\s*[\r\n]+|\s+(?!\S)|\s+")
SPARK = DEEPSEEK3.replace(r"[\p{P}\p{S}]+[\r\n]*", r"[\p{P}\p{S}]+").replace(r"\s*[\r\n]+", r"[\r\n]")
HAN_AND_KANA = r"[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"
DEEPSEEK_ASIAN = r"[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"
DEEPSEEK_LETTERS = (
    r"\s?[A-Za-z\xb5\xc0-\xd6\xd8-\xf6\xf8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373\u0376\u0377\u037b-\u037d"
    r"\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5"
    r"\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45"
    r"\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc"
    r"\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126"
    r"\u2128\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee"
    r"\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17"
    r"\uff21-\uff3a\uff41-\uff5a\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80-\U00010cb2"
    r"\U00010cc0-\U00010cf2\U000118a0-\U000118df\U0001e900-\U0001e943]+")
WHOLE_WORDS = {"llama-bpe", "tekken"}  # a word that is a token is taken as it is
COMPOSES = {"qwen2"}  # text is brought to Normalization Form C first
NFC_RANGES = [(0x61, 26), (0xC0, 0x1C0), (0x300, 0x70), (0x340, 6), (0x591, 0x37), (0x610, 0x60), (0x900, 0x100), (0xB3C, 0x24),
              (0xBBE, 0x1A), (0xD3E, 0x1A), (0xDCA, 0x16), (0xF40, 0x7D), (0x1026, 0x14), (0x1100, 0x100), (0x1B05, 0x40),
              (0x1DC0, 0x40), (0x1E00, 0x100), (0x1F00, 0x100), (0x20D0, 0x21), (0x2126, 6), (0x2ADC, 1), (0x302A, 0x75),
              (0xAC00, 0x100), (0xF900, 0x200), (0xFB1D, 0x32), (0x105D2, 0x13), (0x11099, 0x22), (0x11131, 4), (0x1133E, 0x1A),
              (0x11380, 0x50), (0x114B9, 5), (0x1D157, 0x6A), (0x1E8D0, 7), (0x1611E, 0x12), (0x16D63, 8), (0x2F800, 0x21E)]
# Expressions applied one after another, each to the pieces that the one before left, under one of the names that have them.
PRE_TOKENIZERS = {
    "gpt-2": [GPT2],
    "smollm": [r"\p{N}", GPT2],
    "default": [r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", r"[0-9][0-9][0-9]"],
    "falcon": [r"[\p{P}\$\+<=>\^~\|`]+", GPT2, r"[0-9][0-9][0-9]"],
    "llama-bpe": [LLAMA3],
    "jais-2": [LLAMA3.replace(r"\s+(?!\S)|\s+", "|".join(r"\s{%d}(?!\S)" % n for n in (512, 256, 128, 64, 32, 16, 8, 4)) +
                              r"|\s{1,2}(?!\S)|\s{1}")],
    "minicpm5": [r"\p{N}{1,3}", LLAMA3.replace("{1,3}", "+")],
    "qwen2": [QWEN2],
    "qwen35": [QWEN2.replace(r"?\p{L}+", r"?[\p{L}\p{M}]+").replace(r"[^\s\p{L}\p{N}]+", r"[^\s\p{L}\p{M}\p{N}]+")],
    "ufakzeka": [QWEN2[QWEN2.index("[^"):]],
    "seed-coder": [QWEN2.replace(r"[^\s\p{L}\p{N}]+[\r\n]*", r"[^\s\p{L}\p{N}\r\n]+")],
    "laguna": [r"[^\n]+|[\n]+", QWEN2],
    "exaone-moe": [QWEN2.replace(r"?\p{L}+", r"?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+").replace("+[\\r\\n]*", "+[\\r\\n/]?")
                   .replace(r"\s*[\r\n]+", r"\s*[\r\n]")],
    "tekken": [TEKKEN],
    "gpt-4o": [GPT4O],
    # \b as Oniguruma has it
    "tiny_aya": [r"\p{Nd}{1,3}(?=(?:\p{Nd}{3})*(?![\p{L}\p{M}\p{Nd}\p{Pc}]))", GPT4O],
    "kimi-k2": [KIMI],
    "youtu": [r"[\uac00-\ud7a3\u3131-\u318e]+|[\uff01\u2026\u201c\u201d\u2018\u2019\u2014\uff1a\uff1b\uff0c\u3001-\u303f"
              r"\ufe30-\ufe4f]+|[\u3105-\u312f]+|" + HAN_AND_KANA, YOUTU],
    "deepseek-coder": [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", DEEPSEEK_ASIAN, r"\p{N}"],
    "deepseek-llm": [r"[\r\n]", DEEPSEEK_LETTERS, r"\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+", r"\s+$",
                     DEEPSEEK_ASIAN, r"\p{N}+"],
    "deepseek-v3": [r"\p{N}{1,3}", HAN_AND_KANA, DEEPSEEK3],
    "spark2_5": [r"\p{N}{1,3}", HAN_AND_KANA, SPARK, r"\p{N}"],
    "afmoe": [r"\P{N}*\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))",
              r"[\u4e00-\u9fff\u3400-\u4dbf\uf900-\ufaff\u3040-\u309f\u30a0-\u30ff\uff65-\uff9f\u2f00-\u2fdf\u0e40-\u0e7f\u0e80-\u0eff"
              r"\u1780-\u17ff\u1000-\u109f\uaa60-\uaa7f\ua9e0-\ua9ff\uac00-\ud7af\u1100-\u11ff]+", DEEPSEEK3],
    "bloom": [r" ?[^(\s|.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c)]+"],
    "viking": [r" ?[^(\s|.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c)]+", r"\p{N}"],
    "chameleon": [r"<sentinel:[0-9]+>", r"(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", r"([\t\n]|    |  )", r"\p{N}",
                  r"[\p{P}!-/:-@\[-`{-~]", GPT2],
    "superbpe": [r"\p{N}+", r"(?=(\d{3})+(?!\d))"],
    "gemma4": [r"[^\n]+|[\n]+"],
    "whitespace": [r"\S+"],
}
GOLDEN_IDS = ["gpt-2", "smollm", "default", "llama-bpe", "qwen2", "tekken"]  # those that have a file bytes.<pre>.ids
# What word_texts() draws from: letters of each kind, digits, marks, spaces, signs, and texts that expressions look for.
WORD_PARTS = ["'s", "'LL", "'", "re", "\u017f", " ", " ", " ", "  ", "   ", "    ", "\n", "\n\n", "\r\n", "\t", "\u00a0", "\u3000", "\u2028",
              "a", "b", "Z", "Q", "e", "word", "Word", "WORD", "1", "2", "23", "456", "7890", "\u0663", "\u0664\u0665\u0666",
              "\u216b", "\u00bd", "\u0301", "\u0308", "\u4e00", "\u6587", "\u3042", "\u30ab", "\ud55c", "\u0e01", "\u00e9", "\u00c9",
              "\u01c5", "\u3005", "\u3007", "\u2f00", "\uff01", "\uff0c", "\u201c", "!", "/", "_", "-", "$", "+", "~", "`", "(", ")", ".",
              "|", "\x01", "\x1c", "\U0001f600", "\u200d", "<sentinel:12>", "<sentinel:>", "IMGIMGABZ", "IMGIMGABCDEZ", "IMGIMG"]
WORD_RANGES = [(0, 0x80), (0xA0, 0x1B0), (0x300, 0x230), (0x591, 0x150), (0x900, 0x80), (0xE01, 0x3A), (0x10A0, 0x100), (0x1C90, 0x30),
               (0x1E00, 0x200), (0x2000, 0x64), (0x20A0, 0x20), (0x2150, 0x39), (0x2460, 0xA0), (0x2E80, 0x1A), (0x3001, 0x3E),
               (0x3041, 0x56), (0x30A0, 0x60), (0x3105, 0x8A), (0x4DB0, 0x100), (0x9F90, 0x80), (0xA640, 0xC0), (0xAB70, 0x50),
               (0xAC00, 0x100), (0xD790, 0x30), (0xF900, 0x100), (0xFB00, 0x20), (0xFE30, 0x20), (0xFF00, 0xC0), (0x10400, 0x50),
               (0x104B0, 0x50), (0x1D7C0, 0x40), (0x1E900, 0x60), (0x20000, 0x20)]
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
    if isinstance(value, bytearray):
        return struct.pack("<IIQ", 9, 0, len(value)) + value
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


def word_texts():
    seed = 1

    def draw(count):
        nonlocal seed
        seed = (seed * 1664525 + 1013904223) & 0xFFFFFFFF
        return (seed >> 8) % count

    for _ in range(20000):
        text = ""
        for _ in range(1 + draw(24)):
            if draw(4) > 0:
                text += WORD_PARTS[draw(len(WORD_PARTS))]
            else:
                first, count = WORD_RANGES[draw(len(WORD_RANGES))]
                text += chr(first + draw(count))
        yield text
    for count in (3, 511, 512, 513, 1000, 1023, 4000):
        yield " " * count + "x\n" + "\t" * count


def write_words():
    for first, count in WORD_RANGES:
        for c in map(chr, range(first, first + count)):
            for name in "LMNPS":
                assert bool(regex.match(r"\p{%s}" % name, c)) == (unicodedata.category(c)[0] == name), hex(ord(c))
    lines = []
    texts = list(word_texts())
    for pre in PRE_TOKENIZERS:
        digest, words = hashlib.sha256(), 0
        for text in texts:
            for word in cut(text, PRE_TOKENIZERS[pre]):
                digest.update(word.encode() + b"\xff")
                words += 1
        lines.append(f"{pre} {words} {digest.hexdigest()}\n")
    (OUT / "words.sha256").write_text("".join(lines))
    (OUT / "word_parts.txt").write_text("".join(part.encode().hex() + "\n" for part in WORD_PARTS) + "\n" +
                                        "".join(f"{first} {count}\n" for first, count in WORD_RANGES))


def words_of(text, pre):
    return cut(unicodedata.normalize("NFC", text) if pre in COMPOSES else text, PRE_TOKENIZERS[pre])


def cut(text, expressions):
    pieces = [text]
    for expression in expressions:
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

    write_unigram()
    merges = train(holdout, 600)
    tokens = ALPHABET + [a + b for a, b in merges] + ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>"]
    write_gguf(OUT / "bytes.gguf", {
        "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "gpt-2", "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [1] * (len(tokens) - 4) + [3, 3, 3, 4],
        "tokenizer.ggml.merges": [a + " " + b for a, b in merges],
        "tokenizer.ggml.bos_token_id": len(tokens) - 4, "tokenizer.ggml.eos_token_id": len(tokens) - 2})


# What the golden unigram model replaces: sources and targets as code points.
REPLACED = {"\t": " ", "\n": " ", "\r": " ", "\u00a0": " ", "\u3000": " ", "\u200b": "", "\ufb01": "fi", "e\u0301": "\u00e9",
            "\u212b": "\u00c5", "A\u030a": "\u00c5", "\u2026": "...", "\uff1f": "?", "\u2474": "(1)",
            "\ufdfa": "\u0635\u0644\u0649 \u0627\u0644\u0644\u0647 \u0639\u0644\u064a\u0647 \u0648\u0633\u0644\u0645",
            **{chr(0xFEE0 + c): chr(c) for c in range(0x41, 0x5B)}}
UNIGRAM_CASES = ["\uff28\uff25\uff2c\uff2c\uff2f \uff37orld\uff1f", "\ufb01ne \ufb01\u200bsh", "cafe\u0301 e\u0301e\u0301", "\u212bA\u030a A",
                 "a\t\tb\u00a0\u3000c", "\u2474 of \ufdfa\u2026", "\u200b", "\u200b \u200b", "unknown \u4e00\u4e8c\u4e09 \u4e00"]


def fields(message):
    """The fields of a protocol buffer: number and value."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            value |= (message[at] & 127) << shift
            at, shift = at + 1, shift + 7
            if message[at - 1] < 128:
                return value

    while at < len(message):
        key = varint()
        kind, size = key & 7, 0
        if kind == 0:
            yield key >> 3, varint()
            continue
        size = varint() if kind == 2 else 4 if kind == 5 else 8
        yield key >> 3, message[at:at + size]
        at += size


def write_unigram():
    import io
    import sentencepiece

    model = io.BytesIO()
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as rules:
        for source, target in REPLACED.items():
            rules.write(" ".join(f"{ord(c):X}" for c in source) + "\t" + " ".join(f"{ord(c):X}" for c in target) + "\n")
        rules.flush()
        sentencepiece.SentencePieceTrainer.train(
            input=str(OUT / "holdout.txt"), model_writer=model, model_type="unigram", vocab_size=500, normalization_rule_tsv=rules.name,
            character_coverage=1.0, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, num_threads=1)
    top = list(fields(model.getvalue()))
    pieces = [dict(fields(value)) for number, value in top if number == 1]
    normalizer = dict(fields(next(value for number, value in top if number == 3)))
    write_gguf(OUT / "unigram.gguf", {
        "general.architecture": "t5", "tokenizer.ggml.model": "t5", "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.tokens": [p[1] for p in pieces],
        "tokenizer.ggml.scores": [struct.unpack("<f", p[2])[0] for p in pieces],
        "tokenizer.ggml.token_type": [p.get(3, 1) for p in pieces],
        "tokenizer.ggml.precompiled_charsmap": bytearray(normalizer[2]), "tokenizer.ggml.add_space_prefix": True,
        "tokenizer.ggml.remove_extra_whitespaces": True, "tokenizer.ggml.eos_token_id": 1, "tokenizer.ggml.padding_token_id": 0,
        "tokenizer.ggml.unknown_token_id": 2})
    oracle = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    (OUT / "unigram_cases.txt").write_bytes("".join(case + SEPARATOR for case in CASES + UNIGRAM_CASES).encode())
    write_ids("unigram.ids", [oracle.encode(case) for case in CASES + UNIGRAM_CASES])


def write_byte_ids():
    """The ids of every pre-tokenizer over bytes.gguf."""
    keys = read_keys(OUT / "bytes.gguf")
    tokens = [t.decode() for t in keys["tokenizer.ggml.tokens"]]
    plain = {t: i for i, t in enumerate(tokens[:-4])}
    ranks = {tuple(m.decode().split(" ")): rank for rank, m in enumerate(keys["tokenizer.ggml.merges"])}
    think = len(tokens) - 1
    for pre in GOLDEN_IDS:
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
    write_words()
    write_nfc()


main()
