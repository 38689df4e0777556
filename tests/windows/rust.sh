#!/bin/bash
# Rust's own tests under Wine, or a part of them in the short form: of the library from inside, and the suites of core/tests that make no sockets as only Unix has them.
# tools/windows.sh has built them, and sources this.
# shellcheck disable=SC2154,SC2034 # set by, and for, who sources it

# A line of the file is the name of a test and, after white space, why it is left out.
skips=()
while read -r name reason; do
    case $name in "" | \#*) continue ;; esac
    skips+=(--skip "$name")
    [ -n "$short" ] || left "$name: $reason"
done <tests/windows/left_out.txt
# Beginnings of the names of what is run; none is all.
only=()
[ -z "$short" ] || only=(broadcasts:: requests::)
# The golden vectors, where the tests look for them.
mkdir -p "$scratch/core" "$scratch/tests"
cp -R tests/vectors "$scratch/tests/"
export CARGO_MANIFEST_DIR="Z:/scratch/${scratch##*/}/core"
while read -r program; do
    name=$(basename "$program" | sed 's/-[0-9a-f]*\.exe$//')
    cp "$program" "$scratch/$name.exe"
    run_for 3600 "$scratch/$name.log" "./$name.exe" --test-threads 2 "${skips[@]}" ${only[@]+"${only[@]}"} || true
    rm -f "$scratch/$name.exe"
    result=$(grep -a '^test result:' "$scratch/$name.log" || echo "none")
    if [ "$result" = none ]; then
        bad "$name did not end; $(grep -ac '^test .* ok$' "$scratch/$name.log") of its tests had passed:"
        tail -n 5 "$scratch/$name.log" >&2
        continue
    fi
    if grep -aq '^test .*FAILED$' "$scratch/$name.log"; then
        grep -a '^test .*FAILED$' "$scratch/$name.log" >&2
        sed -n '/^failures:$/,$p' "$scratch/$name.log" | head -n 200 >&2
    fi
    [[ $result =~ ([0-9]+)\ passed\;\ ([0-9]+)\ failed ]]
    say "$name: ${BASH_REMATCH[1]} passed, ${BASH_REMATCH[2]} failed"
    [ "${BASH_REMATCH[1]}" != 0 ] || bad "$name: no test was run"
    passed=$((passed + BASH_REMATCH[1]))
    failed=$((failed + BASH_REMATCH[2]))
done <"$built/windows-programs"
unset CARGO_MANIFEST_DIR
