#!/bin/sh
# The main job in one go: a private runtime, two components that talk to each other, their logs, and nothing left behind.
# Usage: demo.sh PATH-TO-GGL
set -eu
ggl=$(realpath "${1:-ggl}")
examples=$(dirname "$(realpath "$0")")
root=$(mktemp -d "${TMPDIR:-/tmp}/ggl-demo-XXXXXX")

finish() {
    status=$?
    trap - EXIT INT TERM
    echo "== ggl down"
    "$ggl" --root "$root" down || status=1
    rm -rf "$root"
    exit $status
}
trap finish EXIT INT TERM

run() {
    echo "== ggl $*"
    "$ggl" --root "$root" "$@"
}

run up
run deploy local "$examples/publisher" "$examples/subscriber"
echo "== ggl logs -f com.example.Publisher com.example.Subscriber (for five seconds)"
timeout --signal INT 5 "$ggl" --root "$root" logs -f com.example.Publisher com.example.Subscriber || [ $? -eq 124 ]
run status
