#!/usr/bin/env python3
"""Writes the first page of the reference: the README's first program, and every example with what its own head says."""
import pathlib
import re

root = pathlib.Path(__file__).resolve().parents[2]
readme = (root / "README.md").read_text(encoding="utf-8")
promise = readme.split("\n\n")[1]
program = re.search(r"```cpp\n(.*?)```", readme, re.S)[1]

print("Start here {#mainpage}\n==========\n")
print(promise + "\n")
print("\\code{.cpp}\n" + program + "\\endcode\n")
print("The headers stand in nibble.hpp in the order data flows. The examples are in learning order, each about a page:\n")
for path in sorted((root / "examples").glob("[0-9]*.cpp")):
    head = []
    for line in path.read_text(encoding="utf-8").split("\n"):
        if not line.startswith("//") or line.strip() == "//":
            break
        head.append(line[2:].strip())
    print(f"- \\ref {path.stem} \"{path.stem}\": {' '.join(head)}")
print()
for path in sorted((root / "examples").glob("[0-9]*.cpp")):
    print(f"\\page {path.stem} {path.stem}\n\\include {path.name}\n")
