#!/bin/sh
# Run a command on a machine with systemd on which the checkout's present ggl is in /opt/ggl (and `ggl` on the PATH).
#
#   tests/system/sandbox.sh [OPTION]... COMMAND [ARG]...     options are those of with-systemd
#   tests/system/sandbox.sh --can                            whether it can be done here: status 0, or 3 and why not
#
# Where systemd is PID 1 already, that machine is used as it is: root only, and never one that has a Greengrass of its
# own. Elsewhere the command runs in a sandbox of the program `with-systemd` ($WITH_SYSTEMD, on the PATH, or in
# ../shared/tools or ../../shared/tools beside the checkout): a copy-on-write view of this machine, gone afterwards. The
# checkout is read-only in there.
set -eu
checkout=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)

cannot() {
    echo "no systemd to test on: $1" >&2
    exit 3
}

[ "$(id -u)" = 0 ] || cannot "only root can (start this as root)"
program=
if [ ! -d /run/systemd/system ]; then
    for each in "${WITH_SYSTEMD:-}" "$(command -v with-systemd || true)" \
        "$checkout/../shared/tools/with-systemd" "$checkout/../../shared/tools/with-systemd"; do
        [ -n "$each" ] && [ -x "$each" ] && program=$each && break
    done
    [ -n "$program" ] || cannot "PID 1 is not systemd, and there is no program with-systemd (\$WITH_SYSTEMD or PATH)"
elif [ ! -e /opt/ggl/.for-tests ] && { [ -e /opt/ggl ] || [ -e /var/lib/greengrass ]; }; then
    cannot "this machine has a Greengrass of its own (/opt/ggl or /var/lib/greengrass)"
fi
[ "${1:-}" != --can ] || exit 0

/usr/bin/python3 "$checkout/tests/system/prepare.py"

if [ -z "$program" ]; then
    exec "$checkout/tests/system/inside.sh" "$@"
fi
count=$#
while [ "$count" -gt 0 ]; do # options to the front, and the command with what is inside behind them
    case $1 in
    --) shift; count=$((count - 1)); break ;;
    --bind | --bind-ro | --packages | --timeout | --boot-timeout | --save-journal | --nspawn-arg)
        set -- "$@" "$1" "$2"; shift 2; count=$((count - 2)); ;;
    -*) set -- "$@" "$1"; shift; count=$((count - 1)); ;;
    *) break ;;
    esac
done
[ "$count" -gt 0 ] || { echo "sandbox.sh: no command given" >&2; exit 2; }
# Now: the command, then the options. Turn the command to the back.
set -- "$@" -- "$checkout/tests/system/inside.sh"
while [ "$count" -gt 0 ]; do
    set -- "$@" "$1"
    shift
    count=$((count - 1))
done
exec "$program" --host-root --bind-ro "$checkout" "$@"
