"""A page in a real browser tries to reach a TCP channel, in every way that a page has."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
COMMAND = str(Path(os.environ.get("RELEASE_DIR") or ROOT / "target/release") / "simple-ipc")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
#: Far beyond what any call here takes.
WATCHDOG = 120
#: As root there is no sandbox; nothing is looked up outside this machine.
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]

#: Tries each way on each port, and reports what became of it. `no-cors` takes any answer at all, if only there is one.
PAGE = """<!doctype html><meta charset="utf-8"><script>
const outcome = promise => promise.then(() => "answered", () => "failed");
const event = (target, good, bad) => outcome(new Promise((resolve, reject) => {
    target.addEventListener(good, resolve);
    target.addEventListener(bad, reject);
}));
const post = (url, body, more) => outcome(fetch(url, { method: "POST", mode: "no-cors", body, ...more }));
const image = url => { const it = new Image(); const done = event(it, "load", "error"); it.src = url; return done; };
const attempts = {
    get: port => outcome(fetch(`http://127.0.0.1:${port}/`, { mode: "no-cors" })),
    preflight: port => outcome(fetch(`http://127.0.0.1:${port}/`, { method: "PUT", body: "x", headers: { "x-a": "b" } })),
    text: port => post(`http://127.0.0.1:${port}/`, "\\n\\"hey\\"\\n"),
    deno: port => post(`http://127.0.0.1:${port}/`, new Uint8Array([0, 34, 104, 34])),
    native: port => post(`http://127.0.0.1:${port}/`, new Uint8Array([0xf5, 0x53, 0x49, 0x50, 1, 1, 0, 0])),
    encrypted: port => post(`https://127.0.0.1:${port}/`, "hey"),
    socket: port => event(new WebSocket(`ws://127.0.0.1:${port}/`), "open", "error"),
    encryptedSocket: port => event(new WebSocket(`wss://127.0.0.1:${port}/`), "open", "error"),
    image: port => image(`http://127.0.0.1:${port}/x.png`),
};
(async () => {
    const results = {};
    for (const port of PORTS) {
        results[port] = {};
        for (const [name, attempt] of Object.entries(attempts)) results[port][name] = await attempt(port);
        navigator.sendBeacon(`http://127.0.0.1:${port}/`, "hey");
    }
    await fetch("/done", { method: "POST", body: JSON.stringify(results) });
})();
</script>"""


def setUpModule():
    if not CHROMIUM and not os.environ.get("CI"):
        raise unittest.SkipTest("left out: a page in a browser needs chromium")


class Control:
    """A port that notes what comes first on each connection, and answers HTTP."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.firsts = []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection:
            first = connection.recv(65536)
            if first:
                self.firsts.append(first)
            if b" HTTP/1.1\r\n" in first:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


class PagesTest(unittest.TestCase):
    def serve_page(self, ports):
        done = threading.Event()
        results = {}

        class Site(BaseHTTPRequestHandler):
            def do_GET(self):
                self.answer(PAGE.replace("PORTS", json.dumps(ports)).encode())

            def do_POST(self):
                results.update(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.answer(b"")
                done.set()

            def answer(self, body):
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        site = ThreadingHTTPServer(("127.0.0.1", 0), Site)
        threading.Thread(target=site.serve_forever, daemon=True).start()
        self.addCleanup(site.server_close)
        self.addCleanup(site.shutdown)
        return site.server_address[1], done, results

    def test_no_way_that_a_page_has_reaches_a_handler_or_gets_an_answer(self):
        scratch = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.addCleanup(scratch.cleanup)
        environment = {**os.environ, "SIMPLE_IPC_DIR": scratch.name}
        listener = subprocess.Popen([COMMAND, "listen", ":0", "--echo"], env=environment, text=True,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(listener.kill)
        port = int(re.search(r":(\d+)", listener.stderr.readline()).group(1))
        control = Control()
        self.addCleanup(control.socket.close)

        address, done, results = self.serve_page([port, control.port])
        browser = subprocess.Popen([CHROMIUM, *FLAGS, f"--user-data-dir={scratch.name}/profile",
                                    f"http://127.0.0.1:{address}/"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            self.assertTrue(done.wait(WATCHDOG), "the page did not report")
        finally:
            os.killpg(browser.pid, signal.SIGKILL)
            browser.wait()

        outcomes, controls = results[str(port)], results[str(control.port)]
        self.assertEqual(set(outcomes.values()), {"failed"}, outcomes)
        # The same page does reach a port that answers: what failed above failed because of the listener.
        for name in ("get", "text", "deno", "native"):
            self.assertEqual(controls[name], "answered", controls)
        firsts = b"".join(first[:60] for first in control.firsts)
        for expected in (b"GET /", b"POST /", b"OPTIONS /", b"\x16\x03", b"GET /x.png"):
            self.assertIn(expected, firsts)

        # A friend is served all the same, and hers is the only message there was.
        reply = subprocess.run([COMMAND, "post", f":{port}", "1"], capture_output=True, text=True, env=environment,
                               timeout=WATCHDOG)
        self.assertEqual(reply.stdout, "1\n", reply.stderr)
        listener.terminate()
        messages, _ = listener.communicate(timeout=WATCHDOG)
        self.assertEqual(messages, "1\n")


if __name__ == "__main__":
    unittest.main()
