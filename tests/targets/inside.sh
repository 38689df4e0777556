#!/bin/bash
# Runs a command where programs for another target can be started like any other, by it and by its children:
#
#   tests/targets/inside.sh arm64 QEMU FOLDER COMMAND...    QEMU emulates them, and FOLDER has their system's libraries
#   tests/targets/inside.sh musl LOADER COMMAND...          LOADER is musl's, and stands where they look for it
#
# It happens in namespaces of the command's own, so that it takes no rights and the machine stays as it is. For arm64 that takes
# Linux 6.7, since which each user namespace has formats of programs of its own; there is no other user than one's own in it.
set -eu

how=${1:-}
case $how in
    arm64)
        qemu=$2
        export QEMU_LD_PREFIX=$3
        shift 3
        # An ELF file of 64 bits, little-endian, that is a program or shared object for the machine 183. `F` opens the emulator
        # now, `P` and `O` hand it the program's own first argument and an open file.
        head='\x7f\x45\x4c\x46\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
        mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
        export SIMPLE_IPC_FORMAT=":arm64:M::$head:$mask:$qemu:OPF"
        # shellcheck disable=SC2016 # the inner shell expands it
        exec unshare --user --map-root-user --mount bash -c '
            mount -t binfmt_misc none /proc/sys/fs/binfmt_misc &&
                printf %s "$SIMPLE_IPC_FORMAT" >/proc/sys/fs/binfmt_misc/register &&
                unset SIMPLE_IPC_FORMAT && exec "$@"' inside "$@"
        ;;
    musl)
        export SIMPLE_IPC_LOADER=$2
        shift 2
        # Root keeps its own user namespace, in which it can become other users, as some tests do.
        user=(--user --map-root-user)
        [ "$(id -u)" != 0 ] || user=()
        # shellcheck disable=SC2016
        exec unshare ${user[@]+"${user[@]}"} --mount bash -c '
            folder=$(mktemp -d) && mount -t tmpfs none "$folder" && mkdir "$folder/upper" "$folder/work" &&
                cp "$SIMPLE_IPC_LOADER" "$folder/upper/ld-musl-x86_64.so.1" &&
                mount -t overlay none -o "lowerdir=/usr/lib,upperdir=$folder/upper,workdir=$folder/work" /usr/lib &&
                unset SIMPLE_IPC_LOADER && umount -l "$folder" && rmdir "$folder" && exec "$@"' inside "$@"
        ;;
    *)
        echo "inside.sh: cannot run anything in \"$how\": it knows arm64 and musl" >&2
        exit 2
        ;;
esac
