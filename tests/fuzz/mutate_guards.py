#!/usr/bin/env python3
"""Shows that each guard against files and callers matters: without it, a test fails.

A guard is `if (condition) return error(...)`, or what makes one by another name. One at a time, its condition (and each side of an `||` in it) becomes `false`,
and the tests of that header are built and run against the changed headers. A mutant that passes them all has survived: then the
guard is dead code, or its test is missing, and this script exits with 1. For developers and nightly runs: some minutes.

usage: tests/fuzz/mutate_guards.py [--cxx g++] [--only TEXT]      TEXT: a part of a file's path or of a condition
"""
import argparse, os, re, shutil, subprocess, sys, tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GUARDED = {  # file: the tests that should notice, the likeliest first
    'file/byte_reader-impl.hpp': ['file/byte_reader_test.cpp', 'gguf/header_test.cpp'],
    'file/mapped_file-impl.hpp': ['file/mapped_file_test.cpp'],
    'file/output_file-impl.hpp': ['file/output_file_test.cpp'],
    'file/readable_file-impl.hpp': ['model/read_test.cpp'],
    'gguf/header-impl.hpp': ['gguf/header_test.cpp', 'gguf/writer_test.cpp', 'gguf/reader_test.cpp'],
    'gguf/metadata-impl.hpp': ['gguf/metadata_test.cpp', 'gguf/header_test.cpp'],
    'gguf/reader-impl.hpp': ['gguf/reader_test.cpp', 'gguf/header_test.cpp'],
    'gguf/value-impl.hpp': ['gguf/value_test.cpp'],
    'gguf/writer-impl.hpp': ['gguf/writer_test.cpp'],
    'text/vocab-impl.hpp': ['text/vocab_test.cpp'],
    'text/bpe-impl.hpp': ['text/vocab_test.cpp'],
    'text/spm-impl.hpp': ['text/vocab_test.cpp'],
    'text/tokenizer-impl.hpp': ['text/vocab_test.cpp'],
    'text/chat-impl.hpp': ['text/chat_test.cpp'],
    'quant/quantize-impl.hpp': ['quant/quantize_test.cpp', 'quant/quantize_file_test.cpp'],
    'quant/recipe-impl.hpp': ['quant/recipe_test.cpp'],
    'model/any_model-impl.hpp': ['model/model_test.cpp', 'model/hyperparameters_test.cpp'],
    'model/decoder/config-impl.hpp': ['model/seams_test.cpp', 'model/hyperparameters_test.cpp', 'model/expert_families_test.cpp', 'model/latent_test.cpp'],
    'model/decoder/rope_scaling-impl.hpp': ['model/published_test.cpp', 'model/hyperparameters_test.cpp'],
    'model/decoder/delta_net-impl.hpp': ['model/seams_test.cpp', 'model/recurrent_test.cpp'],
    'model/decoder/decoder-impl.hpp': ['model/seams_test.cpp', 'model/both_ways_test.cpp'],
    'model/decoder/expert_feed_forward-impl.hpp': ['model/expert_families_test.cpp', 'model/experts_test.cpp'],
    'model/decoder/sparse_feed_forward.hpp': ['model/gemma3n_test.cpp'],
    'model/arch/gemma3n.hpp': ['model/gemma3n_test.cpp'],
    'model/arch/hunyuan.hpp': ['model/families_test.cpp'],
    'model/arch/modern_bert.hpp': ['model/encoders_test.cpp'],
    'model/decoder/latent_attention-impl.hpp': ['model/seams_test.cpp', 'model/latent_test.cpp'],
    'model/decoder/mamba2_mixer-impl.hpp': ['model/seams_test.cpp', 'model/recurrent_test.cpp'],
    'model/decoder/recurrent_config-impl.hpp': ['model/recurrent_test.cpp'],
    'model/decoder/self_attention-impl.hpp': ['model/seams_test.cpp', 'model/gemma4_test.cpp'],
    'model/embedder-impl.hpp': ['model/embedder_test.cpp'],
    'model/pooling-impl.hpp': ['model/pooling_test.cpp'],
    'model/tensor_source-impl.hpp': ['model/hyperparameters_test.cpp', 'model/arch_test.cpp'],
    'model/hyperparameters-impl.hpp': ['model/unread_test.cpp', 'model/hyperparameters_test.cpp'],
    'model/scratch_plan.hpp': ['model/proportion_test.cpp', 'model/evaluator_test.cpp'],
    'model/step_runner-impl.hpp': ['model/evaluator_test.cpp', 'model/seams_test.cpp'],
    'kv/pool-impl.hpp': ['kv/sequence_test.cpp'],
    'generate/check_generates.hpp': ['generate/session_test.cpp', 'generate/options_test.cpp'],
    'generate/scheduler_queue-impl.hpp': ['generate/scheduler_room_test.cpp'],
    'generate/score-impl.hpp': ['generate/score_test.cpp'],
    'generate/samples-impl.hpp': ['generate/samples_test.cpp'],
    'generate/beam_search-impl.hpp': ['generate/beam_search_test.cpp'],
}
READERS = ('error', 'file', 'gguf', 'text')  # what is changed here needs no model to be tested
FAILS = r'\s*(\{\s*)?(return (error|bad|twice|lacks|fail|invalid|detail::\w+_error)\(|(h|t|tensors)\.reject\(|return ")'


def unit(work, readers):
    """The translation unit of all that is compiled once, or of what the readers need."""
    parts = re.findall(r'#include "(nibble/.*-impl.hpp)"', open(f'{work}/include/nibble/library-impl.hpp').read())
    for more in ('text/tokenizers', 'model/models', 'sample/samplers', 'grammar/grammars', 'generate/generating'):
        parts += re.findall(r'#include "(nibble/.*-impl.hpp)"', open(f'{work}/include/nibble/{more}-impl.hpp').read())
    parts += ['nibble/text/template/jinja_template-impl.hpp']
    if readers:
        parts = [p for p in parts if p.split('/')[1].removesuffix('-impl.hpp') in (*READERS, 'core')]
    else:
        parts += ['nibble/model/decoder-impl.hpp', 'nibble/model/registry-impl.hpp', 'nibble/quant/quantize_file-impl.hpp']
    path = f'{work}/{"readers" if readers else "library"}.cpp'
    with open(path, 'w') as out:
        out.writelines(f'#include "{p}"\n' for p in parts)
    return path


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
    compiler = (['ccache'] if shutil.which('ccache') else []) + [options.cxx, '-std=c++20', '-O0', '-w', '-isystem', '/usr/include/eigen3']
    defines = [f'-DNIBBLE_TEST_GOLDEN="{ROOT}/tests/golden"', f'-DNIBBLE_TEST_SHARED="{ROOT}/tests/golden/absent"']

    def build(source, out, *more, headers=f'{work}/include'):
        subprocess.run([*compiler, *defines, '-I', headers, '-I', f'{ROOT}/tests', '-c', source, '-o', out, *more], check=True)

    def caught(tests, readers):
        """The test that fails, or None."""
        build(unit(work, readers), f'{work}/library.o')
        for test in tests:
            build(f'{ROOT}/tests/{test}', f'{work}/test.o')
            objects = [f'{work}/{name}.o' for name in ('test', 'main', 'library', 'kernels')]
            subprocess.run([options.cxx, *objects, '-lhwy', '-pthread', '-o', f'{work}/test'], check=True)
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
        build(f'{ROOT}/tests/support/main.cpp', f'{work}/main.o')
        build(f'{ROOT}/packaging/kernels.cpp', f'{work}/kernels.o', '-O2', headers=f'{ROOT}/include')
        for header, tests in GUARDED.items():
            path = f'{work}/include/nibble/{header}'
            readers = tests[0].split('/')[0] in READERS
            sound = open(path).read()
            all_of_it = list(mutants(sound))
            if not all_of_it:
                sys.exit(f'{header} has no guard: it has moved')
            found = [m for m in all_of_it if options.only in header or options.only in m[1]]
            if found and (broken := caught(tests, readers)):
                sys.exit(f'{broken} fails without any change')
            for line, condition, text in found:
                with open(path, 'w') as out:
                    out.write(text)
                test = caught(tests, readers)
                total += 1
                survivors += test is None
                print(f'{"SURVIVED" if test is None else "caught":9}{header}:{line:<5}{condition:70.70} {test or ""}', flush=True)
            with open(path, 'w') as out:
                out.write(sound)
    finally:
        shutil.rmtree(work)
    print(f'{total} mutants, {survivors} survived')
    sys.exit(1 if survivors else 0)


if __name__ == '__main__':
    main()
