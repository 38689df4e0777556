"""What a driver's process uses: memory, descriptors and threads."""

import threading
from pathlib import Path


def family(process):
    """The process ids of a driver's process and of those that it started."""
    pids = [process.pid]
    for pid in pids:
        try:
            pids += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        except OSError:
            pass
    return pids


def rss_kib(process):
    """The resident memory of a driver's process and those that it started, in KiB."""
    total = 0
    for pid in family(process):
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        total += next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")), 0)
    return total


class Most:
    """The most memory of a process while something runs."""

    def __init__(self, process):
        self.process, self.before, self.most = process, rss_kib(process), 0
        self.over = threading.Event()

    def __enter__(self):
        self.thread = threading.Thread(target=self.look)
        self.thread.start()
        return self

    def look(self):
        while True:
            self.most = max(self.most, rss_kib(self.process))
            if self.over.wait(0.05):
                return

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    @property
    def growth(self):
        return self.most - self.before


def descriptors_and_threads(process):
    """How many of each a driver's process has, and those that it started."""
    descriptors = threads = 0
    for pid in family(process):
        try:
            descriptors += len(list(Path(f"/proc/{pid}/fd").iterdir()))
            threads += len(list(Path(f"/proc/{pid}/task").iterdir()))
        except OSError:
            pass
    return descriptors, threads
