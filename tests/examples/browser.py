"""A page in headless Chromium, told what to do over a pair of pipes."""

import itertools
import json
import os
import shutil
import subprocess
import tempfile

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--remote-debugging-pipe",
]  # fmt: skip


class Browser:
    """The browser reads commands on descriptor 3 and answers on 4, each message with a zero byte behind it."""

    def __init__(self):
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        commands, self.commands = os.pipe()
        self.answers, answers = os.pipe()
        shell = f'exec "$@" 3<&{commands} 4>&{answers}'
        self.process = subprocess.Popen(
            ["bash", "-c", shell, "browser", CHROMIUM, *FLAGS, f"--user-data-dir={self.profile.name}"],
            pass_fds=(commands, answers), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(commands)
        os.close(answers)
        self.numbers = itertools.count(1)
        self.received = b""
        self.session = None

    def ask(self, method, **parameters):
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        while True:
            text, zero, rest = self.received.partition(b"\0")
            if not zero:
                piece = os.read(self.answers, 65536)
                if not piece:
                    raise RuntimeError("the browser has ended")
                self.received += piece
                continue
            self.received = rest
            answer = json.loads(text)
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def open(self, address):
        target = self.ask("Target.createTarget", url=address)["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def run(self, script):
        """What a script in the page gives, awaited where it is a promise."""
        result = self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(str(result["exceptionDetails"]))
        return result["result"].get("value")

    def until(self, condition):
        """Waits in the page until the condition holds."""
        script = (
            f"new Promise((resolve) => {{ const look = () => {{ try {{ if ({condition}) return resolve(); }} catch {{}} "
            "setTimeout(look, 20); }; look(); })"
        )
        while True:
            try:
                return self.run(script)
            except RuntimeError as error:
                # The empty page of a new tab was just replaced by the one that was opened.
                if "context was destroyed" not in str(error):
                    raise

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.commands)
        os.close(self.answers)
        self.profile.cleanup()
