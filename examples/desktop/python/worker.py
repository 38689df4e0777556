"""The worker of a desktop program: filters pictures with numpy, and says how far it is.

Ends with the program that started it, since its standard input ends then.
"""

import sys

import numpy
import simple_ipc


def blur(picture, times):
    """The mean of each point and its eight neighbours, so many times; the percentage done after each."""
    for done in range(1, times + 1):
        moved = [numpy.roll(picture, (down, right), (0, 1)) for down in (-1, 0, 1) for right in (-1, 0, 1)]
        picture = sum(moved) / 9
        yield 100 * done // times, picture


def handle(given):
    # What the picture is, and its points beside it as bytes: they are no JSON and no base64.
    task, points = given.value, given.data
    rows, columns = task["shape"]
    if task["type"] != "uint8":
        raise simple_ipc.HandlerError(f"pictures are of uint8, not {task['type']}", code="wrong_type")
    if len(points) != rows * columns:
        raise simple_ipc.HandlerError(f"{rows} x {columns} points are due, {len(points)} came", code="wrong_shape")
    picture = numpy.frombuffer(points, dtype=numpy.uint8).reshape(rows, columns).astype(float)
    for progress, step in blur(picture, task["times"]):
        picture = step
        # Leaving its loop, or closing its window, stops the work here.
        yield {"progress": progress}
    result = picture.round().astype(numpy.uint8)
    about = {"shape": list(result.shape), "type": str(result.dtype), "mean": round(float(result.mean()), 2)}
    yield simple_ipc.Attached(about, result)


with simple_ipc.listen_uds_request("pictures", handle):
    sys.stdin.read()
