#!/bin/sh
# Run a command on a machine that OpenRC has booted, on which the checkout's present ggl is in /opt/ggl.
#
#   tests/system/openrc.sh COMMAND [ARG]...
#   tests/system/openrc.sh --can              whether it can be done here: status 0, or 3 and why not
#
# The machine is a copy-on-write view of this one in a PID namespace of its own, gone afterwards, with Debian's OpenRC
# unpacked over it (fetched once into build/system/openrc). The checkout is read-only in there.
set -eu
checkout=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
cache=$checkout/build/system/openrc

cannot() {
    echo "no OpenRC to test on: $1" >&2
    exit 3
}

fetch() {
    command -v apt-get >/dev/null || cannot "no apt-get to fetch Debian's package with"
    rm -rf "$cache"
    mkdir -p "$cache/new"
    (cd "$cache" && apt-get -qq -o APT::Sandbox::User=root download openrc librc1 libeinfo1) >&2 ||
        cannot "apt-get cannot fetch the package openrc"
    for package in "$cache"/*.deb; do
        dpkg-deb --extract "$package" "$cache/new"
    done
    mkdir -p "$cache/new/usr"
    for directory in bin sbin lib; do # which are links into /usr on this machine
        cp -a "$cache/new/$directory" "$cache/new/usr/" && rm -r "${cache:?}/new/$directory"
    done
    mv "$cache/new" "$cache/root"
}

if [ "${1:-}" != --inside ]; then
    [ "$(id -u)" = 0 ] || cannot "only root can (start this as root)"
    [ -L /sbin ] || cannot "this machine's /sbin is no link to /usr/sbin"
    command -v unshare >/dev/null || cannot "no program unshare"
    [ -e "$cache/root" ] || fetch
    [ "${1:-}" != --can ] || exit 0
    /usr/bin/python3 "$checkout/tests/system/prepare.py"
    exec unshare --mount --pid --fork --kill-child --propagation private "$0" --inside "$@"
fi
shift

mount -t tmpfs -o mode=0755 tmpfs /mnt
mkdir -p /mnt/work /mnt/root
cp -a "$cache/root" /mnt/upper
mount -t overlay -o "lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work" overlay /mnt/root
cd /mnt/root
for directory in etc/runlevels etc/rc.d etc/rc?.d; do
    rm -rf "$directory"
done
find etc/init.d -mindepth 1 -delete # Debian's own, which are not what is to be booted here
mkdir -p etc/runlevels/sysinit etc/runlevels/boot etc/runlevels/default etc/runlevels/shutdown
: >etc/insserv.conf # which Debian's OpenRC reads, and the directory as well
mkdir -p etc/insserv.conf.d
mount -t proc proc proc
mount --rbind /dev dev
mount --rbind /sys sys
mount -t tmpfs -o mode=0755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mkdir -p "./$checkout"
mount --bind -o ro "$checkout" "./$checkout"
rm -rf opt/ggl
cp -a "$cache/../ggl" opt/ggl
ln -sf /opt/ggl/bin/ggl usr/local/bin/ggl
chmod 711 root
unset VIRTUAL_ENV GGL_ROOT GGL_RUN GGL_ETC PYTHONPATH XDG_RUNTIME_DIR || true
export PYTHONDONTWRITEBYTECODE=1 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
exec chroot . /bin/sh -c 'cd "$1"; shift; openrc sysinit && openrc boot && openrc default || exit 125; "$@"' - "$checkout" "$@"
