"""One form for values, whichever language they come from, so that two can be compared.

A driver gives a value as its language's user holds it (`value:` and a description), as JSON text where its users are
handed text (`json:`), as bytes (`bytes:LENGTH:good`, where good says that they count 0 to 250 over and over), or as JSON text
with such bytes (`attached:LENGTH:good:TEXT`).
"""

import json

MINUS_ZERO = ("number", "-0")


def number(text):
    """Numbers that are equal become equal; integers are exact, however large."""
    if text.lstrip("-").isdecimal():
        value = int(text)
        return MINUS_ZERO if value == 0 and text.startswith("-") else ("number", str(value))
    value = float(text)
    if value == 0 and text.startswith("-"):
        return MINUS_ZERO
    return ("number", str(int(value)) if value.is_integer() else repr(value))


def from_json(text):
    class Number(str):
        pass

    def walk(value):
        if isinstance(value, Number):
            return number(value)
        if isinstance(value, str):
            return ("string", value)
        if isinstance(value, list):
            return ("array", tuple(map(walk, value)))
        if isinstance(value, dict):
            return ("object", tuple(sorted((key, walk(item)) for key, item in value.items())))
        return ("constant", value)

    return walk(json.loads(text, parse_int=Number, parse_float=Number))


def from_description(value):
    if not isinstance(value, dict):
        return ("constant", value)
    [(kind, content)] = value.items()
    if kind == "s":
        return ("string", _string(content))
    if kind == "n":
        return number(content)
    if kind == "a":
        return ("array", tuple(map(from_description, content)))
    return ("object", tuple(sorted((_string(key), from_description(item)) for key, item in content)))


def parse(field):
    """What a driver printed."""
    form, _, rest = field.partition(":")
    if form == "bytes":
        length, _, verdict = rest.partition(":")
        return ("bytes", int(length), verdict)
    if form == "attached":
        length, verdict, text = rest.split(":", 2)
        return ("attached", int(length), verdict, from_json(text))
    return from_json(rest) if form == "json" else from_description(json.loads(rest))


def is_attached(case):
    return "bytes" in case and "json" in case


def of_case(case):
    if is_attached(case):
        return ("attached", case["bytes"], "good", from_json(case["json"]))
    return ("bytes", case["bytes"], "good") if "bytes" in case else from_json(case["json"])


def command(case, form):
    """A case's value as a driver takes it."""
    if is_attached(case):
        return f"attached:{case['bytes']}:{case['json']}"
    if "bytes" in case:
        return f"bytes:{case['bytes']}"
    if form == "json":
        return f"json:{case['json']}"
    return "value:" + json.dumps(_describe(json.loads(case["json"], parse_int=_Text, parse_float=_Text)))


class _Text(str):
    pass


def _describe(value):
    if isinstance(value, _Text):
        return {"n": str(value)}
    if isinstance(value, str):
        return {"s": _units(value)}
    if isinstance(value, list):
        return {"a": [_describe(item) for item in value]}
    if isinstance(value, dict):
        return {"o": [[_units(key), _describe(item)] for key, item in value.items()]}
    return value


def _units(text):
    return text.encode("utf-16-be", "surrogatepass").hex()


def _string(units):
    return bytes.fromhex(units).decode("utf-16-be", "surrogatepass")
