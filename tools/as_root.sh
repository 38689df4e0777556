#!/bin/sh
# Runs a command as root in continuous integration, where that takes no password: to mount something in a namespace, and to enter a root
# of one's own, may be for root alone there. Elsewhere the command runs as who calls it, and says what it leaves out.
if [ "$(id -u)" = 0 ] || [ -z "${CI:-}" ] || ! sudo -n true 2>/dev/null; then exec "$@"; fi
exec sudo -n -E env "PATH=$PATH" "HOME=$HOME" "$@"
