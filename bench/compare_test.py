"""Tests compare.py with engines that are scripts: python3 compare_test.py"""
import json, os, subprocess, sys, tempfile, unittest

HERE = os.path.dirname(os.path.abspath(__file__))
NIBBLE = """#!%s
import json, sys
a = sys.argv
print(json.dumps({"model": a[2], "engine": "nibble 1", "commit": "c0ffee", "compiler": "cc", "cpu": "a CPU", "cores": 2, "kv_mb": 1,
                  "target": a[a.index("--target") + 1] if "--target" in a else "AVX3", "prompt_tps": 100.0, "decode_tps": 50.0}))
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


if __name__ == "__main__": unittest.main()
