#!/bin/bash
# shellcheck disable=SC2154
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The budgets that only a real kernel can show, as rows of tests/bench (see tests/bench/README.md). Needs the
# machine with eight more drives: tests/vm/run --drives 8 bench.sh

set -Eeuo pipefail
cd "$(dirname "$0")"
# shellcheck source=tests/vm/guest/lib.sh
. ./lib.sh
# shellcheck source=tests/vm/guest/case-lib.sh
. ./case-lib.sh
trap 'echo "line $LINENO: \"$BASH_COMMAND\" gave $?"' ERR

rounds=10

now()
{
    echo "${EPOCHREALTIME/./}"
}

median()
{
    sort -n | sed -n "$((rounds / 2 + 1))p"
}

# row WHAT LIMIT FLOOR FLOOR-IS OURS [MOST REASON]: times in µs, shown in ms.
row()
{
    awk -v what="$1" -v limit="$2" -v floor="$3" -v floor_is="$4" -v ours="$5" -v most="${6-}" \
        -v reason="${7-}" 'BEGIN {
        verdict = (most == "") ? "reported" : ours <= most + 0 ? "held" : "MISSED | " reason
        ratio = floor > 0 ? sprintf("%.2f", ours / floor) : "-"
        printf("%s | %s | %.4g ms (%s) | %.4g ms | %s | %s\n",
            what, limit, floor / 1000, floor_is, ours / 1000, ratio, verdict)
    }'
}

# What an administrator's script does, without any look at who uses the device.
change_by_script()
{
    local address=$1 type=$2 driver
    driver=$(basename "$(readlink "/sys/bus/pci/devices/$address/driver")")
    echo "$address" >"/sys/bus/pci/drivers/$driver/unbind"
    echo "$type" >"/sys/bus/pci/devices/$address/iommu_group/type"
    echo "$address" >"/sys/bus/pci/drivers/$driver/bind"
}

# timed COMMAND…: its µs, and what it says on stderr.
timed()
{
    local begin
    begin=$(now)
    "$@" >&2
    echo $(($(now) - begin))
}

other_type()
{
    [[ $(type_of "$1") == DMA-FQ ]] && echo identity || echo DMA-FQ
}

# The changes that the daemon has reported since CURSOR: "WORKER KERNEL" in µs, one a line.
reported_times()
{
    journalctl --sync
    journalctl --unit iommu-policyd.service --after-cursor "$1" --output export \
        --output-fields IOMMU_WORKER_USEC,IOMMU_KERNEL_USEC |
        awk -F = '/^IOMMU_WORKER_USEC=/ { worker = $2 } /^IOMMU_KERNEL_USEC=/ { kernel = $2 }
            /^$/ { if (worker) print worker, kernel; worker = kernel = 0 }
            END { if (worker) print worker, kernel }'
}

# After a change the disk's nodes are probed by udev; that is not part of the next change.
after_change()
{
    udevadm settle --timeout 60
}

measure_change()
{
    local cursor i script=() ours=() times reason='no reason is known'
    for (( i = 0; i < rounds; i++ )); do
        script+=("$(timed change_by_script "$free" "$(other_type "$free")")")
        after_change
    done
    systemctl restart iommu-policyd.service
    cursor=$(journalctl --show-cursor --lines 0 | sed -n 's/^-- cursor: //p')
    for (( i = 0; i < rounds; i++ )); do
        ours+=("$(timed set_type "$free" "$(other_type "$free")")")
        after_change
    done
    times=$(reported_times "$cursor")
    is 'the number of reported changes' "$(wc -l <<<"$times")" "$rounds"
    if grep -q '^model name.* TCG' /proc/cpuinfo; then
        reason='the processor is emulated: one find(1) over all open files, of which the worker needs'
        reason+=" two, takes $(($(timed look_at_open_files) / 1000)) ms here"
    fi
    row "change in the machine, worker's own time" '5 ms' 0 'nothing' \
        "$(awk '{ print $1 - $2 }' <<<"$times" | median)" \
        5000 "$reason"
    row 'change in the machine, call to reply' 'none' "$(printf '%s\n' "${script[@]}" | median)" \
        'script of three writes' \
        "$(printf '%s\n' "${ours[@]}" | median)"
    row 'change in the machine, the part of the kernel' 'none' "$(printf '%s\n' "${script[@]}" | median)" \
        'script of three writes' "$(awk '{ print $2 }' <<<"$times" | median)"
}

change_all()
{
    local address pids=()
    for address; do
        set_type "$address" "$(other_type "$address")" &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do
        wait "$pid"
    done
}

measure_eight()
{
    local i address slowest=0 took all
    local drives=()
    for (( i = 0; i < 8; i++ )); do
        drives+=("$(address_of "MORE$i")")
    done
    for address in "${drives[@]}"; do
        took=$(timed change_all "$address")
        after_change
        (( took <= slowest )) || slowest=$took
    done
    all=$(timed change_all "${drives[@]}")
    after_change
    row 'eight groups at once in the machine' 'none' "$slowest" 'the slowest alone' "$all"
}

# What an emulated processor makes of the worker's look at every open file, which it has to take twice.
look_at_open_files()
{
    find /proc/[0-9]*/fd -lname "$(node_of "$free")" 2>/dev/null || true
}

find_drives
make_fresh
measure_change
measure_eight
