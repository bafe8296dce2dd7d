#!/bin/sh
# Build dist/ggl_<version>_<architecture>.deb with dpkg-buildpackage, in a copy of the tree below build/.
#
#   packaging/debian/build.sh [VERSION]     VERSION, for a snapshot: one that Debian and Python understand, as 0.1.0+4
#   packaging/debian/build.sh --can         whether it can be done here: status 0, or 1 and what is missing
#
# The libraries come from PyPI by pip, whose environment variables apply: without a network, collect them with
# `pip download -d DIR . 'hatchling>=1.27'` and build with PIP_NO_INDEX=1 PIP_FIND_LINKS=DIR.
set -eu
cd "$(dirname -- "$0")/../.."
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)

if ! command -v dpkg-buildpackage >/dev/null || ! dpkg-checkbuilddeps packaging/debian/control 2>/dev/null; then
    echo "make deb: something is missing: apt-get install build-essential debhelper dh-python python3-dev python3-pip" >&2
    exit 1
fi
[ "${1:-}" != --can ] || exit 0

copy=build/deb/ggl
rm -rf build/deb
mkdir -p "$copy" dist
tar -c --exclude=__pycache__ daemons/ggl gglcli completions man pyproject.toml README.md LICENSE | tar -x -C "$copy"
cp -R packaging/debian "$copy/debian"
if [ $# -gt 0 ]; then
    sed -i "s/^version = .*/version = \"$1\"/" "$copy/pyproject.toml"
    sed -i "s/^VERSION = .*/VERSION = \"$1\"/" "$copy/daemons/ggl/version.py"
    {
        printf 'ggl (%s) unstable; urgency=medium\n\n  * Snapshot.\n\n' "$1"
        sed -n '/^ -- /{p;q}' packaging/debian/changelog
        echo
        cat packaging/debian/changelog
    } >"$copy/debian/changelog"
elif [ "$(dpkg-parsechangelog -l packaging/debian/changelog -S Version)" != "$version" ]; then
    echo "make deb: packaging/debian/changelog has no entry for version $version" >&2
    exit 1
fi
# The build has a home directory of its own, which is empty.
export PIP_CACHE_DIR="${PIP_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/pip}"
if ! (cd "$copy" && dpkg-buildpackage --build=binary --no-sign) >build/deb/log 2>&1; then
    tail -n 30 build/deb/log >&2
    exit 1
fi
for package in build/deb/*.deb; do
    mv "$package" dist/
    echo "dist/${package##*/}"
done
