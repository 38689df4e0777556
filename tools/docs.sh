#!/bin/sh
# Builds the reference of each language in that language's own form, and the book, into target/docs, and checks their links.
#
#   Rust        rustdoc, with what each item needs of the features
#   Python      pdoc, of the package that is installed in .venv
#   JavaScript  typedoc, of the types
#   C, C++      pages of the headers, by tools/reference.py
#   .NET        a page of the compiler's documentation file, by the same
#
# pdoc and typedoc come in pinned versions, tools/docs, into the ignored folder .tools. A language that cannot be built here is left out with a
# line that says why; continuous integration leaves none out.
set -eu
cd "$(dirname "$0")/.."
root=$PWD
target=${CARGO_TARGET_DIR:-$root/target}
case $target in /*) ;; *) target=$root/$target ;; esac
folder=$target/docs
tools=$root/.tools/docs
rm -rf "$folder"
mkdir -p "$folder" "$tools"

left_out() { # language, reason
    echo "docs: left out: $1: $2" >&2
    [ -z "${CI:-}" ] || exit 1
}

tools/book.sh "$folder/book"

# What a feature brings is said on each page by a nightly flag, as docs.rs sets it.
RUSTC_BOOTSTRAP=1 RUSTDOCFLAGS="-D warnings --cfg docsrs" "${CARGO:-cargo}" doc --quiet --locked -p simple-ipc --lib --no-deps \
    --all-features --target-dir "$target/rustdoc"
cp -R "$target/rustdoc/doc" "$folder/rust"
echo "docs: rust"

tools/reference.py c "$folder/c"
tools/reference.py cpp "$folder/cpp"

if ! cmp -s tools/docs/requirements.txt "$tools/requirements.done"; then
    echo "setup: pdoc"
    rm -rf "$tools/python"
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --no-deps --target "$tools/python" -r tools/docs/requirements.txt &&
        cp tools/docs/requirements.txt "$tools/requirements.done"
fi
if ! .venv/bin/python -c 'import simple_ipc' 2>/dev/null; then
    left_out Python "the package is not installed in .venv: run bindings/python/install.sh"
elif [ ! -d "$tools/python/pdoc" ]; then
    left_out Python "pip could not bring pdoc"
else
    # It warns of each option, since a keyword argument is no assignment.
    (cd "$tools" && PYTHONPATH=$tools/python "$root/.venv/bin/python" -m pdoc --docformat markdown --no-show-source \
        --output-directory "$folder/python" simple_ipc simple_ipc.aio) 2>"$target/pdoc.log" || { cat "$target/pdoc.log" >&2; exit 1; }
    echo "docs: python"
fi

if ! command -v npm >/dev/null 2>&1; then
    left_out JavaScript "npm is absent"
else
    if ! cmp -s tools/docs/package-lock.json "$tools/package-lock.done"; then
        echo "setup: typedoc"
        cp tools/docs/package.json tools/docs/package-lock.json "$tools/"
        (cd "$tools" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error --prefer-offline >/dev/null) &&
            cp tools/docs/package-lock.json "$tools/package-lock.done"
    fi
    if [ -x "$tools/node_modules/.bin/typedoc" ]; then
        # The project lives where Cargo.toml says; typedoc would ask git.
        "$tools/node_modules/.bin/typedoc" --logLevel Warn --treatWarningsAsErrors --disableGit --disableSources --hideGenerator \
            --name simple-ipc --readme none --tsconfig tools/docs/tsconfig.json --out "$folder/javascript" \
            bindings/node/lib/index.d.mts
        echo "docs: javascript"
    else
        left_out JavaScript "npm could not bring typedoc"
    fi
fi

if tools/dotnet.sh --bring >/dev/null; then
    tools/dotnet.sh build --nologo --verbosity quiet --configuration Release --output "$target/docs-dotnet" \
        bindings/dotnet/src/SimpleIpc.csproj >/dev/null
    tools/reference.py dotnet "$folder/dotnet" "$target/docs-dotnet/SimpleIpc.xml"
else
    left_out .NET "there is no SDK"
fi

cat >"$folder/index.html" <<END
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Simple IPC $(tools/version.sh)</title>
<style>body { max-width: 40em; margin: 3em auto; font: 17px/1.6 sans-serif; }</style>
<h1>Simple IPC $(tools/version.sh)</h1>
<p><a href="book/index.html">The book</a>: first steps, running it, guarantees, the wire.</p>
<p>The reference of each language:</p>
<ul>
$(for language in rust/simple_ipc:Rust python/simple_ipc.html:Python javascript:JavaScript c:C cpp:C++ dotnet:.NET; do
    place=${language%%:*}
    case $place in *.html) ;; *) place=$place/index.html ;; esac
    [ ! -e "$folder/$place" ] || echo "<li><a href=\"$place\">${language#*:}</a></li>"
done)
</ul>
</html>
END
# rustdoc has looked after its own links.
tools/book.py check "$folder" rust
