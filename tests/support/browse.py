"""Opens the page of examples/web in Chromium without a window, presses its button, and compares what it writes: browse.py FOLDER EXPECTED"""
import functools
import http.server
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading

# Stands behind the page that the browser gets: presses the button as soon as it may be, and sends home what the page says then.
OBSERVER = b"""
<script>
  const wait = setInterval(() => {
    const status = of("status").textContent;
    if (!of("go").disabled && status.startsWith("ready")) of("go").click();
    if (status.includes("tokens/s") || !/ready|loading/.test(status)) {
      clearInterval(wait);
      fetch("said", {method: "POST", body: status + "\\n" + of("text").textContent});
    }
  }, 50);
</script>
"""


class handler(http.server.SimpleHTTPRequestHandler):
    said, came = "", threading.Event()
    extensions_map = {**http.server.SimpleHTTPRequestHandler.extensions_map, ".wasm": "application/wasm"}

    def do_GET(self):
        if self.path != "/": return super().do_GET()
        page = (pathlib.Path(self.directory) / "index.html").read_bytes() + OBSERVER
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(page)

    def do_POST(self):
        handler.said = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.send_response(204)
        self.end_headers()
        handler.came.set()

    def log_message(self, *_): pass


def main(folder, expected):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as profile:
        browser = subprocess.Popen([shutil.which("chromium"), "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir=" + profile,
                                    "http://127.0.0.1:%d/" % server.server_port], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        handler.came.wait(120)
        browser.terminate()
        browser.wait()
    status, _, text = handler.said.partition("\n")
    wanted = "The capital of France is" + pathlib.Path(expected).read_text()
    if text.strip() != wanted.strip():
        sys.exit("the page says: %s\nexpected: %s" % (handler.said or "nothing", wanted))
    print("in a browser: the same text, " + status)


main(*sys.argv[1:])
