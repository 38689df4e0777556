"""The worker: computes what it is asked to, says how far it is, stops when nobody waits any more.

Ends with the process that started it, since its standard input ends then.
"""

import os
import sys
import threading

import simple_ipc

left = threading.Event()


def sum_of_squares(to, steps):
    total = 0
    for step in range(1, steps + 1):
        total += sum(number * number for number in range(to * (step - 1) // steps + 1, to * step // steps + 1))
        yield {"progress": 100 * step // steps}
    yield {"result": total}


def endless():
    try:
        while True:
            yield {"progress": 0}
    finally:
        # The caller has left its loop, or is gone: what the job holds is given back here.
        left.set()


def handle(job):
    match job:
        case {"job": "sum_of_squares", "to": int(to), "steps": int(steps)} if steps > 0:
            return sum_of_squares(to, steps)
        case {"job": "endless"}:
            return endless()
        case {"job": "was_left"}:
            left.wait()
            return True
        case {"job": "crash"}:
            os._exit(70)
        case _:
            raise simple_ipc.HandlerError(f"no such job: {job}", code="no_such_job")


with simple_ipc.listen_uds_request(sys.argv[1] if len(sys.argv) > 1 else "worker", handle):
    sys.stdin.read()
