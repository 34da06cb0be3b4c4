# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# machine: amd
# A bind that fails for real: QEMU's AMD-Vi does not translate for what is behind a port, so that the drive
# there works in identity only, and with DMA its driver gets no answer. Linux 6.1 says that it has bound it,
# and takes the driver away some seconds later; 6.12 says EIO.

is_back_as_it_was()
{
    local last
    is 'the type' "$(type_of "$behind")" identity
    is 'the driver' "$(driver_of "$behind")" nvme
    is 'driver_override' "$(cat "/sys/bus/pci/devices/$behind/driver_override")" '(null)'
    is 'the data' "$(drive_checksum "$behind")" "$1"
    is 'State' "$(group_property "$behind" State)" failed
    last=$(group_property "$behind" LastResult)
    grep -qE "^[0-9]+ \"DMA\" \"$bus_name\.Error\.RebindFailed\" \".*$behind" <<<"$last" ||
        fail "LastResult is $last"
    all_is_whole
}

journal_names_the_failure()
{
    journalctl --sync
    # Without a filter: journalctl of systemd 252 skips the first entry that passes it.
    journalctl --after-cursor "$1" --output cat |
        grep -E "^group $(group_of "$behind"): change to DMA not done .*$behind" >/dev/null
}

fails_and_is_undone()
{
    local rounds=$1 round sum cursor begin took=()
    behind=$(address_of BEHIND)
    sum=$(fill_drive "$behind")
    for (( round = 0; round < rounds; round++ )); do
        cursor=$(journalctl --show-cursor --lines 0 | sed -n 's/^-- cursor: //p')
        begin=${EPOCHREALTIME/./}
        refused RebindFailed switch "$behind" DMA
        took+=("$(( (${EPOCHREALTIME/./} - begin) / 1000 ))")
        is_back_as_it_was "$sum"
        journal_names_the_failure "$cursor" || fail "the journal does not name the failure of round $round"
    done
    echo "figure: $rounds failed binds undone, in so many ms: ${took[*]}"
    echo "figure: the last refusal: $refusal"
}

case_rebind_that_fails_is_undone()
{
    fails_and_is_undone 2
}

case_full_rebind_that_fails_is_undone_20_times()
{
    fails_and_is_undone 20
}

# A drive on the root bus: its driver gets its answers.
case_full_rebind_works_for_a_drive_that_is_translated()
{
    local sum type
    sum=$(fill_drive "$free")
    for type in identity DMA identity; do
        switch "$free" "$type"
        is 'the type' "$(type_of "$free")" "$type"
        is 'the data' "$(drive_checksum "$free")" "$sum"
    done
}
