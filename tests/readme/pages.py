"""The blocks of the pages in docs: what each is, and what a reader does with it.

A block's first line says: ```LANGUAGE is a whole program (or what is pasted into a shell), ```LANGUAGE fragment a part of one, and
```LANGUAGE NAME the file NAME, which later blocks of its page use. ```text prints is what the block before it prints. Blocks
without a language, and `text` alone, are not run: what is seen, or bytes.
"""

import dataclasses
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

#: What a block may be that is no program.
SHOWN = {"", "text", "hex"}


@dataclasses.dataclass
class Block:
    page: Path
    line: int
    language: str
    #: "", "fragment", or the name of a file.
    note: str
    text: str
    #: What it is said to print.
    prints: object = None

    def __str__(self):
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page):
    """The blocks of a page, in order, each with what is said to be printed."""
    found = []
    fence = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
    text = page.read_text()
    for match in fence.finditer(text):
        language, _, note = match["info"].strip().partition(" ")
        indent = len(match["indent"])
        body = "".join(line[indent:] if line.strip() else line for line in match["text"].splitlines(keepends=True))
        block = Block(page, text.count("\n", 0, match.start()) + 1, language, note, body)
        if (language, note) == ("text", "prints"):
            if not found:
                raise ValueError(f"{block}: nothing stands before what is printed")
            found[-1].prints = body
        else:
            found.append(block)
    return found


def pages():
    return sorted(page for page in DOCS.rglob("*.md") if page.name != "SUMMARY.md")
