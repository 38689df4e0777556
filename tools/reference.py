#!/usr/bin/env python3
"""Writes the reference of C, C++ and .NET as pages: of the header's comments, of the C++ headers without the bodies of their functions,
and of the documentation file that the C# compiler makes.

    tools/reference.py c FOLDER
    tools/reference.py cpp FOLDER
    tools/reference.py dotnet FOLDER FILE.xml

Fails where something public has no documentation, or a name that is referred to has no place.
"""

import html
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STYLE = """
body { max-width: 60em; margin: 2em auto; padding: 0 1em; font: 16px/1.5 sans-serif; color: #222; }
pre { background: #f5f5f5; padding: 0.6em 0.8em; overflow-x: auto; font-size: 0.85em; line-height: 1.35; }
code { background: #f5f5f5; } h3 { margin-top: 2em; border-top: 1px solid #ddd; padding-top: 0.6em; }
nav { columns: 3; font-size: 0.85em; } nav a { display: block; overflow: hidden; text-overflow: ellipsis; } a { color: #15c; text-decoration: none; }
"""


def page(title, body):
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n'
        f'<p><a href="../index.html">Simple IPC</a></p>\n<h1>{html.escape(title)}</h1>\n{body}\n</html>\n'
    )


def code(text, places):
    """Text of a comment: names between backquotes are code, and links where they have a place."""

    def one(found):
        name = html.escape(found[1], quote=False)
        target = re.sub(r"\(.*", "", found[1])
        shown = f"<code>{name}</code>"
        return f'<a href="#{target}">{shown}</a>' if target in places else shown

    return re.sub(r"`([^`]+)`", one, html.escape(text, quote=False).replace("&amp;", "&"))


def paragraphs(lines, places):
    """Paragraphs as they are set off by empty lines; tables and lists keep their lines."""
    out = []
    for part in "\n".join(lines).split("\n\n"):
        if not part.strip():
            continue
        if re.search(r"^ {2,}\S|\S {3,}\S|^[-*|] ", part, re.MULTILINE):
            out.append(f"<pre>{html.escape(part.rstrip(), quote=False)}</pre>")
        else:
            # A parameter to a line.
            text = re.sub(r"\n(?=`\w+`: )", "\x00", part).replace("\n", " ").replace("\x00", "\n")
            out.append(f"<p>{code(text, places)}</p>".replace("\n", "<br>\n"))
    return "\n".join(out)


# C ------------------------------------------------------------------------------------------------


def c_entries(text):
    """Each comment with its declaration: (lines of the comment, declaration, name)."""
    pattern = re.compile(r"/\*\*\n(.*?)\n \*/\n((?:typedef struct|typedef enum|struct)[^;{]*\{.*?^\}[^;]*;|#define [^\n]*|[^;]*;)", re.DOTALL | re.MULTILINE)
    for comment, declaration in pattern.findall(text):
        lines = [re.sub(r"^ \* ?", "", line) for line in comment.split("\n")]
        if declaration.startswith("#define"):
            name = re.match(r"#define (\w+)", declaration)[1]
        elif "(*" in declaration.split("{")[0]:
            name = re.search(r"\(\*(\w+)\)", declaration)[1]
        elif declaration.startswith(("typedef", "struct")):
            name = re.search(r"(\w+)\s*;$", declaration)[1]
        else:
            name = re.search(r"(\w+)\s*\(", declaration)[1]
        yield lines, declaration, name


def c_page():
    text = (ROOT / "include/simple_ipc.h").read_text()
    entries = list(c_entries(text))
    places = {name for _, _, name in entries}
    functions = set(re.findall(r"^(?:const )?[a-z]\w*(?: \*+| )(sipc_\w+)\(", text, re.MULTILINE))
    if missing := sorted(functions - places):
        raise SystemExit(f"reference.py: without documentation: {', '.join(missing)}")
    head = re.search(r"/\*\n(.*?)\n \*/", text, re.DOTALL)
    about = [re.sub(r"^ \* ?", "", line) for line in head[1].split("\n")] if head else []
    body = [paragraphs(about, places), "<h2>All names</h2>", "<nav>"]
    body += [f'<a href="#{name}">{name}</a>' for name in sorted(places)] + ["</nav>"]
    for lines, declaration, name in entries:
        body.append(f'<h3 id="{name}">{name}</h3>\n<pre>{html.escape(declaration, quote=False)}</pre>\n{paragraphs(lines, places)}')
    return page("Simple IPC for C: simple_ipc.h", "\n".join(body)), len(entries)


# C++ ----------------------------------------------------------------------------------------------


def without_bodies(text):
    """A C++ header without bodies of functions, what is private, and the namespaces of details."""
    out, statement, position = [], "", 0
    depth = 0

    def matching(at):
        """Behind the brace that closes the one at `at`."""
        level = 0
        while True:
            if text.startswith("//", at):
                at = text.index("\n", at)
            elif text[at] in "\"'":
                quote, at = text[at], at + 1
                while text[at] != quote:
                    at += 2 if text[at] == "\\" else 1
            elif text[at] == "{":
                level += 1
            elif text[at] == "}":
                level -= 1
                if level == 0:
                    return at + 1
            at += 1

    while position < len(text):
        character = text[position]
        if text.startswith("//", position):
            end = text.index("\n", position)
            if statement.strip():
                statement += text[position:end]
            else:
                out.append(statement + text[position:end])
                statement = ""
            position = end
            continue
        if character in "()":
            depth += 1 if character == "(" else -1
        if character == "#" and not statement.strip():
            end = text.index("\n", position)
            while text[end - 1] == "\\":
                end = text.index("\n", end + 1)
            position = end
            continue
        if character == "{" and depth == 0:
            plain = re.sub(r"//[^\n]*", "", statement).strip()
            if re.match(r"namespace detail\b", plain):
                position = matching(position)
                statement = ""
                continue
            if re.match(r"(template\s*<.*>\s*)?(inline )?(namespace|class|struct|enum|union|extern)\b", plain, re.DOTALL) and "(" not in plain:
                out.append(statement + "{")
                statement = ""
            elif "(" in plain:
                position = matching(position)
                signature = re.sub(r"\)((?:\s|const|noexcept|override|&)*):(?!:).*$", r")\1", statement.rstrip(), flags=re.DOTALL)
                out.append(signature.rstrip() + ";")
                statement = ""
                continue
            else:
                end = matching(position)
                statement += text[position:end]
                position = end
                continue
        elif character in ";}" and depth == 0:
            out.append(statement + character)
            statement = ""
        else:
            statement += character
        position += 1
    out.append(statement)
    shown = "".join(out)
    # What is private goes to the next public part, or to the end of its class.
    shown = re.sub(r"^(?:private|protected):\n.*?(?=^(?:public:|\};))", "", shown, flags=re.DOTALL | re.MULTILINE)
    shown = re.sub(r";(?:\s*;)+[^\n]*", ";", shown)
    return re.sub(r"\n{3,}", "\n\n", shown)


def cpp_page():
    parts = ("", "_subscription", "_stream", "_methods", "_queue", "_json")
    files = [f"simple_ipc{part}.hpp" for part in parts]
    c_names = {name for _, _, name in c_entries((ROOT / "include/simple_ipc.h").read_text())}
    body, count = [], 0
    for name in files:
        shown = without_bodies((ROOT / "include" / name).read_text())
        text = html.escape(shown, quote=False)
        text = re.sub(r"\b(sipc_\w+)\b", lambda found: f'<a href="../c/index.html#{found[1]}">{found[1]}</a>' if found[1] in c_names else found[1], text)
        place = name.replace(".", "_")
        sections = []

        def heading(found, place=place, sections=sections):
            title = found[1].strip()
            ident = f"{place}-{re.sub(r'[^a-z0-9]+', '-', title.lower())}"
            sections.append(f'<a href="#{ident}">{title}</a>')
            return f'</pre>\n<h3 id="{ident}">{title}</h3>\n<pre>'

        text = re.sub(r"^// ([A-Z][^\n]*?) -{8,}\n", heading, text, flags=re.MULTILINE)
        body.append(f'<h2 id="{place}">{name}</h2>\n<nav>{"".join(sections)}</nav>\n<pre>{text.strip()}</pre>')
        count += len(re.findall(r"\);", shown))
    about = (
        "<p>What a program sees of the headers, without the bodies of their functions. Each function is described where the C function of the "
        'same name stands: <a href="../c/index.html">Simple IPC for C</a>.</p>'
    )
    return page("Simple IPC for C++", about + "\n".join(body)), count


# .NET ---------------------------------------------------------------------------------------------


def public_names():
    """The public types of the assembly with the names of their public members, as the sources say; an enum has all of its."""
    types = {}
    for source in (ROOT / "bindings/dotnet/src").rglob("*.cs"):
        text = source.read_text()
        pattern = r"^    public (?:(?:static|sealed|abstract|readonly|partial|unsafe|ref) )*(class|struct|enum|interface|delegate)\s+([^\n{]*)"
        for found in re.finditer(pattern, text, re.MULTILINE):
            kind, rest = found[1], found[2]
            name = re.search(r"(\w+)(?:<[^>]*>)?\(", rest)[1] if kind == "delegate" else re.match(r"\w+", rest)[0]
            end = text.find("\n    }", found.end())
            members = re.findall(r"^        public [^\n]*?\b(\w+)(?:<[^>(]*>)?\s*(?=[({;=]|=>|\n)", text[found.end() : end], re.MULTILINE)
            types.setdefault(name, (kind, set()))[1].update(members)
    return types


def short(name):
    """`M:SimpleIpc.Ipc.Post``2(System.String,``0)` as people write it."""
    name = name.partition(":")[2]
    name = re.sub(r"``(\d)(?=\()", lambda found: "<" + ", ".join(f"T{n}" for n in range(int(found[1]))) + ">", name)
    name = re.sub(r"``?(\d)(?!\d)", lambda found: f"T{found[1]}", name)
    return re.sub(r"(?:\w+\.)+(?=\w)", "", name).replace("{", "<").replace("}", ">").replace(",", ", ").replace("#ctor", "new")


def said(element, places):
    """An element of the documentation file as HTML."""
    out = html.escape(element.text or "", quote=False)
    for child in element:
        if child.tag in ("see", "seealso"):
            target = child.get("cref") or ""
            label = html.escape(short(target) if target else child.get("langword", "") or child.text or "", quote=False)
            shown = f"<code>{label.split('(')[0]}</code>"
            out += f'<a href="#{html.escape(target)}">{shown}</a>' if target in places else shown
        elif child.tag in ("paramref", "typeparamref"):
            out += f"<code>{html.escape(child.get('name', ''))}</code>"
        elif child.tag == "c":
            out += f"<code>{said(child, places)}</code>"
        elif child.tag == "code":
            out += f"<pre>{said(child, places)}</pre>"
        elif child.tag in ("para", "item", "description"):
            out += f"<p>{said(child, places)}</p>"
        else:
            out += said(child, places)
        out += html.escape(child.tail or "", quote=False)
    return out


def dotnet_page(file):
    types = public_names()
    members = {}
    for member in ElementTree.parse(file).getroot().iter("member"):
        name = member.get("name")
        plain = re.sub(r"\(.*", "", name.partition(":")[2]).removeprefix("SimpleIpc.")
        parts = re.sub(r"`+\d+", "", plain).split(".")
        kind, public = types.get(parts[0], (None, set()))
        own = parts[0] if len(parts) == 1 else parts[-1]
        if kind is None or (len(parts) > 1 and kind != "enum" and own not in public and own != "#ctor"):
            continue
        members.setdefault(parts[0], []).append((name, member))
    if missing := sorted(set(types) - set(members)):
        raise SystemExit(f"reference.py: without documentation: {', '.join(missing)}")
    places = {name for group in members.values() for name, _ in group}
    body = ["<nav>", *(f'<a href="#type-{name}">{name}</a>' for name in sorted(members)), "</nav>"]
    for type_name in sorted(members):
        body.append(f'<h2 id="type-{type_name}">{type_name}</h2>')
        for name, member in members[type_name]:
            body.append(f'<h3 id="{html.escape(name)}"><code>{html.escape(short(name), quote=False)}</code></h3>')
            for part in member:
                label = {"param": part.get("name"), "typeparam": part.get("name"), "returns": "returns", "exception": "throws"}.get(part.tag)
                thrown = f" {html.escape(short(part.get('cref', '')), quote=False)}" if part.tag == "exception" else ""
                text = said(part, places)
                body.append(f"<p><code>{label}{thrown}</code>: {text}</p>" if label else f"<p>{text}</p>")
    return page("Simple IPC for .NET", "\n".join(body)), len(places)


def main(arguments):
    match arguments:
        case ["c", folder]:
            text, count = c_page()
        case ["cpp", folder]:
            text, count = cpp_page()
        case ["dotnet", folder, file]:
            text, count = dotnet_page(file)
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    if not count:
        raise SystemExit(f"reference.py: nothing was found to write for {arguments[0]}")
    Path(folder).mkdir(parents=True, exist_ok=True)
    Path(folder, "index.html").write_text(text)
    print(f"docs: {arguments[0]}: {count} documented")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
