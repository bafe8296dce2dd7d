#!/bin/sh
# On a machine with systemd: put what prepare.py made into /opt/ggl, and become the command. Part of sandbox.sh.
set -eu
checkout=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
if ! mountpoint -q /opt/ggl; then # else a test has brought its own
    (
        flock --shared 9 # others may be preparing theirs
        rm -rf /opt/ggl
        mkdir -p /opt
        cp -a "$checkout/build/system/ggl" /opt/ggl
        touch /opt/ggl/.for-tests
    ) 9<"$checkout/build/system/lock"
fi
ln -sf /opt/ggl/bin/ggl /usr/local/bin/ggl
if [ "${WITH_SYSTEMD:-}" = 1 ]; then
    chmod 711 /root # an interpreter may be below it that components run
fi
export PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" PYTHONDONTWRITEBYTECODE=1
unset VIRTUAL_ENV GGL_ROOT GGL_RUN GGL_ETC PYTHONPATH 2>/dev/null || true
exec "$@"
