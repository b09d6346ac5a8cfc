#!/usr/bin/env python3
"""Shows that each guard of the GGUF reader and the tokenizers matters: without it, a test fails.

A guard is `if (condition) return error(...)`, or what makes one by another name. One at a time, its condition (and each side of an `||` in it) becomes `false`,
and the tests of that header are built and run against the changed headers. A mutant that passes them all has survived: then the
guard is dead code, or its test is missing, and this script exits with 1. For developers and nightly runs: some minutes.

usage: tests/fuzz/mutate_guards.py [--cxx g++] [--only TEXT]      TEXT: a part of a file name or of a condition
"""
import argparse, os, re, shutil, subprocess, sys, tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GUARDED = {  # header: the tests that should notice, the likeliest first
    'nibble/file/byte_reader.hpp': ['file/byte_reader_test.cpp', 'gguf/header_test.cpp'],
    'nibble/gguf/header.hpp': ['gguf/header_test.cpp', 'gguf/writer_test.cpp', 'gguf/reader_test.cpp'],
    'nibble/gguf/metadata.hpp': ['gguf/metadata_test.cpp', 'gguf/header_test.cpp'],
    'nibble/gguf/reader.hpp': ['gguf/reader_test.cpp', 'gguf/header_test.cpp'],
    'nibble/gguf/value.hpp': ['gguf/value_test.cpp'],
    'nibble/gguf/writer.hpp': ['gguf/writer_test.cpp'],
    'nibble/text/vocab.hpp': ['text/vocab_test.cpp'],
    'nibble/text/bpe.hpp': ['text/vocab_test.cpp'],
    'nibble/text/spm.hpp': ['text/vocab_test.cpp'],
    'nibble/text/tokenizer.hpp': ['text/vocab_test.cpp'],
    'nibble/text/chat.hpp': ['text/chat_test.cpp'],
}
FAILS = r'\s*(\{\s*)?return (error|bad|twice|lacks|detail::\w+_error)\('


def closing(text, at):
    """Index behind the parenthesis that closes the one at `at`."""
    depth, quote = 0, ''
    while True:
        c = text[at]
        if quote:
            if c == '\\':
                at += 1
            elif c == quote:
                quote = ''
        elif c in '"\'' and not (c == "'" and text[at - 1].isdigit()):
            quote = c
        elif c == '(':
            depth += 1
        elif c == ')':
            depth -= 1
            if depth == 0:
                return at + 1
        at += 1


def sides(condition):
    """The operands of the `||` at the top of a condition, as (begin, end); none if there is no such `||`."""
    depth, cuts = 0, []
    for i, c in enumerate(condition):
        depth += (c in '([{') - (c in ')]}')
        if depth == 0 and condition.startswith('||', i):
            cuts.append(i)
    if not cuts:
        return []
    starts, ends = [0] + [c + 2 for c in cuts], cuts + [len(condition)]
    return list(zip(starts, ends))


def mutants(text):
    """(line, what was removed, changed text) of every guard."""
    for match in re.finditer(r'\bif \(', text):
        begin = match.end() - 1
        end = closing(text, begin)
        if not re.match(FAILS, text[end:]):
            continue
        condition = text[begin + 1:end - 1]
        line = text.count('\n', 0, begin) + 1
        flat = ' '.join(condition.split())
        yield line, flat, text[:begin + 1] + 'false' + text[end - 1:]
        for a, b in sides(condition):
            changed = condition[:a] + ' false ' + condition[b:]
            yield line, ' '.join(condition[a:b].split()) + '   (one side)', text[:begin + 1] + changed + text[end - 1:]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--cxx', default='g++')
    parser.add_argument('--only', default='')
    options = parser.parse_args()
    work = tempfile.mkdtemp(prefix='nibble-mutants-')
    compiler = (['ccache'] if shutil.which('ccache') else []) + [options.cxx, '-std=c++20', '-O0', '-w']
    defines = [f'-DNIBBLE_TEST_GOLDEN="{ROOT}/tests/golden"', f'-DNIBBLE_TEST_SHARED="{ROOT}/tests/golden/absent"']
    includes = ['-I', f'{work}/include', '-I', f'{ROOT}/tests']

    def build(source, out, *more):
        subprocess.run(compiler + defines + includes + ['-c', f'{ROOT}/tests/{source}', '-o', out, *more], check=True)

    def caught(tests):
        """The test that fails, or None."""
        for test in tests:
            build(test, f'{work}/test.o')
            subprocess.run([options.cxx, f'{work}/test.o', f'{work}/main.o', '-o', f'{work}/test'], check=True)
            try:
                run = subprocess.run([f'{work}/test'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)
            except subprocess.TimeoutExpired:
                return test + ' (no end)'
            if run.returncode != 0:
                return test + (' (crash)' if run.returncode < 0 else '')
        return None

    survivors = total = 0
    try:
        shutil.copytree(f'{ROOT}/include', f'{work}/include')
        build('support/main.cpp', f'{work}/main.o')
        for header, tests in GUARDED.items():
            path = f'{work}/include/{header}'
            sound = open(path).read()
            found = [m for m in mutants(sound) if options.only in header or options.only in m[1]]
            if found and (broken := caught(tests)):
                sys.exit(f'{broken} fails without any change')
            for line, condition, text in found:
                with open(path, 'w') as out:
                    out.write(text)
                test = caught(tests)
                total += 1
                survivors += test is None
                print(f'{"SURVIVED" if test is None else "caught":9}{os.path.basename(header)}:{line:<5}{condition:78.78} {test or ""}', flush=True)
            with open(path, 'w') as out:
                out.write(sound)
    finally:
        shutil.rmtree(work)
    print(f'{total} mutants, {survivors} survived')
    sys.exit(1 if survivors else 0)


if __name__ == '__main__':
    main()
