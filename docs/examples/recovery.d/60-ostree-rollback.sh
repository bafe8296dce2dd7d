#!/bin/sh
# Recovery hook: boot the previous deployment of an OSTree system (Fedora IoT, Torizon, Endless, ...).
#
# /var is not part of an OSTree deployment: the runtime's state and its logs stay as they are. What goes back is the
# operating system: the kernel, the libraries, the runtime's own program.
set -eu

# --- adapt ------------------------------------------------------------------------------------------------------------
NOTES=${RECOVERY_NOTES:-/var/log/greengrass-recovery}
ONLY_CORE=${RECOVERY_ONLY_CORE:-yes} # not for a single component: the operating system is seldom to blame
# ----------------------------------------------------------------------------------------------------------------------

fail() {
    echo "ostree-rollback: $*" >&2
    exit 1
}

if [ "$ONLY_CORE" = yes ] && [ "$GGL_RECOVERY_KIND" != core ]; then
    fail "a component failed ($GGL_RECOVERY_COMPONENT), which is no reason to change the operating system"
fi
[ -e /run/ostree-booted ] || fail "this system was not booted by OSTree, nothing was done"
for tool in ostree systemctl; do
    command -v "$tool" >/dev/null 2>&1 || fail "there is no '$tool' here, nothing was done"
done

# Every deployment is a line 'NAME CHECKSUM.SERIAL', the next to be booted first; the booted one begins with '*'. The
# one behind that is the one it took the place of.
status=$(ostree admin status) || fail "'ostree admin status' failed, nothing was done"
# shellcheck disable=SC2046 # two words without blanks in them
set -- $(printf '%s\n' "$status" | awk '
    { at = ($1 == "*") ? 3 : 2 }
    $at !~ /^[0-9a-f]+\.[0-9]+$/ { next }
    booted { print booted, number; exit }
    at == 3 { booted = $at }
    { number++ }')
[ $# -eq 2 ] || fail "there is no deployment to go back to"
booted=$1 previous=$2

# Never in a circle: what was left once is not left again.
mkdir -p "$NOTES"
if [ -f "$NOTES/ostree" ] && grep -qF "left $booted" "$NOTES/ostree"; then
    fail "$booted was left for an older deployment once already"
fi
echo "left $booted $(date +%s) $GGL_RECOVERY_UNIT $GGL_RECOVERY_RESULT $GGL_RECOVERY_TRIED" >>"$NOTES/ostree"
sync

if [ "$previous" -eq 1 ] && command -v rpm-ostree >/dev/null 2>&1; then
    rpm-ostree rollback
else
    ostree admin set-default "$previous"
fi
echo "ostree-rollback: leaving $booted, restarting the device"
systemctl reboot
