#!/bin/sh
# Recovery hook: boot the other of two system partitions (A/B), by RAUC, or by the boot loader's environment.
#
# RAUC knows the slots: the booted one is marked bad, so that the boot loader takes the other. Without RAUC the variables
# below are set the way many U-Boot and GRUB scripts read them: adapt them to yours. The runtime's state and logs belong
# on a third partition that both systems mount.
set -eu

# --- adapt ------------------------------------------------------------------------------------------------------------
NOTES=${RECOVERY_NOTES:-/var/log/greengrass-recovery} # on the shared partition
UBOOT_SLOT=${UBOOT_SLOT:-boot_slot}                   # U-Boot: the variable that names the slot, A or B
GRUB_SLOT=${GRUB_SLOT:-boot_slot}                     # GRUB: the same
GRUB_ENVIRONMENT=${GRUB_ENVIRONMENT:-/boot/grub/grubenv}
ONLY_CORE=${RECOVERY_ONLY_CORE:-yes}                  # not for a single component
# ----------------------------------------------------------------------------------------------------------------------

fail() {
    echo "ab-rollback: $*" >&2
    exit 1
}

other() {
    case $1 in
        A) echo B ;;
        B) echo A ;;
        *) fail "the slot is called '$1', neither A nor B" ;;
    esac
}

restart() {
    echo "ab-rollback: $1, restarting the device"
    sync
    if command -v systemctl >/dev/null 2>&1 && [ -d /run/systemd/system ]; then
        systemctl reboot
    else
        reboot
    fi
}

note() {
    echo "to-leave $1 $(date +%s) $GGL_RECOVERY_UNIT $GGL_RECOVERY_RESULT $GGL_RECOVERY_TRIED" >>"$NOTES/ab"
}

# Both slots bad would leave no system at all: after one change in 24 hours it is up to a person.
once_a_day() {
    mkdir -p "$NOTES"
    [ -f "$NOTES/ab" ] || return 0
    recent=$(awk -v since=$(($(date +%s) - 86400)) '$3 > since { n++ } END { print n + 0 }' "$NOTES/ab")
    [ "$recent" -eq 0 ] || fail "the slot was changed in the last 24 hours already"
}

if [ "$ONLY_CORE" = yes ] && [ "$GGL_RECOVERY_KIND" != core ]; then
    fail "a component failed ($GGL_RECOVERY_COMPONENT), which is no reason to change the operating system"
fi

if command -v rauc >/dev/null 2>&1; then
    once_a_day
    # The other slot must be worth booting.
    status=$(rauc status --output-format=shell) || fail "'rauc status' failed, nothing was done"
    printf '%s\n' "$status" | tr -d "'\"" | awk -F '[_=]' '
        /^RAUC_SLOT_STATE_/ { state[$4] = $5 }
        /^RAUC_SLOT_BOOT_STATUS_/ { health[$5] = $6 }
        END { for (slot in health) if (health[slot] == "good" && state[slot] == "inactive") found = 1; exit !found }
    ' || fail "RAUC knows no other slot that is good"
    note rauc-booted
    rauc status mark-active other || fail "RAUC cannot make the other slot the next one"
    rauc status mark-bad booted
    restart "the booted slot is marked bad"
elif command -v fw_printenv >/dev/null 2>&1 && command -v fw_setenv >/dev/null 2>&1; then
    once_a_day
    slot=$(fw_printenv -n "$UBOOT_SLOT" 2>/dev/null) || fail "U-Boot has no variable '$UBOOT_SLOT'"
    target=$(other "$slot")
    note "$slot"
    fw_setenv "$UBOOT_SLOT" "$target"
    restart "slot $slot is left for $target"
elif command -v grub-editenv >/dev/null 2>&1 && [ -f "$GRUB_ENVIRONMENT" ]; then
    once_a_day
    slot=$(grub-editenv "$GRUB_ENVIRONMENT" list | sed -n "s/^$GRUB_SLOT=//p")
    [ -n "$slot" ] || fail "GRUB has no variable '$GRUB_SLOT' in $GRUB_ENVIRONMENT"
    target=$(other "$slot")
    note "$slot"
    grub-editenv "$GRUB_ENVIRONMENT" set "$GRUB_SLOT=$target"
    restart "slot $slot is left for $target"
else
    fail "there is no 'rauc', no 'fw_setenv' and no 'grub-editenv' here, nothing was done"
fi
