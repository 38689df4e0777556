"""Subinterpreters: the package is refused there, and the main interpreter's handlers do not hear of it."""

import pytest

PROGRAM = """
import sys
import {module} as interpreters
import simple_ipc
PATH = {path!r}

def inside():
    # Its own sys.path, as this process has it.
    return "import sys; sys.path[:] = " + repr(PATH) + '''
try:
    import {what}
except ImportError as error:
    print(error)
else:
    print("imported")
'''

with simple_ipc.listen_uds_request("main", lambda data: data + 1):
    for number in range(3):
        interpreter = interpreters.create(isolated=False)
        interpreters.run_string(interpreter, inside())
        interpreters.destroy(interpreter)
        assert simple_ipc.post_uds_request("main", number) == number + 1
        sys.stdout.flush()
print("end")
"""


@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("what", ["simple_ipc", "simple_ipc.aio", "simple_ipc._native"])
def test_a_subinterpreter_is_refused_the_import_and_its_end_stops_no_handler(python, what, first):
    import sys

    module = pytest.importorskip("_xxsubinterpreters", reason="this Python calls its subinterpreters otherwise")
    program = PROGRAM.format(module=module.__name__, path=sys.path, what=what)
    if not first:
        # The main interpreter imports it after a subinterpreter has tried to.
        program = program.replace("import simple_ipc\nPATH", "PATH", 1).replace(
            "with simple_ipc.", "early = interpreters.create(isolated=False)\n"
            "interpreters.run_string(early, inside())\ninterpreters.destroy(early)\n"
            "sys.stdout.flush()\nimport simple_ipc\nwith simple_ipc.", 1
        )  # fmt: skip
    lines = python(program).splitlines()
    assert lines.pop() == "end"
    assert len(lines) == (3 if first else 4)
    for line in lines:
        assert "cannot be imported in a subinterpreter" in line
