#!/usr/bin/env python3
"""What mdbook leaves to others when the book is built; tools/book.sh calls it.

    tools/book.py links           mdbook's preprocessor: a link that leaves docs leads to the file where the project lives
    tools/book.py pages           every page of docs is in the book and in its index
    tools/book.py check FOLDER [LEFT OUT]
                                  besides, every link inside the built pages leads to a page, and to a heading of it; of those in the
                                  folder LEFT OUT somebody else has seen to that
"""

import html.parser
import json
import os
import re
import sys
import urllib.parse
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
LINK = re.compile(r"(\]\()([^)\s#]+)([)#])")


def repository():
    """Where the project lives, as Cargo.toml says."""
    return re.search(r'(?m)^repository = "([^"]*)"$', (ROOT / "Cargo.toml").read_text())[1]


def outward(text, page):
    """`text` of the page `page` (a path below docs) with its links to files outside of docs made addresses of the project."""

    def place(found):
        target = found[2]
        if "://" in target or target.startswith("mailto:"):
            return found[0]
        path = Path(os.path.normpath(DOCS / Path(page).parent / target))
        if path.is_relative_to(DOCS):
            return found[0]
        if not path.exists():
            raise SystemExit(f"book.py: docs/{page} links to {target}, which is not there")
        kind = "tree" if path.is_dir() else "blob"
        return f"{found[1]}{repository()}/{kind}/main/{path.relative_to(ROOT)}{found[3]}"

    return LINK.sub(place, text)


def walk(items):
    for item in items:
        if not isinstance(item, dict) or not (chapter := item.get("Chapter")):
            continue
        if chapter.get("path"):
            chapter["content"] = outward(chapter["content"], chapter["path"])
        walk(chapter.get("sub_items", []))


def links():
    _, book = json.load(sys.stdin)
    walk(book.get("items") or book.get("sections"))
    json.dump(book, sys.stdout)


class Page(html.parser.HTMLParser):
    """The links and the places of a page."""

    def __init__(self, text):
        super().__init__()
        self.links, self.ids = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if values.get("id"):
            self.ids.add(values["id"])
        for name in ("href", "src"):
            if values.get(name):
                self.links.append(values[name])


def pages_left_out():
    """Pages that the table of contents, or the index, does not name."""
    wrong = []
    pages = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")} - {"SUMMARY.md"}
    for name in ("SUMMARY.md", "README.md"):
        named = {target for _, target, _ in LINK.findall((DOCS / name).read_text())} | {"README.md"}
        wrong += [f"docs/{name} does not name {page}" for page in sorted(pages - named)]
    return wrong


def said(wrong):
    for line in wrong:
        print(f"book: {line}", file=sys.stderr)
    return 1 if wrong else 0


def check(folder, left_out=None):
    wrong = pages_left_out()
    files = [path for path in folder.rglob("*.html") if not left_out or folder / left_out not in path.parents]
    pages = {path: Page(path.read_text()) for path in files}
    for path, page in pages.items():
        # The page for addresses that are not there has links as from the root of a server.
        if path.name in ("404.html", "toc.html", "print.html"):
            continue
        for link in page.links:
            parts = urllib.parse.urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = Path(os.path.normpath(path.parent / urllib.parse.unquote(parts.path))) if parts.path else path
            if target.is_dir():
                target /= "index.html"
            where = f"{path.relative_to(folder)}: {link}"
            if not target.is_file():
                wrong.append(f"{where} leads nowhere")
            elif parts.fragment and target in pages and not {parts.fragment, urllib.parse.unquote(parts.fragment)} & pages[target].ids:
                wrong.append(f"{where} has no such heading")
    if not pages:
        wrong.append(f"{folder} has no pages")
    if said(wrong):
        return 1
    print(f"book: {len(pages)} pages in {folder}, and every link inside them leads somewhere")
    return 0


def main(arguments):
    if arguments == ["links"]:
        links()
    elif arguments[:2] == ["links", "supports"]:
        # mdbook asks for which output this is; the configuration names it already.
        return 0
    elif arguments == ["pages"]:
        return said(pages_left_out())
    elif len(arguments) in (2, 3) and arguments[0] == "check":
        return check(Path(arguments[1]).resolve(), *arguments[2:])
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
