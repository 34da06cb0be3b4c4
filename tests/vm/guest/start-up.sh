#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Runs while the start-up of the machine of tests/vm/start-up waits for a passphrase, gives it, and says for
# each step "ok STEP", as cases.sh does for cases.

set -Eeuo pipefail
cd "$(dirname "$0")"
# shellcheck source=tests/vm/guest/lib.sh
. ./lib.sh
# shellcheck source=tests/vm/guest/case-lib.sh
. ./case-lib.sh

change_done=53dd8aaadb1a4f418abc56636b4705a8
startup_finished=b07a249cd024414a82dd00cd181378ff
passed=0

report_failure()
{
    echo "FAIL start_up line $1: $2"
    echo "$passed passed, 1 failed"
}
trap 'report_failure "$LINENO" "$BASH_COMMAND"' ERR

ok()
{
    passed=$((passed + 1))
    echo "ok start_up_$1"
}

is_asked_for_passphrase()
{
    compgen -G '/run/systemd/ask-password/ask.*' >/dev/null
}

# When the first entry of the journal that matches was written, in µs since the kernel started.
time_of()
{
    journalctl --boot --output export "$@" | sed -n 's/^__MONOTONIC_TIMESTAMP=//p' | head -n 1
}

# How often the driver has taken the drive: once at boot, and again after each time that it was unbound.
times_bound()
{
    journalctl --boot --dmesg --output cat | grep -cE "^nvme nvme[0-9]+: pci function $1\$"
}

untouched()
{
    is "the type of $1" "$(type_of "$1")" DMA-FQ
    is "the driver of $1" "$(driver_of "$1")" nvme
    is "how often the driver took $1" "$(times_bound "$1")" 1
}

data=$(address_of MOUNTED) secret=$(address_of FREE) idle=$(address_of MORE0)

wait_until 60 is_asked_for_passphrase
wait_until 60 systemctl --quiet is-active iommu-policyd.service
is 'the start-up' "$(systemctl is-system-running || true)" starting
for drive in "$data" "$secret" "$idle"; do
    wait_until 30 is_pending_for "$drive" settling
done
# Longer than SettleSec=, and with a look at everything after it: what only looks idle is left alone.
sleep 2
manager_call Apply >/dev/null
for drive in "$data" "$secret" "$idle"; do
    untouched "$drive"
    is_pending_for "$drive" settling
done
is 'the start-up' "$(systemctl is-system-running || true)" starting
ok nothing_is_unbound_while_a_passphrase_is_awaited

question=$(compgen -G '/run/systemd/ask-password/ask.*')
printf passphrase | /lib/systemd/systemd-reply-password 1 "$(sed -n 's/^Socket=//p' "$question")"
is 'the start-up' "$(systemctl is-system-running --wait || true)" running
is 'the data disk' "$(cat /srv/data/file)" 'a file of the data disk'
[[ -b /dev/mapper/secret ]]
grep -q 'recovering journal' <<<"$(journalctl --boot --output cat --unit 'systemd-fsck@*')"
ok the_disks_are_checked_opened_and_mounted

# The rule is in earnest: the third drive shows it, and when.
wait_until 120 is_settled "$idle" identity
is 'how often the driver took it' "$(times_bound "$idle")" 2
finished=$(time_of "MESSAGE_ID=$startup_finished")
switched=$(time_of "MESSAGE_ID=$change_done" "IOMMU_DEVICE=$idle")
(( switched > finished ))
ok an_idle_drive_is_switched_when_start_up_is_over

for drive in "$data" "$secret"; do
    wait_until 60 is_pending_for "$drive" in-use
    untouched "$drive"
    is 'changes' "$(time_of "MESSAGE_ID=$change_done" "IOMMU_DEVICE=$drive")" ''
done
ok the_disks_that_came_late_were_never_touched
echo "figure: start-up was over after $((finished / 1000)) ms," \
    "the idle drive switched $(( (switched - finished) / 1000 )) ms later"
echo "$passed passed, 0 failed"
