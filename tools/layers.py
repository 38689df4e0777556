#!/usr/bin/env python3
"""Checks which file imports which: layers import downwards only, and no files import each other in a circle.

    tools/layers.py                fails where a rule is broken, and names the files
    tools/layers.py --edges FILE   prints what FILE imports and who imports it: core/src/server/accept.rs

Looked at are `core/src`, with the layers below, and the Node add-on, for circles alone. A name that is re-exported
counts as an import of the file that defines it; tests count for nothing.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Each layer of core and what it may import besides itself. A layer is made of files and folders directly in core/src.
LAYERS = {
    "values": ("lock sync error failure channel message methods mode peer counters inspection report event passed trace", ""),
    "os": ("os", "values"),
    # What holds a descriptor or the name of a file system, and so stands above `os`.
    "settings": ("options cancellation interrupt background log", "values os"),
    "protocol": ("protocol", "values"),
    "session": ("session", "values os settings protocol"),
    "client": ("client", "values os settings protocol session"),
    "server": ("server", "values os settings protocol session"),
    "calls": ("event_loop", "values os settings protocol session client"),
    "surface": ("lib surface task blocking", "values os settings protocol session client server calls"),
}

DEFINES = re.compile(
    r"\b(?:fn|struct|enum|union|trait|type|const|static|mod)\s+(?:mut\s+)?([A-Za-z_]\w*)|macro_rules!\s*([A-Za-z_]\w*)"
)


def without_comments_and_texts(source):
    """The code alone. Texts go, too: a path in one is no import."""
    parts = re.compile(
        r"//[^\n]*|/\*.*?\*/|\bb?r(#*)\"(?:.*?)\"\1|\bb?\"(?:\\.|[^\"\\])*\"|b?'(?:\\.[^']*|[^'\\])'", re.DOTALL
    )
    return parts.sub(lambda found: '""' if found.group()[0] != "/" else " ", source)


def block_end(code, start):
    """Where the braces that open at or after `start` are closed."""
    depth = 0
    for place in range(code.index("{", start), len(code)):
        depth += {"{": 1, "}": -1}.get(code[place], 0)
        if depth == 0:
            return place + 1
    return len(code)


def without_tests(code):
    """Neither the modules that are for tests alone, nor the names of their files."""
    tests = re.compile(
        r"#\[cfg\((?:test|any\(test, fuzzing\)|doctest|all\(test[^]]*)\)\]\s*"
        r"(?:#\[[^\]]*\]\s*)*(?:pub(?:\([a-z ]+\))?\s+)?"
    )
    while found := tests.search(code):
        item = re.compile(r"[^;{]*").match(code, found.end())
        end = block_end(code, item.end()) if code[item.end() : item.end() + 1] == "{" else item.end() + 1
        code = code[: found.start()] + code[end:]
    return code


def split_list(text):
    """The parts between commas that stand in no braces."""
    parts, depth, begin = [], 0, 0
    for place, letter in enumerate(text):
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            parts.append(text[begin:place])
            begin = place + 1
    return [part for part in [*parts, text[begin:]] if part]


def paths_of(tree, before=()):
    """`a::{b, c::d as e}` as pairs of a path and the name that it gets here."""
    tree = tree.strip()
    if tree.startswith("{"):
        return [pair for part in split_list(tree[1:-1].strip()) for pair in paths_of(part, before)]
    head, colons, rest = tree.partition("::")
    if colons and "{" not in head:
        return paths_of(rest, (*before, head.strip()))
    name, _, other = (word.strip() for word in tree.partition(" as "))
    path = before if name == "self" else (*before, name)
    return [(path, other or path[-1])] if path else []


class Crate:
    """The files of a crate by the paths of their modules."""

    def __init__(self, root):
        self.root = root
        self.files = {}  # module path -> file
        self.code = {}  # file -> its code
        self.inner = {}  # modules that stand inside a file, which is theirs
        self.exports = {}  # module path -> name -> path
        self.globs = {}  # module path -> paths
        self.uses = {}  # module path -> paths
        self.defines = {}
        self.load((), root / "lib.rs")

    def load(self, module, file):
        code = without_tests(without_comments_and_texts(file.read_text()))
        self.files[module], self.code[file] = file, code
        self.exports[module], self.globs[module], self.uses[module] = {}, [], []
        for found in re.finditer(r"\b(pub(?:\([a-z :]+\))?\s+)?use\s+([^;]+);", code):
            for path, name in paths_of(" ".join(found.group(2).split())):
                if found.group(1) and name == "*":
                    self.globs[module].append(path[:-1])
                elif found.group(1):
                    self.exports[module][name] = path
                else:
                    self.uses[module].append(path[:-1] if name == "*" else path)
        rest = re.sub(r"\buse\s+[^;]+;", "", code)
        for found in re.finditer(r"\b(?:crate|super|self)(?:::[A-Za-z_]\w*)+", rest):
            self.uses[module].append(tuple(found.group().split("::")))
        self.defines[module] = {name for names in DEFINES.findall(rest) for name in names if name}
        folder = file.parent if file.name in ("mod.rs", "lib.rs") else file.with_suffix("")
        pattern = r"(?:#\[path = \"\"\]\s*)?\bmod\s+([a-z_]\w*)\s*;"
        for found in re.finditer(pattern, code):
            name = found.group(1)
            places = [folder / f"{name}.rs", folder / name / "mod.rs", *self.named_by_path(file, name)]
            for place in places:
                if place.is_file():
                    self.load((*module, name), place)
                    break

    def named_by_path(self, file, name):
        found = re.search(rf'#\[path = "([^"]+)"\]\s*(?:pub(?:\([a-z ]+\))?\s+)?mod\s+{name}\s*;', file.read_text())
        return [file.parent / found.group(1)] if found else []

    def absolute(self, module, path):
        """The path from the crate's root, or `None` for another crate's."""
        path = list(path)
        if path[0] == "crate":
            return tuple(path[1:])
        if path[0] == "self":
            return (*module, *path[1:])
        here = list(module)
        if path[0] == "super":
            while path and path[0] == "super":
                here, path = here[:-1], path[1:]
            return (*here, *path)
        # A child of this module; anything else is another crate, or a name of this file.
        return (*module, *path) if (*module, path[0]) in self.files else None

    def file_of(self, path, seen=frozenset()):
        """The file that defines what a path from the root names."""
        module, rest = (), path
        if path in seen:
            return self.files[()]
        seen = seen | {path}
        while rest:
            if (*module, rest[0]) in self.files:
                module, rest = (*module, rest[0]), rest[1:]
            elif rest[0] in self.exports[module]:
                there = self.absolute(module, self.exports[module][rest[0]])
                return self.file_of((*there, *rest[1:]), seen) if there else self.files[module]
            elif rest[0] not in self.defines[module]:
                for glob in self.globs[module]:
                    there = self.absolute(module, glob)
                    if there and self.knows(there, rest[0]):
                        return self.file_of((*there, *rest), seen)
                break
            else:
                break
        return self.files[module]

    def knows(self, module, name):
        return module in self.files and (
            name in self.defines[module] or name in self.exports[module] or (*module, name) in self.files
        )

    def imports(self):
        """Each file with the files that it imports."""
        edges = {file: set() for file in self.files.values()}
        for module, file in self.files.items():
            for path in self.uses[module]:
                there = self.absolute(module, path)
                if there is not None and (imported := self.file_of(there)) != file:
                    edges[file].add(imported)
        return edges


def circles(edges):
    """The largest sets of files each of which reaches all others (Tarjan's algorithm)."""
    number, low, stack, found = {}, {}, [], []

    def visit(file):
        number[file] = low[file] = len(number)
        stack.append(file)
        for imported in sorted(edges[file]):
            if imported not in number:
                visit(imported)
                low[file] = min(low[file], low[imported])
            elif imported in stack:
                low[file] = min(low[file], number[imported])
        if low[file] == number[file]:
            members = set()
            while file not in members:
                members.add(stack.pop())
            if len(members) > 1:
                found.append(members)

    for file in sorted(edges):
        if file not in number:
            visit(file)
    return found


def layer_of(root, file):
    name = file.relative_to(root).parts[0].removesuffix(".rs")
    for layer, (members, _) in LAYERS.items():
        if name in members.split():
            return layer
    return None


def main():
    sys.setrecursionlimit(10_000)
    crates = {root: Crate(ROOT / root) for root in ("core/src", "bindings/node/src")}
    edges = {root: crate.imports() for root, crate in crates.items()}

    def short(file):
        return str(file.relative_to(ROOT))

    if sys.argv[1:2] == ["--edges"]:
        wanted = (ROOT / " ".join(sys.argv[2:])).resolve()
        if not any(wanted in importers for importers in edges.values()):
            print(f'layers: "{" ".join(sys.argv[2:])}" is no file that is looked at: name one of {" or ".join(crates)}', file=sys.stderr)
            return 2
        for importers in edges.values():
            for imported in sorted(importers.get(wanted, ())):
                print(f"imports      {short(imported)}")
            for file in sorted(file for file, them in importers.items() if wanted in them):
                print(f"imported by  {short(file)}")
        return 0

    if sys.argv[1:]:
        print(f"layers: unknown argument {sys.argv[1]}; it takes nothing, or --edges FILE", file=sys.stderr)
        return 2

    wrong = []
    for importers in edges.values():
        for members in circles(importers):
            inside = "".join(
                f"\n    {short(file)} -> {' '.join(sorted(short(other) for other in importers[file] & members))}"
                for file in sorted(members)
            )
            wrong.append(f"these files import each other in a circle:{inside}")
    root, importers = ROOT / "core/src", edges["core/src"]
    for file in sorted(importers):
        layer = layer_of(root, file)
        if layer is None:
            wrong.append(f"{short(file)} is in no layer: name it in tools/layers.py")
            continue
        allowed = {layer, *LAYERS[layer][1].split()}
        for imported in sorted(importers[file]):
            if layer_of(root, imported) in {None, *allowed}:
                continue
            may = ", ".join(sorted(allowed - {layer})) or "nothing else"
            wrong.append(f'{short(file)} imports {short(imported)}: "{layer}" may import {may}')
    for line in wrong:
        print(f"layers: {line}", file=sys.stderr)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
