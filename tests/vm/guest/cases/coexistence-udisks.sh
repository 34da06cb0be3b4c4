# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# machine: neighbours
# udisks2 shows disks to desktops, and mounts them when it is told to: docs/coexistence.md.
# shellcheck source=tests/vm/guest/findings-lib.sh
. ./findings-lib.sh
# shellcheck source=tests/vm/guest/coexistence-lib.sh
. ./coexistence-lib.sh

udisks_starts()
{
    systemctl start udisks2.service
    wait_until 60 is_shown "$free"
}

# is_shown ADDRESS: the object of the drive's disk is there.
is_shown()
{
    local node
    node=$(node_of "$1") &&
        udisksctl info --block-device "$node" >/run/udisks-info 2>&1
}

# What udisks2 tells of its objects, into /run/udisks-events, until the case ends.
listen_to_udisks()
{
    exec 5< <(exec busctl monitor --match="type='signal',sender='org.freedesktop.UDisks2'" 2>&1)
    helpers+=("$!")
    read -r -t 60 _ <&5
    (cat <&5 >/run/udisks-events) &
    helpers+=("$!")
}

# has_told SIGNAL NODE
has_told()
{
    grep -A 30 "Member=$1" /run/udisks-events | grep -qF "/block_devices/${2##*/}"
}

# A drive with a file system on it that nobody has mounted is changed while udisks2 runs: its object goes and comes, and
# nobody mounts it.
case_full_udisks_sees_a_drive_go_and_come()
{
    local node before
    make_file_system "$free"
    udisks_starts
    node=$(node_of "$free")
    before=$(sort /proc/self/mounts)
    listen_to_udisks
    goes_free "$free" --allow "signature:ext4@${node##*/}"
    wait_until 60 is_shown "$free"
    grep -q 'IdType: *ext4' /run/udisks-info || fail "udisks2 shows $(</run/udisks-info)"
    wait_until 30 has_told InterfacesRemoved "$node"
    wait_until 30 has_told InterfacesAdded "$(node_of "$free")"
    is 'what is mounted' "$(sort /proc/self/mounts)" "$before"
    is 'the list of mounts as udisks2 shows it' "$(grep -c 'MountPoints: *[^ ]' /run/udisks-info || true)" 0
}

case_full_udisks_mount_is_a_finding()
{
    local node where
    make_file_system "$free"
    udisks_starts
    node=$(node_of "$free")
    at_end udisksctl unmount --no-user-interaction --block-device "$node"
    udisksctl mount --no-user-interaction --block-device "$node"
    where=$(findmnt --noheadings --output TARGET "$node")
    [[ $where == /media/* || $where == /run/media/* ]] || fail "it is mounted at $where"
    echo kept >"$where/file"
    idle_rule "$free" identity
    printf 'Accept=signature\n' >>"$rules/50-idle.conf"
    iommuctl reload
    in_use "$free" "mount:$where@${node##*/}"
    wait_until 30 is_pending_for "$free" in-use
    udisksctl unmount --no-user-interaction --block-device "$node"
    wait_until 60 is_settled "$free" identity
    wait_until 60 is_shown "$free"
    node=$(node_of "$free")
    udisksctl mount --no-user-interaction --block-device "$node"
    at_end udisksctl unmount --no-user-interaction --block-device "$node"
    is 'the file' "$(cat "$(findmnt --noheadings --output TARGET "$node")/file")" kept
    udisksctl unmount --no-user-interaction --block-device "$node"
}

# A loop device that udisks2 has made of a file on the drive keeps the file system, and so the drive, busy.
case_full_udisks_loop_device()
{
    local node loop
    make_file_system "$free"
    udisks_starts
    node=$(node_of "$free")
    mount "$node" /mnt
    at_end umount /mnt
    truncate -s 16M /mnt/image
    udisksctl loop-setup --no-user-interaction --file /mnt/image
    loop=$(losetup --noheadings --output NAME --associated /mnt/image)
    at_end losetup --detach "$loop"
    umount --lazy /mnt
    in_use "$free" "mount:ext4/${node##*/}@${node##*/}"
    udisksctl loop-delete --no-user-interaction --block-device "$loop"
    goes_free "$free" --allow "signature:ext4@${node##*/}"
}

# udisks2 opens the disk for each rescan, has the kernel read its partition table, and udev look what is on it: as often as
# it can, in the background.
rescan_all_the_time()
{
    local node
    while :; do
        for node in /sys/block/nvme*; do
            busctl call org.freedesktop.UDisks2 "/org/freedesktop/UDisks2/block_devices/${node##*/}" \
                org.freedesktop.UDisks2.Block Rescan 'a{sv}' 0 && echo
        done
    done >/run/rescans 2>/run/rescan-errors
}

# Our exclusive claim of a disk and the looks of udev and udisks2 at it: a change is done, or it is refused as udisks2 has the
# disk open just then, and done when it is asked for again.
case_full_udisks_and_our_claims()
{
    local sum round=0 refused=0 status
    sum=$(fill_drive "$free")
    udisks_starts
    : >/run/seen
    rescan_all_the_time &
    helpers+=("$!")
    while (( round < 6 )); do
        status=0
        iommuctl set "$free" "$(other_type "$free")" >/run/set 2>&1 || status=$?
        if (( status == 0 )); then
            round=$((round + 1))
            continue
        fi
        is 'the exit status (3: in use)' "$status" 3
        # Open, or so new that udev has not said yet what is on it.
        grep -qE 'in use \(((export|unknown):nvme[^ ]*@[^ ]* ?)+\)' /run/set || fail "refused: $(</run/set)"
        (( (refused += 1) < 12 )) || fail "refused $refused times"
        iommuctl usage "$free" >>/run/seen
    done
    kill "${helpers[-1]}"
    wait "${helpers[-1]}" || true
    echo "figure: $round changes beside $(wc -l </run/rescans) rescans, $refused refused; open then, if still: $(grep -oE 'pid [0-9]+ \([^)]*\)' /run/seen | paste -sd ,)"
    sed 's/nvme[0-9]*n[0-9]*/DISK/g' /run/rescan-errors | sort | uniq -c | sed 's/^/figure: of the rescans failed: /'
    [[ -s /run/rescans ]] || fail 'no rescan was done'
    udevadm settle --timeout 60
    wait_until 60 is_shown "$free"
    is 'the data' "$(drive_checksum "$free")" "$sum"
    all_is_whole
}

disk_is_shown()
{
    [[ -b /dev/sda ]] && udisksctl info --block-device /dev/sda >/dev/null 2>&1
}

usb_controller()
{
    controller=$(nic_with_driver xhci_hcd)
    [[ -e /sys/bus/pci/devices/$controller ]]
}

disk_is_gone()
{
    [[ ! -e /sys/block/sda ]]
}

# A USB disk that udisks2 has switched off is gone: what it was in the way of is done by itself.
case_full_udisks_power_off()
{
    local controller
    udisks_starts
    host_request plug usb
    at_end host_request unplug usb
    wait_until 60 usb_controller
    host_request plug usb-disk
    at_end host_request unplug usb-disk
    wait_until 60 disk_is_shown
    mkfs.ext4 -q -F /dev/sda
    udevadm settle --timeout 60
    udisksctl mount --no-user-interaction --block-device /dev/sda
    has_finding "$controller" mount:
    idle_rule "$controller" identity
    wait_until 30 is_pending_for "$controller" in-use
    udisksctl unmount --no-user-interaction --block-device /dev/sda
    udisksctl power-off --no-user-interaction --block-device /dev/sda
    wait_until 30 disk_is_gone
    wait_until 90 is_settled "$controller" identity
    is 'the driver' "$(driver_of "$controller")" xhci_hcd
}
