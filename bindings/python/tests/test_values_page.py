"""docs/values.md says what each kind of value becomes; this holds its column for Python."""

import array
import dataclasses
import datetime
import decimal
import enum
import math
import re
import uuid
from pathlib import Path

import pytest
import simple_ipc
from simple_ipc import _native

PAGE = Path(__file__).resolve().parents[3] / "docs" / "values.md"


class Color(enum.Enum):
    DARK_BLUE = 1


@dataclasses.dataclass
class Item:
    name: str = "a"
    count: int = 2


async def coroutine():
    return 1


not_awaited = coroutine()
not_awaited.close()
circle: list = []
circle.append(circle)

# A value of each kind; what Python has none of is left out.
VALUES = {
    "nothing: `None`, `null`, `()`": None,
    "truth": True,
    "text": "a\1",
    "half of a surrogate pair": "\ud800",
    "whole number": -7,
    "whole number beyond 2^53 (JavaScript: `BigInt`)": 2**53 + 1,
    "number with a fraction": 0.1,
    "floating-point number without a fraction": 1.0,
    "negative zero": -0.0,
    "NaN": math.nan,
    "infinity": math.inf,
    "list": [1, []],
    "object, dictionary": {"a": 1, "b": {}},
    "keys that are numbers": {1: 2},
    "tuple": (1, 2),
    "set": {1},
    "bytes alone": b"\0\xff",
    "bytes inside JSON": [b"\0\xff"],
    "array of numbers of one type": array.array("i", [1, 2]),
    "date and time": datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC),
    "enum": Color.DARK_BLUE,
    "decimal": decimal.Decimal("1.10"),
    "UUID": uuid.UUID(int=1),
    "object of a class or struct with members": Item(),
    "exception": KeyError("x"),
    "not there yet: coroutine, `Promise`, `Task`": not_awaited,
    "function": print,
    "regular expression": re.compile("x"),
    "value that contains itself": circle,
}


def rows():
    table = PAGE.read_text().split("<!-- table -->")[1].split("<!-- end -->")[0]
    titles, _, *lines = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.strip().splitlines()]
    return [(row[0], row[titles.index("Python")]) for row in lines]


@pytest.fixture(scope="module")
def arrived(tmp_path_factory):
    got = []
    directory = tmp_path_factory.mktemp("values")
    with simple_ipc.listen_uds_request("values", lambda data: got.append(data), directory=directory):
        yield lambda value: (simple_ipc.post_uds_request("values", value, directory=directory), got.pop())[1]


@pytest.mark.parametrize(("kind", "cell"), rows(), ids=[kind for kind, _ in rows()])
def test_each_kind_of_value_becomes_what_the_table_of_values_says(arrived, kind, cell):
    if cell == "\N{EN DASH}":
        assert kind not in VALUES
    elif cell == "refused":
        for value in (VALUES[kind], {"items": [VALUES[kind]]}):
            with pytest.raises(simple_ipc.InvalidJsonError):
                arrived(value)
    elif cell == "kept bytes":
        assert arrived(VALUES[kind]) == VALUES[kind]
    else:
        text = re.fullmatch("(?:kept|becomes) `(.*)`", cell).group(1)
        # `_native.encode` is what a post sends.
        sent = _native.encode(VALUES[kind])
        assert (sent if isinstance(sent, str) else bytes(sent).decode()) == text
        assert repr(arrived(VALUES[kind])) == repr(_native.decode(text))
