#!/bin/bash
# What elsewhere.sh and tests/windows/packages.sh need to try packages that were made for another target. Sourced; $packages are the
# packages that were made, and fail ends the program with what it is told.
# shellcheck disable=SC2154 # whoever sources this sets packages and writes fail

example() { # language, README; its first example in that language
    awk -v begin="^\`\`\`$1\$" '$0 ~ begin { inside = 1; next } /^```$/ && inside { exit } inside' "$2"
}
find_package() { # pattern; of the packages that were made
    local package
    for package in "${packages[@]}"; do
        # shellcheck disable=SC2254 # a pattern
        case $(basename "$package") in $1) printf '%s\n' "$package" && return ;; esac
    done
    fail "no package is called $1"
}
