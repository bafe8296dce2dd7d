#!/bin/sh
# Recovery hook: put the dataset of the runtime back to its newest snapshot.
#
# The runtime cannot survive this: its database is open on that dataset. So the hook only hands the work to systemd,
# which stops the service, rolls back and starts it again, and ends with 0 when that is arranged.
#
# What is rolled back forgets: the list of recoveries is in it too. Therefore this hook keeps its own count, and the
# story, in a directory on another dataset.
set -eu

# --- adapt ------------------------------------------------------------------------------------------------------------
DATASET=${ZFS_DATASET:-rpool/greengrass}          # what is mounted at the runtime's root ($GGL_ROOT)
SERVICE=${GREENGRASS_SERVICE:-greengrass.service} # what runs 'ggl up --foreground'
NOTES=${RECOVERY_NOTES:-/var/log/greengrass-recovery} # not on DATASET
MOST=${RECOVERY_MOST:-2}                          # rollbacks in 24 hours
# ----------------------------------------------------------------------------------------------------------------------

fail() {
    echo "zfs-rollback: $*" >&2
    exit 1
}

for tool in zfs systemctl systemd-run; do
    command -v "$tool" >/dev/null 2>&1 || fail "there is no '$tool' here, nothing was done"
done
zfs list -H -o name "$DATASET" >/dev/null 2>&1 || fail "there is no dataset $DATASET"
systemctl cat "$SERVICE" >/dev/null 2>&1 || fail "there is no service $SERVICE"

# The logs must tell what led here: they must not be on what is put back.
log_dataset=$(zfs list -H -o name "$GGL_RECOVERY_LOGS" 2>/dev/null || true)
[ "$log_dataset" != "$DATASET" ] || fail "the logs ($GGL_RECOVERY_LOGS) are on $DATASET; mount another dataset there"
mkdir -p "$NOTES"
notes_dataset=$(zfs list -H -o name "$NOTES" 2>/dev/null || true)
[ "$notes_dataset" != "$DATASET" ] || fail "$NOTES is on $DATASET"

snapshot=$(zfs list -H -t snapshot -o name -s creation -d 1 "$DATASET" | tail -n 1)
[ -n "$snapshot" ] || fail "$DATASET has no snapshot"

now=$(date +%s)
count=0
if [ -f "$NOTES/zfs" ]; then
    count=$(awk -v since=$((now - 86400)) '$1 > since { n++ } END { print n + 0 }' "$NOTES/zfs")
fi
[ "$count" -lt "$MOST" ] || fail "rolled back $count times in the last 24 hours already"
echo "$now $snapshot $GGL_RECOVERY_UNIT $GGL_RECOVERY_RESULT $GGL_RECOVERY_TRIED" >>"$NOTES/zfs"
sync

# In a unit of its own, because the end of the service ends everything that the service has started.
# shellcheck disable=SC2016 # the inner shell expands them
systemd-run --collect --unit=greengrass-zfs-rollback /bin/sh -c '
    set -eu
    systemctl stop "$1"
    status=0
    zfs rollback "$2" || status=$?
    systemctl start "$1"
    exit "$status"
' sh "$SERVICE" "$snapshot" || fail "systemd-run did not take it"
echo "zfs-rollback: $DATASET goes back to $snapshot"
