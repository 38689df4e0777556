#!/usr/bin/env python3
"""Two directories stand for two machines, with a NATS server between them that speaks TLS and knows two users: `make demo-bridge`.

Machine `a` has a shop, which takes requests, and a board, which takes broadcasts; machine `b` calls them by their names. What
was said to whom is printed as a table. STAGE is where the library is installed; the bridge is built before.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
COMMAND = Path(os.environ["STAGE"], "bin/simple-ipc")
BRIDGE = ROOT / "bridge/target/debug/simple-ipc-bridge"
PATIENCE = 60

USERS = """
authorization {{ users = [
  {{ user: a, password: of_a, permissions: {{
      subscribe: ["sipc.*.shop sipc", "sipc.*.shop", "sipc.*.board sipc", "sipc.*.board", "_INBOX.>"], publish: ["_INBOX.>"] }} }}
  {{ user: b, password: of_b, permissions: {{
      subscribe: ["_INBOX.>"], publish: ["sipc.*.shop", "sipc.*.board", "_INBOX.>"] }} }} ] }}
tls {{ cert_file: "{0}/server.pem", key_file: "{0}/server.key" }}
"""


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, stdin=subprocess.DEVNULL, capture_output=True)


def certificates(folder):
    """An authority, and the server's certificate by it."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl(folder, "req", "-x509", *key, "-days", "2", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=demo")
    openssl(folder, "req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=server")
    Path(folder, "names").write_text("subjectAltName=IP:127.0.0.1\n")
    openssl(folder, "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "2", "-extfile", "names", "-out", "server.pem")


def until(what, look):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with contextlib.suppress(OSError, ValueError, KeyError):
            if found := look():
                return found
        time.sleep(0.01)
    sys.exit(f"demo: waited {PATIENCE} s in vain for {what}")


def main():
    nats = subprocess.run([ROOT / "tools/nats.sh"], check=True, capture_output=True, text=True).stdout.strip()
    said = []
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bridge_demo_"))
        machines = {}
        for name in ("a", "b"):
            machines[name] = stack.enter_context(tempfile.TemporaryDirectory(prefix=f"machine_{name}_"))
            Path(folder, f"{name}.password").write_text(f"of_{name}\n")

        def start(*command, **more):
            process = subprocess.Popen([*map(str, command)], stdin=subprocess.DEVNULL, **more)
            stack.callback(process.wait)
            stack.callback(process.terminate)
            return process

        def run(machine, *arguments):
            command = [COMMAND, "--dir", machines[machine], *arguments]
            ended = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=PATIENCE)
            return ended.returncode, (ended.stdout or ended.stderr).strip()

        certificates(folder)
        Path(folder, "nats.conf").write_text(USERS.format(folder))
        server = start(nats, "-a", "127.0.0.1", "-p", "-1", "-c", f"{folder}/nats.conf", "--ports_file_dir", folder,
                       "-l", f"{folder}/nats.log")
        ports = Path(folder, f"nats-server_{server.pid}.ports")
        port = until("the NATS server", lambda: json.loads(ports.read_text())["nats"][0].rsplit(":", 1)[1])
        url = f"tls://127.0.0.1:{port}"

        board = open(Path(folder, "board.log"), "w+", encoding="utf-8")
        stack.callback(board.close)
        start(COMMAND, "--dir", machines["a"], "listen", "shop", "--exec", "sed", "s/^/sold: /", stdout=subprocess.DEVNULL,
              stderr=subprocess.DEVNULL)
        start(COMMAND, "--dir", machines["a"], "listen", "board", "--broadcast", stdout=board, stderr=subprocess.DEVNULL)
        log = open(Path(folder, "bridges.log"), "ab")
        stack.callback(log.close)
        secrets = {name: ["--user", name, "--password-file", f"{folder}/{name}.password", "--ca", f"{folder}/ca.pem"] for name in machines}
        channels = lambda what: [f"--{what}=shop", f"--{what}=board"]  # noqa: E731
        start(BRIDGE, url, "--dir", machines["a"], *secrets["a"], *channels("export"), stderr=log)
        start(BRIDGE, url, "--dir", machines["b"], *secrets["b"], *channels("import"), stderr=log)
        for channel in ("shop", "board"):
            until(f"the import of {channel}", Path(machines["b"], f".deno.{channel}.socket").exists)

        for text in ("three apples", "a pear"):
            said.append(("b", "shop", text, run("b", "post", "shop", text, "--text", "--timeout", "20s")))
        for text in ("open until noon", "closed"):
            said.append(("b", "board", text, run("b", "post", "board", text, "--text", "--broadcast", "--timeout", "20s")))
        until("the board", lambda: Path(folder, "board.log").read_text(encoding="utf-8").count("\n") == 2)
        heard = Path(folder, "board.log").read_text(encoding="utf-8").split("\n")
        listed = run("b", "ls")[1]
        # Another user of the server: it may not call, and says so.
        intruder = ["--user", "a", "--password-file", f"{folder}/a.password", "--ca", f"{folder}/ca.pem"]
        third = stack.enter_context(tempfile.TemporaryDirectory(prefix="machine_c_"))
        check = subprocess.run([BRIDGE, url, "--dir", third, *intruder, "--import", "shop", "--check"], capture_output=True,
                               text=True, timeout=PATIENCE)

    print(f"{'FROM':6}{'TO':8}{'SAID':20}ANSWER")
    for machine, channel, text, (status, answer) in said:
        answer = answer if status or channel == "shop" else f"heard there: {heard.pop(0)}"
        print(f"{machine:6}{channel:8}{text:20}{answer}")
    print(f"\nsimple-ipc ls, on b:\n{listed}\n\na user who may not call, --check:\n{check.stdout.strip()}")
    wrong = [answer for _, _, _, (status, answer) in said if status] or check.returncode == 0
    print("\ndemo: " + (f"went wrong: {wrong}" if wrong else "all that was said has arrived"))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
