#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Run by tests/vm/next-boot in both boots of one machine: what the daemon promises in the first is so in the
# second. Says "ok STEP" for each step, as cases.sh does for cases.

set -Eeuo pipefail
cd "$(dirname "$0")"
# shellcheck source=tests/vm/guest/lib.sh
. ./lib.sh
# shellcheck source=tests/vm/guest/case-lib.sh
. ./case-lib.sh

first_boot=/var/lib/iommu-policy-test-first-boot
early_pass=1d8e4c66a2b44c69bdf2be17dba02afd
free=$(address_of FREE) mounted=$(address_of MOUNTED)
root=$(basename "$(readlink -f /sys/class/block/vda/device/..)")
passed=0

report_failure()
{
    echo "FAIL next_boot line $1: $2"
    echo "$passed passed, 1 failed"
}
trap 'report_failure "$LINENO" "$BASH_COMMAND"' ERR

ok()
{
    passed=$((passed + 1))
    echo "ok next_boot_$1"
}

# says TEXT COMMAND…
says()
{
    local said
    said=$("${@:2}" 2>&1 || true)
    grep -qF -- "$1" <<<"$said" || fail "\"$1\" is not in what ${*:2} says: $said"
}

times_bound()
{
    journalctl --boot --dmesg --output cat | grep -cE "^nvme nvme[0-9]+: pci function $1\$"
}

# The rules are for drives that are bound, and allow no unbind; one is written by `persist`.
ask_for_next_boot()
{
    wait_until 60 is_settled "$free" DMA-FQ
    printf '[Match]\nAddress=%s %s\n[Policy]\nType=identity\n' "$free" "$root" >"$rules/30-next.conf"
    iommuctl reload
    wait_until 30 is_pending_for "$free" next-boot
    is 'the type' "$(type_of "$free")" DMA-FQ
    says 'at the next boot: identity, before its driver, by /etc/iommu-policy.d/30-next.conf:4' \
        iommuctl show "$free"
    ok a_rule_without_leave_to_unbind_is_left_to_it

    # The driver of the root disk is loaded in the initramfs, which has no part of ours here.
    wait_until 30 is_pending_for "$root" unbind-not-allowed
    says 'in use for as long as the machine runs' iommuctl set "$root" identity
    ok what_its_pass_will_not_reach_is_not_promised

    iommuctl set "$mounted" DMA --persist
    is 'InitramfsStale' "$(manager_property InitramfsStale)" false
    ok persist_writes_for_it
    date >"$first_boot"
    echo '==> booting again'
    systemctl reboot
    exec sleep infinity
}

look_at_what_became_of_it()
{
    wait_until 60 is_settled "$free" identity
    wait_until 60 is_settled "$mounted" DMA
    says "identity was set before its driver by the early pass of the host" iommuctl why "$free"
    says "DMA was set before its driver by the early pass of the host" iommuctl why "$mounted"
    says "05-call-pci-$mounted.conf" iommuctl why "$mounted"
    says 'Last change' iommuctl show "$free"
    for drive in "$free" "$mounted"; do
        is "how often the driver took $drive" "$(times_bound "$drive")" 1
    done
    ok what_was_promised_is_so_and_nothing_was_unbound

    wait_until 30 is_pending_for "$root" unbind-not-allowed
    is 'what the pass has set' "$(journalctl --boot --output cat --output-fields IOMMU_SET \
        "MESSAGE_ID=$early_pass" IOMMU_STAGE=host | sort -u)" 2
    ok the_rest_is_as_before
    echo "$((passed + 3)) passed, 0 failed"
}

if [[ -e $first_boot ]]; then
    look_at_what_became_of_it
else
    ask_for_next_boot
fi
