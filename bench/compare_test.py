"""Tests compare.py with engines that are scripts, and what its neighbours refuse: python3 compare_test.py"""
import json, os, subprocess, sys, tempfile, unittest

HERE = os.path.dirname(os.path.abspath(__file__))
NIBBLE = """#!%s
import json, sys
a = sys.argv
print(json.dumps({"model": a[2], "engine": "nibble 1", "commit": "c0ffee", "compiler": "cc", "cpu": "a CPU", "cores": 2, "kv_mb": 1,
                  "huge_pages": "madvise", "target": a[a.index("--target") + 1] if "--target" in a else "AVX3",
                  "prompt_tps": 100.0, "decode_tps": 50.0}))
""" % sys.executable
# Prompts are faster without flash attention, decoding is with it. What it must not be asked for ends it.
PEER = """
import json, os, sys
a, slow = sys.argv, "--no-flash" in sys.argv
value = lambda name: a[a.index(name) + 1]
if slow and value("--kv") == "q8_0": sys.exit("no flash attention for q8_0")
if not slow and value("--engine") == "ik" and int(value("--sequences")) > 1: sys.exit("aborts")
libraries = sorted(os.listdir(os.environ["LLAMA_LIBS"])) if value("--engine") == "llama" and "LLAMA_LIBS" in os.environ else []
print(json.dumps({"peer": "peer " + value("--engine"), "prompt_tps": 80.0 if slow else 40.0, "decode_tps": 10.0 if slow else 25.0,
                  "libraries": libraries}))
"""
LIBRARIES = ("libllama.so", "libggml-cpu-haswell.so", "libggml-cpu-alderlake.so", "libggml-cpu-zen4.so")


class Compare(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        libraries = self.path("node_modules/@node-llama-cpp/linux-x64/bins/linux-x64")
        os.makedirs(libraries)
        for name in LIBRARIES: open(os.path.join(libraries, name), "w").close()
        for name, text in (("nibble", NIBBLE), ("llama.py", PEER), ("model.gguf", "")):
            with open(self.path(name), "w") as f: f.write(text)
        os.chmod(self.path("nibble"), 0o700)

    def path(self, name): return os.path.join(self.folder.name, name)

    def refused(self, script, *arguments):
        """What it says, of arguments that it must refuse before anything runs, in a sentence of its own."""
        command = [sys.executable, os.path.join(HERE, script), *arguments]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertNotEqual(done.returncode, 0, command)
        self.assertNotIn("Traceback", done.stderr, command)
        self.assertNotIn("round 1", done.stdout, command)
        return done.stderr.strip().splitlines()[-1]

    def run_it(self, *more):
        command = [sys.executable, os.path.join(HERE, "compare.py"), self.path("model.gguf"), "--peer", self.folder.name, "--bench",
                   self.path("nibble"), "--rounds", "2", "--json", self.path("out.json"), "--markdown", self.path("out.md"), *more]
        environment = {k: v for k, v in os.environ.items() if k != "LLAMA_LIBS"}
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
        if done.returncode: return done.stdout, None
        with open(self.path("out.json")) as f: return done.stdout, json.load(f)

    def test_a_peer_is_quoted_by_its_best_setting(self):
        said, out = self.run_it("--engine", "llama", "new", "ik")
        for engine in ("llama", "new", "ik"):
            self.assertEqual(out["settings"][engine], {"prompt": "no-flash", "decode": "flash"})
            self.assertEqual(out["ratios"][engine]["prompt"]["median"], 100 / 80)
            self.assertEqual(out["ratios"][engine]["decode"]["median"], 2)
            self.assertEqual(out["medians"][engine]["prompt_tps"]["median"], 80)
        self.assertEqual(len(out["rounds"]), 2)
        self.assertIn("llama no-flash", said)

    def test_settings_that_a_peer_does_not_have_are_left_out(self):
        _, out = self.run_it("--engine", "llama", "--kv", "q8_0")
        self.assertEqual(out["settings"]["llama"], {"prompt": "flash", "decode": "flash"})
        _, out = self.run_it("--engine", "ik", "--sequences", "2")
        self.assertEqual(out["settings"]["ik"], {"prompt": "no-flash", "decode": "no-flash"})
        said, out = self.run_it("--engine", "llama", "ik", "--sequences", "2", "--kv", "q8_0")
        self.assertEqual(list(out["ratios"]), ["llama"])
        self.assertIn("ik is left out", said)

    def test_an_instruction_set_is_that_of_both(self):
        _, out = self.run_it("--engine", "llama", "--target", "AVX2")
        self.assertEqual(out["rounds"][0]["nibble"]["target"], "AVX2")
        self.assertEqual(out["rounds"][0]["llama flash"]["libraries"], ["libggml-cpu-haswell.so", "libllama.so"])
        with open(self.path("out.md")) as f: self.assertIn("AVX2; nibble 1 c0ffee, cc; peer llama (libggml-cpu-haswell)", f.read())

    def test_an_instruction_set_that_llama_has_no_library_for_is_an_error(self):
        said, out = self.run_it("--engine", "llama", "--target", "NEON")
        self.assertIsNone(out)
        self.assertIn("leave --engine llama out", said)
        said, out = self.run_it("--engine", "llama", "--target", "SSE4")
        self.assertIsNone(out)
        self.assertIn("has no libggml-cpu-sse42", said)
        self.assertIsNotNone(self.run_it("--engine", "ik", "--target", "NEON")[1])

    def test_a_number_that_measures_nothing_is_refused(self):
        for option, value in (("--rounds", "0"), ("--rounds", "-1"), ("--busy", "-1"), ("--repeat", "0"), ("--threads", "0"), ("--sequences", "x"),
                              ("--chunk", "0"), ("--least-decode", "nan"), ("--least-prompt", "inf"), ("--least-decode", "-1")):
            said = self.refused("compare.py", self.path("model.gguf"), option, value)
            self.assertRegex(said, "argument %s: expected a (whole )?number of [01] or more, found %s$" % (option, value))
        with open(self.path("cases.json"), "w") as f: f.write('[{"busy": -1}]')
        said = self.refused("compare.py", self.path("model.gguf"), "--cases", self.path("cases.json"))
        self.assertIn("expected a busy of 0 or more, found -1", said)

    def test_a_bound_that_nothing_can_miss_is_refused(self):
        own = (self.path("model.gguf"), "--peer", self.folder.name, "--bench", self.path("nibble"), "--least-decode", "0.9")
        for more in (("--engine",), ("--generate", "0"), ("--engine", "ik", "--sequences", "2", "--kv", "q8_0")):
            self.assertIn("--least-decode: no case has tokens for it and a peer beside", self.refused("compare.py", *own, *more))

    def test_a_median_below_the_bound_is_an_error(self):
        said, out = self.run_it("--engine", "llama", "--least-prompt", "1.3")
        self.assertIsNone(out)
        self.assertIn("too slow: prompt beside llama: 1.25, below 1.30", said)
        self.assertIsNotNone(self.run_it("--engine", "llama", "--least-prompt", "1.2", "--least-decode", "2")[1])

    def test_a_file_that_cannot_be_written_is_refused_before_anything_runs(self):
        for option in ("--json", "--markdown"):
            for path, why in ((self.path("nowhere/out"), "there is no folder"), (self.folder.name, "cannot be written"), ("", "expected a name"),
                              (self.path("model.gguf"), "found one that is used already")):
                said = self.refused("compare.py", self.path("model.gguf"), "--peer", self.folder.name, "--bench", self.path("nibble"), option, path)
                self.assertIn(why, said)
        out = self.path("out")
        self.assertIn("found one that is used already", self.refused("compare.py", self.path("model.gguf"), "--json", out, "--markdown", out))
        self.assertIn("there is no file", self.refused("compare.py", self.path("model.gguf"), self.path("other.gguf")))

    def test_a_program_that_prints_no_figures_is_an_error(self):
        for says, found in (("", "nothing"), ("echo no", "no"), ("echo '{\"prompt_tps\": 1}'", '{"prompt_tps": 1}')):
            with open(self.path("other"), "w") as f: f.write("#!/bin/sh\n%s\n" % says)
            os.chmod(self.path("other"), 0o700)
            said = self.refused("compare.py", self.path("model.gguf"), "--engine", "--bench", self.path("other"))
            self.assertIn("expected a line of JSON with prompt_tps, decode_tps", said)
            self.assertTrue(said.endswith("found " + found), said)

    def test_an_empty_instruction_set_is_not_the_best_one(self):
        self.assertIn("argument --target: expected a name", self.refused("compare.py", self.path("model.gguf"), "--target", ""))

    def test_other_scripts_refuse_the_same(self):
        model, ids, nowhere = self.path("model.gguf"), self.path("ids.json"), self.path("nowhere/out.json")
        with open(ids, "w") as f: f.write("[1, 2]")
        with open(self.path("wrong.json"), "w") as f: f.write('{"ids": 1}')
        fidelity = ("fidelity.py", model, "--truth", self.path("llama.py"), "--cache", self.path("cache"), "--bench", "true")
        for arguments, says in ((("weight.py", "--json", nowhere), "there is no folder"), (("weight.py", "--header-mb", "nan"), "expected a number of 0 or more"),
                                (("weight.py", "--cxx", self.path("none")), "No such file"), (("formats.py", "--json", nowhere), "there is no folder"),
                                (("formats.py", "--object", self.path("none")), "there is no file"),
                                ((*fidelity, "--ids", ids, "--json", nowhere), "there is no folder"),
                                ((*fidelity, "--ids", ids, "--json", ids), "used already"), ((*fidelity, "--ids", ids, "--threads", "0"), "expected a whole number"),
                                ((*fidelity, "--ids", self.path("wrong.json")), "expected a list of ids"),
                                ((*fidelity, "--ids", ids, "--check"), "records nothing to check"),
                                ((*fidelity, "--ids", ids, "--reference", model), "it did not write"),
                                (("recipes.py", model, "--ids", ids, "--json", nowhere), "there is no folder|needs numpy"),
                                (("recipes.py", model, "--ids", ids, "--bench", "true"), "it did not write|needs numpy"),
                                (("masks.py", model, "--prefixes", "-1"), "expected a whole number|needs the packages"),
                                (("masks.py", model, "--bench", "true"), "expected a line of JSON|needs the packages"),
                                (("plot.py", self.path("none")), "there is no file|needs matplotlib")):
            self.assertRegex(self.refused(*arguments), says)


if __name__ == "__main__": unittest.main()
