"""The front end: starts a worker, has it compute, leaves a job, and starts another worker where one has crashed.

python front.py [COMMAND OF THE WORKER…]
"""

import subprocess
import sys
from pathlib import Path

import simple_ipc

COMMAND = sys.argv[1:] or [sys.executable, str(Path(__file__).with_name("worker.py"))]
SUM = {"job": "sum_of_squares", "to": 1000, "steps": 4}


class Worker:
    """A worker process. It ends with this one, since its standard input does."""

    def __enter__(self):
        self.process = subprocess.Popen(COMMAND, stdin=subprocess.PIPE)
        return self

    def run(self, job):
        # The first job may come before the worker listens.
        return simple_ipc.post_uds_stream("worker", job, wait=60)

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()


def show(items):
    for item in items:
        if "progress" in item:
            print(f"{item['progress']} %")
        else:
            print(f"result {item['result']}")


with Worker() as worker:
    show(worker.run(SUM))

    with worker.run({"job": "endless"}) as items:
        next(items)
    # Leaving `with` has told the worker.
    if simple_ipc.post_uds_request("worker", {"job": "was_left"}):
        print("the job that was left has stopped")

    try:
        show(worker.run({"job": "unknown"}))
    except simple_ipc.HandlerFailedError as error:
        print(f"refused: {error.handler_code}")

    try:
        show(worker.run({"job": "crash"}))
    except simple_ipc.ConnectionLostError as error:
        print(f"the worker crashed: {error.code}")

with Worker() as worker:
    show(worker.run(SUM))
