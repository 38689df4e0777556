"""A log is followed as it is written, until its reader has seen enough."""

import asyncio
import tempfile
from pathlib import Path

from simple_ipc import aio


async def follow(path):
    with open(path) as log:
        try:
            while True:
                line = log.readline()
                if line.endswith("\n"):
                    yield line.rstrip("\n")
                else:
                    log.seek(log.tell() - len(line))
                    await asyncio.sleep(0.01)
        finally:
            print("the log is no longer followed")


async def main():
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "log")
        path.write_text("started\n")
        async with aio.listen_uds_request("follow_a_log", follow):
            async for line in aio.post_uds_stream("follow_a_log", str(path)):
                print(line)
                if line == "started":
                    with path.open("a") as log:
                        log.write("working\nstopped\n")
                if line == "stopped":
                    break  # the handler is told at once


asyncio.run(main())
