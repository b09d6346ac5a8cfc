"""Masks of tokens beside those of xgrammar and llguidance: the same vocabulary, grammars and prefixes, with times.

python3 bench/masks.py MODEL.gguf [--schemas FOLDER] [--grammars FOLDER] [--prefixes 10] [--spaces 80] [--seconds 600]
                       [--seed 1] [--bench PROGRAM] [--json OUT.json]

It needs the packages xgrammar, llguidance, numpy and jsonschema; torch and transformers, which xgrammar imports, may be missing. The folder of
--schemas is draft2020-12 of the JSON-Schema-Test-Suite, of which one schema of every second file is taken; that of --grammars holds *.gbnf.
Prefixes are cut from texts: half of these walk at random over tokens that nibble allows, half over those that all engines allow, and the suite's
valid instances are cut, too. An engine that refuses part of a prefix is compared where it stands then.

A token that only one of two engines allows is judged: whoever allows it ends a text that begins so, and jsonschema, or Python's re, says what is
wrong with it. Of a right text the other engine is asked about other spellings: if it allows one of them, it refuses "a spelling" or "an order of
members", else "a value". "no end found" says nothing: the search is random and short.

Times are those of one thread: of a mask alone, for all places of all prefixes one after the other, as a reply meets them. Peers are called from
Python, which takes about 1 us.
"""
import argparse, collections, decimal, gc, glob, json, os, random, re, subprocess, sys, time, types
from measure import add_bench, add_json, at_least, keep_inputs, machine, source, write_json

def closed(required, **properties):
    return {"type": "object", "properties": properties, "required": required.split(), "additionalProperties": False}


def kind_of(const, **properties): return closed("kind " + " ".join(properties), kind={"const": const}, **properties)


STRING, INTEGER, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}
SCHEMAS = [
    closed("city", city=STRING, unit={"enum": ["celsius", "fahrenheit"]}, days={"type": "integer", "minimum": 1, "maximum": 14}),
    closed("name age", name={"type": "string", "maxLength": 12}, age={"type": "integer", "minimum": 0, "maximum": 150},
           tags={"type": "array", "items": {"enum": ["red", "green", "blue"]}, "maxItems": 3}),
    {"type": "object", "properties": {"id": {"type": "string", "format": "uuid"}, "at": {"type": "string", "format": "date-time"}, "score": NUMBER},
     "required": ["id"]},
    closed("steps answer", steps={"type": "array", "minItems": 1, "items": closed("why result", why=STRING, result=STRING)},
           answer={"type": ["string", "null"]}),
    {"type": "array", "items": {"anyOf": [kind_of("circle", radius={"type": "number", "exclusiveMinimum": 0}), kind_of("square", side=NUMBER)]}},
    {"$defs": {"node": closed("value", value=INTEGER, children={"type": "array", "items": {"$ref": "#/$defs/node"}})}, "$ref": "#/$defs/node"},
    {"type": "object", "additionalProperties": INTEGER, "minProperties": 1},
    closed("zip ok", zip={"type": "string", "pattern": "^[0-9]{5}(-[0-9]{4})?$"}, ok={"type": "boolean"}),
]
EXPRESSIONS = [r"(the|a) [a-z]{3,8}(, [a-z]+)*\.", r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}", r"[^\"]*\"!", r"[A-Z][\u00e0-\u00ff]+ \w+",
               r"(\+\d{1,3} )?\(?\d{3}\)?[ .-]\d{4}", r"[\u4e00-\u9fff]{2,6}\u3002"]


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", metavar="MODEL", type=source); add_bench(p)
    p.add_argument("--schemas", help="folder of the JSON-Schema-Test-Suite, draft2020-12"); p.add_argument("--grammars", help="folder of GBNF files")
    p.add_argument("--seconds", type=at_least(0), default=600, help="of judging, for each peer; 0: only times")
    p.add_argument("--spaces", type=at_least(0), default=80, help="that peers allow in a row between parts of JSON; 0: any number, their default")
    p.add_argument("--prefixes", type=at_least(1), default=10, help="of each grammar"); p.add_argument("--seed", type=at_least(0), default=1)
    add_json(p, "all figures and every judged token")
    a = p.parse_args()
    keep_inputs([a.json], [a.model])
    for option, folder in (("schemas", a.schemas), ("grammars", a.grammars)):
        if folder is not None and not os.path.isdir(folder): sys.exit("--%s: there is no folder %s" % (option, folder))
    return a


def sample(a):
    """Grammars, each with whole texts of which prefixes are cut, if there are any."""
    out = [{"kind": "schema", "name": "schema %d" % i, "text": json.dumps(s), "instances": []} for i, s in enumerate(SCHEMAS)]
    for path in sorted(glob.glob(os.path.join(a.schemas, "*.json")))[::2] if a.schemas else []:
        with open(path, encoding="utf-8") as f: groups = [g for g in json.load(f) if isinstance(g["schema"], dict)]
        if not groups: continue
        group = random.Random(a.seed).choice(groups)
        out.append({"kind": "schema", "name": os.path.basename(path)[:-5] + ": " + group["description"], "text": json.dumps(group["schema"]),
                    "instances": [json.dumps(t["data"], ensure_ascii=False) for t in group["tests"] if t["valid"]][:3]})
    for path in sorted(glob.glob(os.path.join(a.grammars, "*.gbnf"))) if a.grammars else []:
        with open(path, encoding="utf-8") as f: out.append({"kind": "gbnf", "name": os.path.basename(path), "text": f.read(), "instances": []})
    return out + [{"kind": "regex", "name": r, "text": r, "instances": []} for r in EXPRESSIONS]


class Engine:
    """A peer: mask() is that behind some tokens, if they are allowed."""
    kinds = ("schema", "gbnf", "regex")

    def __init__(self, words, spaces): self.words, self.spaces, self.bits = words, spaces, np.zeros((1, (len(words.tokens) + 31) // 32), np.int32)

    def mask(self, g, ids):
        matcher = g[self.name]
        matcher.reset()
        if not all(self.accept(matcher, t) for t in ids): return None
        self.fill(matcher)
        return unpacked(self.bits, len(self.words.tokens))

    def follow(self, g, ids):
        """How many of the tokens are allowed one after the other, and microseconds of each mask."""
        matcher, us = g[self.name], []
        matcher.reset()
        for at in range(len(ids) + 1):
            begin = time.perf_counter()
            self.fill(matcher)
            us.append((time.perf_counter() - begin) * 1e6)
            if at == len(ids) or not unpacked(self.bits, len(self.words.tokens))[ids[at]] or not self.accept(matcher, ids[at]): return at, us


class Xgrammar(Engine):
    name, any_order = "xgrammar", False

    def __init__(self, words, spaces):
        super().__init__(words, spaces)
        info = xgrammar.TokenizerInfo(words.tokens, xgrammar.VocabType.RAW, stop_token_ids=words.ends)
        self.compiler = xgrammar.GrammarCompiler(info, max_threads=1, cache_enabled=False)

    def compiled(self, kind, text):
        if kind == "gbnf": c = self.compiler.compile_grammar(text)
        elif kind == "regex": c = self.compiler.compile_regex(text)
        else: c = self.compiler.compile_json_schema(text, strict_mode=False, max_whitespace_cnt=self.spaces or None, any_order=self.any_order)
        return xgrammar.GrammarMatcher(c)

    def fill(self, matcher): matcher.fill_next_token_bitmask(self.bits)
    def accept(self, matcher, token): return matcher.accept_token(token)


class AnyOrder(Xgrammar):
    name, any_order, kinds = "xgrammar, any order", True, ("schema",)


class Llguidance(Engine):
    name = "llguidance"
    # Above its defaults, beyond which it gives up a mask; and no token is forced, so that masks are those of the grammar.
    limits, options = dict(step_max_items=5_000_000, initial_lexer_fuel=100_000_000, step_lexer_fuel=20_000_000), '%llguidance {"no_forcing": true}\n'

    def __init__(self, words, spaces):
        super().__init__(words, spaces)
        tokenizer = types.SimpleNamespace(tokens=words.tokens, special_token_ids=words.special, eos_token_id=words.ends[0], bos_token_id=None)
        self.tokenizer = llguidance.LLTokenizer(llguidance.TokenizerWrapper(tokenizer), eos_token=words.ends)

    def compiled(self, kind, text):
        if kind == "gbnf": lark = llguidance.gbnf_to_lark.gbnf_to_lark(text).replace("%llguidance {}", "")
        elif kind == "regex": lark = "start: /" + llguidance.regex_to_lark(text, "dw") + "/"
        else:
            spaces = {"whitespace_pattern": r"[\x20\x0A\x0D\x09]{1,%s}" % (self.spaces or "")}
            lark = "start: %json " + json.dumps({**json.loads(text), "x-guidance": spaces})
        made = llguidance.LLMatcher.grammar_from_lark(self.options + lark)
        m = llguidance.LLMatcher(self.tokenizer, made, log_level=0, limits=llguidance.LLParserLimits(**self.limits))
        if m.is_error(): raise ValueError(m.get_error())
        return m

    def fill(self, matcher):
        matcher.unsafe_compute_mask_ptr(self.bits.ctypes.data, self.bits.nbytes)
        if matcher.is_error(): raise ValueError(matcher.get_error())
    def accept(self, matcher, token): return matcher.try_consume_tokens([token]) == 1


class Nibble:
    """The program nibble-bench masks, which tells the times itself."""
    name, kinds = "nibble", Engine.kinds

    def __init__(self, a):
        try: self.program = subprocess.Popen([a.bench, "masks", a.model], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        except OSError as e: sys.exit("--bench: %s: %s" % (a.bench, e.strerror))
        line = self.program.stdout.readline()
        try: self.vocabulary = json.loads(line)
        except ValueError: sys.exit("--bench: %s masks %s: expected a line of JSON, found %s" % (a.bench, a.model, line[:200] or "nothing"))

    def ask(self, **asked):
        self.program.stdin.write(json.dumps(asked) + "\n"); self.program.stdin.flush()
        line = self.program.stdout.readline()
        return json.loads(line) if line else sys.exit("nibble-bench masks ended at %s" % asked)

    def compiled(self, kind, text):
        made = self.ask(kind=kind, text=text)
        if "failure" in made: raise ValueError(made["failure"])
        self.compile_us = made["us"]
        return made["grammar"]

    def mask(self, g, ids):
        found = self.ask(grammar=g[self.name], ids=ids)
        if found["accepted"] < len(ids): return None
        return unpacked(np.frombuffer(bytes.fromhex(found["mask"]), np.uint8), len(self.vocabulary["texts"]))
    def follow(self, g, ids):
        found = self.ask(grammar=g[self.name], ids=ids, timed=True)
        return found["accepted"], found["us"][:found["accepted"] + 1]


def unpacked(words, n): return np.unpackbits(words.view(np.uint8).reshape(-1), bitorder="little")[:n].astype(bool)


class Vocabulary:
    """Tokens by their bytes, as nibble spells them. Ends and tokens without a text have none."""

    def __init__(self, found):
        self.ends = found["ends"]
        spelled = [bytes.fromhex(t) for t in found["texts"]]
        self.tokens = [b"" if t == b"\xff" or t[:1] in (b"\xf5", b"\xf6", b"\xf7") else t for t in spelled]
        self.special = [i for i, t in enumerate(self.tokens) if not t]
        kinds = (rb"[\"\]})]", rb"[a-z0-9:]", rb"[\n;]", rb".", rb".+")
        self.kinds = [np.array([bool(re.fullmatch(kind, t, re.DOTALL)) for t in self.tokens]) for kind in kinds]
        self.shapes = ["end" if t in self.ends else shape(s) for t, s in enumerate(self.tokens)]
        self.numbers = {t: i for i, t in enumerate(self.tokens)}
        self.is_end = np.isin(np.arange(len(self.tokens)), self.ends)

    def text(self, ids): return b"".join(self.tokens[i] for i in ids)

    def names(self, g, text):
        """Tokens that go on with what stands in quotes in the grammar: nobody finds the name of a required member by chance."""
        begun = text.rpartition(b'"')[2]
        rests = [w[len(begun):] for w in re.findall(b'"([^"\\\\]+)"', g["text"].encode()) if w.startswith(begun)]
        return [self.numbers[r[:n]] for r in rests for n in range(1, len(r) + 1) if r[:n] in self.numbers]

    def whole(self, engines, g, ids, rng, free):
        """A whole text that begins with these tokens and that all the engines allow, drawn at random, or None. With free > 0 it is less in a hurry,
        and may be cut short."""
        ids = list(ids)
        for _ in range(60 if free else 100):
            masks = [e.mask(g, ids) for e in engines]
            if any(m is None for m in masks): return None
            mask = np.logical_and.reduce(masks)
            kinds = [mask & k for k in self.kinds]
            if (mask & self.is_end).any() and (rng.random() > free or not kinds[-1].any()): return ids
            if not kinds[-1].any(): return None
            named = [t for t in self.names(g, self.text(ids)) if mask[t]]
            if named and rng.random() < 0.4:
                ids.append(int(rng.choice(named)))
                continue
            weights = np.array([0.6, 0.25, 0.1, 0.05, free]) * [k.any() for k in kinds]
            ids.append(int(rng.choice(np.nonzero(kinds[rng.choice(5, p=weights / weights.sum())] if weights.any() else kinds[-1])[0])))
        return ids if free else None


def number(text):
    """A whole one as int, as JSON Schema means it, however it is written."""
    value = decimal.Decimal(text)
    return int(value) if value.is_finite() and value.adjusted() < 400 and value == value.to_integral_value() else value


def unique(pairs):
    if len(dict(pairs)) < len(pairs): raise ValueError("two members of one name")
    return dict(pairs)


def refuse(name): raise ValueError(name + " is no JSON")


def fault(g, text):
    """What is wrong with a whole text, if anything; None where nobody can tell."""
    try: text = text.decode()
    except UnicodeDecodeError: return "no UTF-8"
    if g["kind"] == "gbnf": return None
    if g["kind"] == "regex": return "" if re.fullmatch(g["text"], text, re.ASCII) else "no match"
    try: value = json.loads(text, parse_float=number, parse_constant=refuse, object_pairs_hook=unique)
    except ValueError as e: return "no JSON: " + re.sub(r":? ?(line|char|\(char).*", "", str(e))
    schema = json.loads(g["text"], parse_float=number)
    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    wrong = next(kind(schema, format_checker=kind.FORMAT_CHECKER).iter_errors(value), None)
    return wrong.validator if wrong else ""

def shape(token):
    """Kinds of characters in a row, so that tokens which differ for one reason mostly look alike."""
    for kind, characters in (("a", "[A-Za-z]"), ("0", "[0-9]"), ("~", r"[\x80-\xff]"), ("_", r"[ \t\r\n]"), ("^", r"[\x00-\x1f\x7f]"),
                             ("!", r"[^a0~_^\"\\{}\[\]:,]")):
        token = re.sub("(" + characters + ")+", kind, token.decode("latin-1") if kind == "a" else token)
    return token


def place(text):
    """Where in a JSON text the next byte stands."""
    open_, last, string, name, escape = [], " ", False, False, False
    for c in text.decode("latin-1"):
        if escape: escape = False
        elif string: string, escape = c != '"', c == "\\"
        elif c == '"': string, name = True, open_[-1:] == ["{"] and last in "{,"
        elif c in "{[": open_.append(c)
        elif c in "}]" and open_: open_.pop()
        if not c.isspace(): last = c
    if string: return "in an escape" if escape else "in a name" if name else "in a string"
    if last == " ": return "at the beginning"
    return "in a number" if text[-1:] in b"-+.eE0123456789" else "between parts" if open_ else "behind the value"


def compile_all(grammars, engines):
    for g in grammars:
        for engine in engines:
            if g["kind"] not in engine.kinds: continue
            begin = time.perf_counter()
            try: g[engine.name] = engine.compiled(g["kind"], g["text"])
            except Exception as e: g["failure"][engine.name] = str(e).strip().splitlines()[0][:200]
            g["compile_us"][engine.name] = engine.compile_us if engine.name == "nibble" else (time.perf_counter() - begin) * 1e6


def prefixes_of(a, g, words, engines, rng):
    """Cut from whole texts: those that nibble finds, those that all engines find, and the instances. The empty one first."""
    able = [e for e in engines if e.name in g and e.name != AnyOrder.name]
    texts = [words.whole(e, g, [], rng, 0.7) for e in ([engines[0]], able) for _ in range(a.prefixes // 2)]
    texts += [engines[0].ask(encode=t) for t in g["instances"]]
    texts, out = [t for t in texts if t], [[]]
    for n in range(20 * a.prefixes if texts else 0):
        text = texts[n % len(texts)]
        prefix = text[:rng.integers(0, len(text) + 1)]
        if prefix not in out and len(out) < a.prefixes: out.append(prefix)
    return out


def written(value, names=None):
    """A value in one spelling, its members in the order in which they are, or in which their names stand in a text."""
    if isinstance(value, list): return "[" + ",".join(written(v, names) for v in value) + "]"
    if isinstance(value, decimal.Decimal): return format(value, "f")
    if not isinstance(value, dict): return json.dumps(value, ensure_ascii=False)
    members = sorted(value.items(), key=lambda m: (names or "").find(json.dumps(m[0])) % (1 << 40))
    return "{" + ",".join(written(k) + ":" + written(v, names) for k, v in members) + "}"


def refused(g, text, by, ours):
    """What of a right text another engine does not allow: the way in which it is written, or what it says."""
    if g["kind"] != "schema": return "a text"
    value = json.loads(text, parse_float=number)
    for what, other in (("a spelling", written(value)), ("an order of members", written(value, g["text"]))):
        mask = by.mask(g, ours.ask(encode=other))
        if mask is not None and (mask & ours.words.is_end).any(): return what
    return "a value"


def differences(g, ids, ours, peer, rng, known, until):
    """One token of each shape that only one of two allows behind a prefix, and what is wrong with a whole text that goes on with it.
    Of a shape at such a place two are judged, and others are taken to be as these."""
    words, out = peer.words, []
    masks = ours.mask(g, ids), peer.mask(g, ids)
    for who, mask in ((ours, masks[0] & ~masks[1]), (peer, masks[1] & ~masks[0])):
        shapes = collections.defaultdict(list)
        for t in np.nonzero(mask)[0]: shapes[words.shapes[t]].append(int(t))
        common = sorted(shapes, key=lambda kind: -len(shapes[kind]))
        for kind in common:
            tokens = shapes[kind]
            token = int(rng.choice(tokens))
            key, whole = (peer.name, who.name, kind, place(words.text(ids)) if g["kind"] == "schema" else g["name"]), None
            if len(known[key]) >= 2: wrong = collections.Counter(known[key]).most_common(1)[0][0]
            elif time.perf_counter() > until: wrong = "not judged"
            else:
                for _ in range(2):
                    whole = ids if kind == "end" else words.whole([who], g, ids + [token], rng, 0)
                    wrong = "no end found" if whole is None else fault(g, words.text(whole))
                    if not wrong: wrong = refused(g, words.text(whole), peer if who is ours else ours, ours)
                    if not wrong or wrong.startswith("a"): break
                known[key].append(wrong)
            out.append({"g": g, "peer": peer.name, "allows": who.name, "ids": ids, "token": token, "shape": kind, "tokens": len(tokens),
                        "whole": whole, "fault": wrong})
    return out


def quantiles(x):
    x = sorted(x)
    return ["%.3g" % x[len(x) * q // 1000] for q in (500, 990)] + ["%.0f" % x[-1]]


def table(head, rows): print("\n".join("| " + " | ".join(map(str, r)) + " |" for r in [head, ["---"] * len(head)] + rows) + "\n")


def main():
    a = arguments()
    random.seed(a.seed)
    rng, grammars, setup_us = np.random.default_rng(a.seed), sample(a), {}
    ours = Nibble(a)
    words = ours.words = Vocabulary(ours.vocabulary)
    setup_us[ours.name], engines = ours.vocabulary["setup_us"], [ours]
    for peer in (Xgrammar, AnyOrder, Llguidance):
        begin = time.perf_counter()
        engines.append(peer(words, a.spaces))
        setup_us[engines[-1].name] = (time.perf_counter() - begin) * 1e6
    for g in grammars: g.update(failure={}, compile_us={})
    compile_all(grammars, engines)
    unable = [[g["name"], name, why] for g in grammars for name, why in g["failure"].items()]
    grammars = [g for g in grammars if ours.name in g]
    for g in grammars: g["prefixes"] = prefixes_of(a, g, words, engines, rng)
    compile_all(grammars, engines)  # anew, so that no mask is known

    gc.disable()
    for e in engines:
        for g in grammars: g[e.name, "followed"] = [e.follow(g, ids) for ids in g["prefixes"]] if e.name in g else []
    gc.enable()
    rows, common = [], [g for g in grammars if all(e.name in g for e in engines if e.name != AnyOrder.name)]
    for e in engines:
        some = [g for g in common if e.name in g]
        masks = [(us, g["name"]) for g in some for _, times in g[e.name, "followed"] for us in times]
        rows.append([e.name, "%.0f" % (setup_us[e.name] / 1e3)] + quantiles([g["compile_us"][e.name] for g in some])
                    + quantiles([g[e.name, "followed"][0][1][0] for g in some]) + quantiles([us for us, _ in masks]) + [max(masks)[1], len(masks)])
    print("%d grammars that all engines take" % len(common))
    table(["engine", "set up, ms", "compile, us: p50", "p99", "max", "first mask, us: p50", "p99", "max", "mask, us: p50", "p99",
           "max", "of", "masks"], rows)
    if a.seconds == 0: return

    found, rows, known = [], [], collections.defaultdict(list)
    for e in engines[1:]:
        able = [g for g in grammars if e.name in g]
        reached = [list(zip(g["prefixes"], g[ours.name, "followed"], g[e.name, "followed"])) for g in able]
        at = {(i, tuple(ids[:min(o[0], t[0])])) for i, some in enumerate(reached) for ids, o, t in some}
        some, until = [], time.perf_counter() + a.seconds
        for i, ids in random.sample(sorted(at), len(at)): some.append(differences(able[i], list(ids), ours, e, rng, known, until))
        found += sum(some, [])
        rows.append([e.name, len(able), sum(map(len, reached)), sum(t[0] == len(ids) for r in reached for ids, _, t in r), len(at),
                     sum(not s for s in some)])
    table(["engine", "grammars", "prefixes", "of them allowed", "masks compared", "equal"], rows)

    classes = collections.defaultdict(list)
    for d in found:
        where = place(words.text(d["ids"])) if d["g"]["kind"] == "schema" else d["g"]["kind"]
        classes[d["peer"], d["allows"], where, d["fault"]].append(d)
    rows = [[*c, len({(d["g"]["name"], tuple(d["ids"])) for d in some}), sum(d["tokens"] for d in some),
             ", ".join(sorted({d["g"]["name"].split(":")[0] for d in some})[:4])] for c, some in sorted(classes.items(), key=lambda c: str(c[0]))]
    table(["peer", "allows", "where", "fault of the whole text", "masks", "tokens", "grammars"], rows)
    table(["grammar", "refused by", "why"], unable)
    text = lambda ids: words.text(ids).decode("latin-1")
    write_json(a.json, {"machine": machine(), "differences": [
        {"grammar": d["g"]["name"], "text": d["g"]["text"], "behind": text(d["ids"]), "token": text([d["token"]]), "whole": text(d["whole"] or []),
         **{key: d[key] for key in ("peer", "allows", "shape", "tokens", "fault")}} for d in found]})


if __name__ == "__main__":
    try: import tvm_ffi  # looks for torch, and must not find what stands for it
    except ImportError: sys.exit("needs the packages xgrammar, llguidance, numpy and jsonschema")
    for name in ("torch", "transformers"):  # xgrammar imports them, for what is not used here
        try: __import__(name)
        except ImportError:
            sys.modules[name] = stand_in = types.ModuleType(name)
            stand_in.__getattr__ = lambda name: type(name, (), {}) if not name.startswith("__") else None
            if name == "torch": stand_in.tensor = lambda *a, **k: None
    import jsonschema, llguidance, llguidance.gbnf_to_lark, numpy as np, xgrammar
    main()
