"""Every file that CONTRIBUTING.md, README.md, SECURITY.md and the documents of tests/ cite is there: paths.py SOURCE

A path is a word in backticks with a slash or the ending of a source file, or the target of a link. It may be written from the root, from
include/, from include/nibble/, or from the document's own folder; a bare name may stand anywhere. <name> and * stand for any name, and
one file at least must fit. What lies outside of the repository is not looked for. CONTRIBUTING.md names every folder of include/nibble. Fenced blocks are not read."""
import pathlib
import re
import sys

HOSTS_OWN = {"main.cpp", "app.cpp"}  # files of the reader, not of ours
OURS = ("include", "tests", "examples", "bench", "packaging")
MADE = ("build/",)  # what a build writes
ENDINGS = r"\.(hpp|cpp|h|py|sh|md|json|cmake|txt|in|gguf|yml|svg)$"


def cited(text):
    """(line, word) of each path."""
    blank = lambda match: re.sub(r"[^\n]", " ", match[0])
    text = re.sub(r"^```.*?^```$", blank, text, flags=re.M | re.S)
    for match in re.finditer(r"`([^`\s]+)`|\]\(([^)\s#]+)[^)]*\)", text):
        line, word = text.count("\n", 0, match.start()) + 1, match[1] or match[2]
        if match[2]:
            if "://" not in word: yield line, word
        elif re.fullmatch(r"[\w.<>*+/ -]*\w[\w.<>*+/-]*", word) and ("/" in word or re.search(ENDINGS, word)):
            yield line, word


def exists(word, folders):
    if word in HOSTS_OWN or word.startswith(MADE): return True
    if word.startswith("../") and folders[0] not in (folders[-1] / word).resolve().parents: return True
    pattern = re.sub(r"<[\w -]+>", "*", word).rstrip("/")
    if "/" not in pattern: return any(next((folders[0] / top).rglob(pattern), None) or (folders[0] / pattern).exists() for top in OURS)
    return any(next(folder.glob(pattern), None) for folder in folders)


def main(source):
    root, found, seen = pathlib.Path(source).resolve(), [], 0
    documents = [root / name for name in ("CONTRIBUTING.md", "README.md", "SECURITY.md")] + sorted((root / "tests").rglob("*.md"))
    for document in documents:
        folders = [root, root / "include", root / "include/nibble", document.parent]
        for line, word in cited(document.read_text()):
            seen += 1
            if not exists(word, folders): found.append("%s:%d: `%s` is not there" % (document.relative_to(root), line, word))
    contributing = (root / "CONTRIBUTING.md").read_text()
    for folder in sorted(f for f in (root / "include/nibble").iterdir() if f.is_dir()):
        if "`%s/`" % folder.name not in contributing: found.append("CONTRIBUTING.md: `%s/` is not in the tree" % folder.name)
    if exists("quant/no_such_format.hpp", [root, root / "include/nibble"]) or seen < 50: found.append("this check sees nothing")
    print("\n".join(found) or "%d paths in %d documents" % (seen, len(documents)))
    sys.exit(1 if found else 0)


main(*sys.argv[1:])
