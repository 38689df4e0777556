#!/bin/bash
# The package for Python under Wine: its own tests, with threads and on asyncio's Proactor loop. tools/windows.sh sources this.
# shellcheck disable=SC2154 # set by who sources it

# shellcheck source=tests/windows/runtimes.sh
. tests/windows/runtimes.sh
build_addons
copy_sources
# The native part, and what runs the tests.
fill_site() {
    local packages=()
    mapfile -t packages < <(grep -iE '^(pytest|iniconfig|packaging|pluggy|pygments)==' bindings/python/requirements.txt)
    PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --target "$scratch/site" \
        --only-binary :all: --implementation cp --python-version 3.13 --platform win_amd64 "${packages[@]}" colorama==0.4.6 || return 1
    python_package
}
# The counts of pytest's last line in the words of the others; nothing where there is none. What Python says at its end may follow it.
as_counts() { # output
    python3 - "$1" <<'END'
import re, sys
counts = dict.fromkeys(("passed", "failed", "error", "skipped"), 0)
ends = [line for line in open(sys.argv[1], errors="replace") if re.search(r"\d+ \w+ in [\d.]+s", line)]
for number, word in re.findall(r"(\d+) (passed|failed|error|skipped)", ends[-1] if ends else ""):
    counts[word] = int(number)
if ends:
    print(counts["passed"], "passed,", counts["failed"] + counts["error"], "failed,", counts["skipped"], "skipped")
END
}
python_suites() { # suite…
    local suite
    for suite; do
        PYTHONDONTWRITEBYTECODE=1 run_for 900 "$scratch/python.log" "${runtime[@]}" -m pytest \
            -c tree/bindings/python/pyproject.toml --rootdir tree/bindings/python -p no:cacheprovider -rs --tb=short \
            "tree/bindings/python/tests/$suite.py" || true
        sed -i 's/\r$//' "$scratch/python.log"
        sed -nE 's/^SKIPPED \[[0-9]+\] /left out: Python: /p' "$scratch/python.log" | while IFS= read -r line; do say "$line"; done
        as_counts "$scratch/python.log" >"$scratch/counts"
        if ! grep -q ' 0 failed' "$scratch/counts"; then sed 's/^/# /' "$scratch/python.log" >&2; fi
        counted "Python, $suite" "$scratch/counts"
    done
}
if bring_python_for_windows && fill_site; then
    python_suites test_blocking test_aio test_errors test_failures test_closing test_publications test_aio_publications \
        test_giving_up test_values test_streams test_aio_streams
    cat >"$scratch/interrupted.py" <<'END'
import simple_ipc

with simple_ipc.listen_uds_publish("quiet"), simple_ipc.subscribe_uds("quiet") as events:
    try:
        print("waiting", flush=True)
        events.next()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
print("closed", flush=True)
END
    cat >"$scratch/interrupted_aio.py" <<'END'
import asyncio

from simple_ipc import aio


async def main():
    try:
        async with aio.listen_uds_publish("quiet"), aio.subscribe_uds("quiet") as events:
            print("waiting", flush=True)
            await events.next()
    finally:
        print("closed", flush=True)


try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted", flush=True)
END
    export SIMPLE_IPC_DIR="Z:/scratch/${scratch##*/}"
    interrupted "Python, in a call that blocks" "interrupted closed" "${runtime[@]}" interrupted.py
    interrupted "Python, asyncio" "closed interrupted" "${runtime[@]}" interrupted_aio.py
    unset SIMPLE_IPC_DIR
else
    left "Python for Windows cannot be had"
fi
left "Python, test_ending and test_streams_ending: forks, and signals that one process sends another"
left "Python, test_forked and test_interpreters: a process is not forked there, and this Python has no other interpreters' module"
left "Python, test_leaks: what a process uses is read from /proc"
left "Python, test_publications_refused: its peers are sockets by hand"
