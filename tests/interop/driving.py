"""A driver as a process: what it is told, what it says, and how it ends."""

import contextlib
import os
import queue
import signal
import subprocess
import tempfile
import threading

from measuring import family

# A watchdog for each answer of a driver, far beyond what any takes. Slow is not failed.
HANG_SECONDS = float(os.environ.get("HANG_SECONDS", 120))


class Failed(Exception):
    """A case that went wrong."""


class Driver:
    """A process of an implementation, in one role."""

    def __init__(self, implementation, *arguments):
        self.implementation = implementation
        self.prefix = prefix_of(implementation)
        #: Of a publisher: by address, the last value of each topic.
        self.retained = {}
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [*map(str, implementation.command), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self.errors, text=True, encoding="utf-8", errors="surrogateescape",
            env={**os.environ, **implementation.environment})
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.ready = self.expect("ready")

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n").split("\t"))
        self.lines.put(None)

    def tell(self, *fields):
        try:
            self.process.stdin.write("\t".join(fields) + "\n")
            self.process.stdin.flush()
        except OSError:
            raise Failed(self.last_words()) from None

    def next(self):
        try:
            line = self.lines.get(timeout=HANG_SECONDS)
        except queue.Empty:
            raise Failed(f"{self.implementation.name} said nothing for {HANG_SECONDS} s") from None
        if line is None:
            self.lines.put(None)
            raise Failed(self.last_words())
        return line

    def expect(self, event):
        line = self.next()
        if line[0] != event:
            raise Failed(f"{self.implementation.name} said {' '.join(line)[:200]!r}, not {event}")
        return line[1:]

    def last_words(self):
        self.process.wait(HANG_SECONDS)
        self.errors.seek(0)
        words = self.errors.read().decode(errors="replace").strip().splitlines()
        return f"{self.implementation.name} ended with {self.process.returncode}: {' '.join(words[-3:])}"

    def has_ended(self):
        return self.process.poll() is not None

    def drain(self):
        """After a case that went wrong, forgets what it left behind."""
        while True:
            try:
                if self.lines.get(timeout=0.5) is None:
                    self.lines.put(None)
                    return
            except queue.Empty:
                return

    def kill(self):
        """Ends it at once, and what it has started, as `kill -9` does."""
        for pid in reversed(family(self.process)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(HANG_SECONDS)

    def close(self):
        """Ends it in order; whether it ended well."""
        self.process.stdin.close()
        try:
            return self.process.wait(HANG_SECONDS) == 0
        except subprocess.TimeoutExpired:
            self.process.kill()
            return False

    def end(self):
        """Ends it, if a case has not."""
        if not self.has_ended():
            self.close()


def prefix_of(implementation):
    return "interop_" + "".join(letter if letter.isalnum() else "_" for letter in implementation.name)


def ok(driver):
    line = driver.next()
    if line[0] != "ok":
        raise Failed(f"{driver.implementation.name} said: {' '.join(line)[:300]}")
    return line[1:]


def ask(driver, *fields):
    driver.tell(*fields)
    return ok(driver)
