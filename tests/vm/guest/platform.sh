#!/bin/bash
# shellcheck disable=SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Devices that are not on PCI (tests/vm/cross/run --platform-devices): they are shown, switched and matched
# by rules as those on PCI are. Each case is a line "ok NAME" or "FAIL NAME CAUSE".

cd "$(dirname "$0")" || exit 1
# shellcheck source=tests/vm/guest/lib.sh
. ./lib.sh
# A disk with its driver, the same without one, and the clock.
disk=platform:a000200.virtio_mmio idle=platform:a000000.virtio_mmio clock=amba:9010000.pl031
passed=0 failed=0

# Any command that fails ends the case.
run_case()
{
    local log
    log=$(mktemp)
    (set -Eeuo pipefail; trap 'echo "line $LINENO: \"$BASH_COMMAND\" gave $?"' ERR; "case_$1") >"$log" 2>&1 &
    if wait $!; then
        echo "ok $1"
        passed=$((passed + 1))
    else
        echo "FAIL $1 $(tail -n 1 "$log")"
        sed 's/^/   | /' "$log"
        failed=$((failed + 1))
    fi
}

# is WHAT ACTUAL EXPECTED
is()
{
    [[ $2 == "$3" ]] || { echo "$1 is \"$2\", expected \"$3\""; return 1; }
}

folder_of()
{
    echo "/sys/bus/${1%%:*}/devices/${1#*:}"
}

type_now()
{
    cat "$(folder_of "$1")/iommu_group/type"
}

driver_now()
{
    local link
    link=$(readlink "$(folder_of "$1")/driver") || return 0
    echo "${link##*/}"
}

# The disk's node, which may be another after its driver has been bound again.
disk_node()
{
    local node
    for node in "$(folder_of "$disk")"/virtio*/block/*; do
        [[ -e $node/size ]] && { echo "/dev/${node##*/}"; return; }
    done
    return 1
}

checksum()
{
    local sum
    udevadm settle --timeout 60
    sum=$(dd if="$(disk_node)" bs=1M count=4 iflag=direct status=none | sha256sum)
    echo "${sum%% *}"
}

# property DEVICE NAME
property()
{
    local path
    path=$(busctl call "$bus_name" "$manager_path" "$bus_name.Manager" GetDevice s "$1" |
        sed 's/^o "\(.*\)"$/\1/')
    busctl get-property "$bus_name" "$path" "$bus_name.Device" "$2" |
        sed -e 's/^[a-z()]* //' -e 's/^"\(.*\)"$/\1/'
}

# client STATUS WORD…: iommuctl, which must end with this status; what it says is then in $said.
client()
{
    local expected=$1 status=0
    shift
    said=$(iommuctl "$@" 2>&1) || status=$?
    (( status == expected )) ||
        { echo "iommuctl $* ended with $status instead of $expected: $said"; return 1; }
}

case_groups()
{
    local device
    for device in "$disk" "$idle" "$clock"; do
        is "the group of $device" "$(property "$device" Group)" \
            "/org/iommupolicy1/group/$(basename "$(readlink -f "$(folder_of "$device")/iommu_group")")"
        is 'its bus' "$(property "$device" Bus)" "${device%%:*}"
        is 'its name' "$(property "$device" Name)" "${device#*:}"
        is 'its driver' "$(property "$device" Driver)" "$(driver_now "$device")"
        is 'its IOMMU' "$(property "$device" Iommu)" smmu-v3
    done
    busctl tree --list "$bus_name" | grep -qx /org/iommupolicy1/device/platform/a000200_2evirtio_5fmmio
    busctl tree --list "$bus_name" | grep -qx /org/iommupolicy1/device/amba/_39010000_2epl031
}

# By its node, too.
case_lookup()
{
    client 0 show "$disk"
    [[ $said == *a000200.virtio_mmio* ]]
    client 0 show "$(disk_node)"
    [[ $said == *a000200.virtio_mmio* ]]
}

case_disk()
{
    local type sum
    head -c 4M /dev/urandom | dd of="$(disk_node)" bs=1M iflag=fullblock oflag=direct conv=fsync status=none
    sum=$(checksum)
    for type in identity DMA DMA-FQ identity DMA-FQ DMA; do
        client 0 set "$disk" "$type"
        is 'the type' "$(type_now "$disk")" "$type"
        is 'the driver' "$(driver_now "$disk")" virtio-mmio
        is 'the data' "$(checksum)" "$sum"
    done
    is 'driver_override' "$(cat "$(folder_of "$disk")/driver_override")" '(null)'
    client 0 revert "$disk"
}

case_mounted_disk()
{
    mkfs.ext4 -q -F "$(disk_node)"
    udevadm settle --timeout 60
    mount "$(disk_node)" /mnt
    client 3 set "$disk" identity
    umount /mnt
    [[ $said == *mount:/mnt* ]]
    is 'the type' "$(type_now "$disk")" DMA
}

case_without_driver()
{
    local type
    is 'the driver' "$(driver_now "$idle")" ''
    for type in identity DMA; do
        client 0 set "$idle" "$type"
        is 'the type' "$(type_now "$idle")" "$type"
    done
    client 0 revert "$idle"
}

# Nobody takes the clock from the system; its type can be changed while it runs.
case_clock()
{
    client 3 set "$clock" identity
    [[ $said == *rtc* ]]
    is 'the driver' "$(driver_now "$clock")" rtc-pl031
    client 0 set "$clock" DMA-FQ
    is 'the type' "$(type_now "$clock")" DMA-FQ
    cat "$(folder_of "$clock")"/rtc/rtc0/time >/dev/null
}

has_type()
{
    [[ $(type_now "$1") == "$2" ]]
}

# By the bus alone, and by bus and name; what is on PCI is not meant.
case_rules()
{
    local pci=/sys/bus/pci/devices/0000:00:04.0/iommu_group/type
    printf '[Match]\nBus=amba\nAddress=9030000.pl061\n[Policy]\nType=DMA-FQ\n' >"$rules/20-gpio.conf"
    printf '[Match]\nBus=platform\nAddress=a000000.*\n[Policy]\nType=identity\nUnbind=idle\n' \
        >"$rules/30-idle.conf"
    printf '[Match]\nBus=platform\n[Policy]\nType=DMA-FQ\n' >"$rules/40-platform.conf"
    is 'what Reload says' "$(busctl call "$bus_name" "$manager_path" "$bus_name.Manager" Reload)" \
        'a(suuss) 0'
    wait_until 60 has_type "$disk" DMA-FQ
    wait_until 60 has_type amba:9030000.pl061 DMA-FQ
    wait_until 60 has_type "$idle" identity
    is 'the type of what is on PCI' "$(cat "$pci")" DMA
    [[ $(property "$disk" RuleOrigin) == *40-platform.conf* ]]
    rm "$rules"/{20-gpio,30-idle,40-platform}.conf
}

mkdir -p "$rules" /etc/iommu-policy
printf '[Daemon]\nSettleSec=1\n' >/etc/iommu-policy/daemon.conf
systemctl start iommu-policyd.service
iommuctl list
for name in groups lookup disk mounted_disk without_driver clock rules; do
    run_case "$name"
done
if dmesg | grep -E 'Oops|kernel BUG|BUG: |WARNING: |unable to handle'; then
    echo 'FAIL kernel_log see above'
    failed=$((failed + 1))
fi
echo "$passed passed, $failed failed"
exit $((failed > 0))
