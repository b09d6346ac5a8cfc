"""Makes tests/golden/text/plamo.gguf, plamo_cases.txt and plamo.ids: a small vocabulary of PLaMo 2's kind, texts, and llama.cpp's ids.

python3 tests/support/make_plamo_golden.py PEER        (PEER: the folder of llama.py; made with llama.cpp v0.5.0 and gguf 0.19.0)
"""
import json, os, random, subprocess, sys, tempfile
import gguf

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../golden/text")
LETTERS = ["a", "b", "c", "d", " ", "\n", "\u00e9", "\u4e00", "\u65e5", "\u672c", "\U0001f600", "-"]
OTHERS = ["z", "\t", "\u00df", "\U0001f680", "\ufeff"]


def vocabulary(path, random):
    tokens, types, scores = ["<|plamo:unk|>", "<|plamo:bos|>", "<|plamo:eos|>", "<|plamo:pad|>"], [2, 3, 3, 3], [0.0] * 4
    for byte in range(256): tokens.append("<0x%02X>" % byte), types.append(6), scores.append(-1000.0)
    for letter in LETTERS[:-1]: tokens.append(letter), types.append(1), scores.append(round(random.uniform(-12, -6), 4))
    while len(tokens) < 700:
        piece = "".join(random.choice(LETTERS) for _ in range(random.randint(2, 6)))
        if piece in tokens: continue
        # some scores are equal, so that the order of pieces decides, and some are beyond what a piece may have
        tokens.append(piece), types.append(1), scores.append(round(random.choice([random.uniform(-20, -4), -8.0, -9.5, -2500.0]), 4))
    w = gguf.GGUFWriter(path, "plamo2")
    w.add_vocab_size(len(tokens)); w.add_tokenizer_model("plamo2"); w.add_tokenizer_pre("default")
    w.add_token_list(tokens); w.add_token_scores(scores); w.add_token_types(types)
    w.add_bos_token_id(1); w.add_eos_token_id(2); w.add_unk_token_id(0); w.add_pad_token_id(3)
    w.write_header_to_file(); w.write_kv_data_to_file(); w.close()


def main():
    random.seed(5)
    vocabulary(os.path.join(HERE, "plamo.gguf"), random)
    texts = ["".join(random.choice(LETTERS + OTHERS) for _ in range(random.randint(1, 200))) for _ in range(60)]
    with open(os.path.join(HERE, "plamo_cases.txt"), "w", newline="") as f: f.write("".join(t + "\x1e" for t in texts))
    with open(os.path.join(HERE, "plamo.ids"), "w") as ids, tempfile.TemporaryDirectory() as folder:
        for text in texts:
            with open(os.path.join(folder, "text"), "w", newline="") as f: f.write(text)
            subprocess.run([sys.executable, os.path.join(sys.argv[1], "llama.py"), "tokens", os.path.join(HERE, "plamo.gguf"),
                            os.path.join(folder, "text"), os.path.join(folder, "ids")], check=True, stdout=subprocess.DEVNULL)
            with open(os.path.join(folder, "ids")) as f: ids.write(" ".join(map(str, json.load(f))) + "\n")


main()
