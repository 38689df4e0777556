#!/usr/bin/env python3
"""Writes docs/options.md from core/options.json, the one description of every option.

    tools/options.py            writes it
    tools/options.py --check    fails where the page is not what it would write, or where a language does not have an
                                option, has it without a reason not to, or documents another default
"""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TABLE = json.loads((ROOT / "core/options.json").read_text())["options"]
PAGE = ROOT / "docs/options.md"
LANGUAGES = {
    "rust": "Rust", "c": "C", "cpp": "C++", "python": "Python", "node": "JavaScript", "dotnet": ".NET", "command": "the command",
}


def camel(name):
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def pascal(name):
    return "".join(word.capitalize() for word in name.split("_"))


def names(option, language):
    """How an option is called there; none where the language does without it."""
    if language in option.get("not_in", {}):
        return []
    called = option.get("called", {}).get(language)
    if called:
        return [called] if isinstance(called, str) else called
    name = option["name"]
    return [{"node": camel, "dotnet": pascal, "command": lambda n: n.replace("_", "-")}.get(language, str)(name)]


def human(option):
    value, kind = option["default"], option["type"]
    if value is None:
        return ""
    if kind == "flag":
        return "yes" if value else "no"
    if kind == "duration":
        return "0" if value == 0 else f"{value * 1000:g} µs" if value < 1 else f"{value / 1000:g} s"
    if kind == "size":
        return f"{value >> 20} MiB"
    if kind == "mode":
        return f"{value:#o}".replace("0o", "0")
    return f"{value:,}" if kind == "count" else str(value).replace("_", " ")


def documented_defaults(option, language):
    """The forms in which a language's documentation may give the default; empty where there is nothing to hold it to."""
    value, kind = option["default"], option["type"]
    if value is None:
        return []
    if kind == "duration":
        if value == 0:
            return ["0", "not at all", "at once"]
        milliseconds, microseconds, seconds = f"{value:g}", f"{value * 1000:g}", f"{value / 1000:g}"
        of = {"c": [microseconds if value < 1 else milliseconds], "node": [milliseconds], "python": [seconds]}
        return of.get(language, [human(option)])
    if kind == "mode":
        return ["0600", "0o600"]
    if kind == "flag":
        return ["yes", "true"] if value else ["no", "false", "off"]
    if kind == "choice":
        return [value, value.replace("_", "-"), value.replace("_", " "), pascal(value), value.replace(".", "_").upper(), value.replace("v", "V").replace(".", "_")]
    return [human(option), str(value)]


def comment_above(text, declaration, mark):
    """The lines of comment right above a declaration, as one line of words."""
    found = re.search(declaration, text, re.MULTILINE)
    if not found:
        return None
    lines = text[: found.start()].splitlines()
    comment = []
    while lines and re.match(rf"\s*({mark}|#\[|\[)", lines[-1]):
        comment.insert(0, lines.pop())
    return " ".join(comment)


def documentation(language, name):
    """What a language says about an option; None where it does not have it."""
    read = lambda file: (ROOT / file).read_text()  # noqa: E731
    if language == "rust":
        return comment_above(read("core/src/options.rs"), rf"^    pub fn {name}\(", "///")
    if language == "c":
        text = read("include/simple_ipc.h")
        found = re.search(rf"/\*\*((?:(?!\*/).)*)\*/\s*sipc_status sipc_options_(?:set_)?{name}(?:_ms|_us)?\(", text, re.DOTALL)
        return found and found.group(1)
    if language == "cpp":
        # Its own documentation is that of the C functions.
        return "" if re.search(rf"\b{name}\(", read("include/simple_ipc.hpp")) else None
    if language == "python":
        found = re.search(rf'^    {name}: [^\n]*\n    """(.*?)"""', read("bindings/python/python/simple_ipc/_options.py"), re.MULTILINE | re.DOTALL)
        return found and found.group(1)
    if language == "node":
        found = re.search(rf"/\*\*((?:(?!\*/).)*)\*/\s*{name}\?:", read("bindings/node/lib/index.d.cts"), re.DOTALL)
        return found and found.group(1)
    if language == "dotnet":
        return comment_above(read("bindings/dotnet/src/IpcOptions.cs"), rf"^        public [^(\n]*\b{name}\b", "///")
    sources = "".join(path.read_text() for path in sorted((ROOT / "cli/src").rglob("*.rs")))
    field = name.replace("-", "_")
    # A field of clap's without a name of its own is called as it is; the default stands beside it, not in its comment.
    declared = re.search(rf"^ +(?:pub(?:\([a-z]+\))? )?{field}: \w", sources, re.MULTILINE) or re.search(rf'long = "{name}"', sources)
    return "" if declared else None


def complaints():
    for option in TABLE:
        for language, title in LANGUAGES.items():
            for name in names(option, language):
                said = documentation(language, name)
                if said is None:
                    yield f"{title} has no option {name}: give it one, or say in core/options.json why not"
                    continue
                words = re.sub(r"[\s/*`]+", " ", said.replace(",", ""))
                wanted = [form.replace(",", "") for form in documented_defaults(option, language)]
                if said and wanted and not any(re.search(rf"(?<![A-Za-z0-9])(?<!\d[.]){re.escape(form)}(?![\w])", words) for form in wanted):
                    if not isinstance(option.get("called", {}).get(language), list):
                        yield f"{title} does not give the default of {name}, {' or '.join(wanted)}: {words.strip()!r}"


def page():
    out = ["# Options", "", "Every option of a call or a listener, with its default and what it may be. The table is made from `core/options.json` by",
           "`tools/options.py`, which also holds the documentation of each language against it.", "",
           "Durations are in each language's own form: `Duration` in Rust, seconds in Python, milliseconds in JavaScript and (as the names of the",
           "functions say) in C, `TimeSpan` in .NET, `5s` or `200ms` for the command.", ""]
    for title, which in (("For posts and clients", "posts"), ("For both sides", "both"), ("For listeners", "listeners"), ("For publishers", "publishers"), ("For subscribers", "subscribers")):
        out += [f"## {title}", "", "| option | default | may be | |", "|---|---|---|---|"]
        for option in TABLE:
            if option["for"] == which:
                out.append(f"| `{option['name']}` | {human(option)} | {option['range']} | {option['says']} |")
        out.append("")
    out += ["## Names", "", "A dash: the language does without it, for the reason below the table.", "",
            "| " + " | ".join(["option", *LANGUAGES.values()]) + " |", "|---" * (len(LANGUAGES) + 1) + "|"]
    for option in TABLE:
        cells = [", ".join(f"`{'--' if language == 'command' else ''}{name}`" for name in names(option, language)) or "–" for language in LANGUAGES]
        out.append("| " + " | ".join([f"`{option['name']}`", *cells]) + " |")
    out.append("")
    for option in TABLE:
        for language, why in option.get("not_in", {}).items():
            out.append(f"- `{option['name']}`, {LANGUAGES[language]}: {why}.")
    out += ["", "C: the functions are called `sipc_options_set_` and the name, with `_ms` or `_us` behind a duration, and `sipc_options_allow_…`."]
    return "\n".join(out) + "\n"


def main():
    if sys.argv[1:] != ["--check"]:
        PAGE.write_text(page())
        return
    wrong = list(complaints())
    if not PAGE.exists() or PAGE.read_text() != page():
        wrong.append("docs/options.md is not what core/options.json gives: run tools/options.py")
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
