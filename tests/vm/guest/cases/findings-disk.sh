# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# Disks that are in use, each for real: the use is named, and keeps the disk as it is; when it has ended, the
# disk is changed.
# shellcheck source=tests/vm/guest/findings-lib.sh
. ./findings-lib.sh

case_full_findings_nothing_on_a_free_drive()
{
    is 'the list of findings' "$(finding_ids "$free")" ''
    goes_free "$free"
}

case_findings_mount()
{
    local node
    make_file_system "$free"
    node=$(node_of "$free")
    mount "$node" /mnt
    in_use "$free" "mount:/mnt@${node##*/}"
    touch /mnt/still-there
    umount /mnt
    goes_free "$free" --allow "signature:ext4@${node##*/}"
}

case_full_findings_mount_cannot_be_allowed()
{
    local node status=0
    make_file_system "$free"
    node=$(node_of "$free")
    mount "$node" /mnt
    iommuctl set "$free" identity --allow "mount:/mnt@${node##*/}" || status=$?
    is 'the exit status (3: in use)' "$status" 3
    is 'the type' "$(type_of "$free")" DMA-FQ
    touch /mnt/still-there
}

case_full_findings_mount_in_another_mount_namespace()
{
    local node ready
    make_file_system "$free"
    node=$(node_of "$free")
    exec 5< <(exec unshare --mount --propagation private \
        sh -c "mount $node /mnt && echo ready && exec sleep infinity")
    holder=$!
    helpers+=("$holder")
    read -r -t 30 ready <&5
    is 'the helper' "$ready" ready
    not grep -q "^$node " /proc/mounts
    in_use "$free" "mount:/mnt@${node##*/}"
    lets_go
    goes_free "$free" --allow "signature:ext4@${node##*/}"
}

case_full_findings_mount_of_a_partition()
{
    local node sum
    make_partition "$free"
    node=$(node_of "$free")
    mkfs.ext4 -q -F "${node}p1"
    udevadm settle --timeout 60
    mount "${node}p1" /mnt
    head -c 1M /dev/urandom >/mnt/data
    sum=$(sha256sum </mnt/data)
    in_use "$free" "mount:/mnt@${node##*/}p1"
    umount /mnt
    in_use "$free" "signature:dos@${node##*/}" "signature:ext4@${node##*/}p1"
    goes_free "$free" --allow "signature:dos@${node##*/}" --allow "signature:ext4@${node##*/}p1"
    mount "$(node_of "$free")p1" /mnt
    is 'the data' "$(sha256sum </mnt/data)" "$sum"
    umount /mnt
}

case_full_findings_swap()
{
    local node
    node=$(node_of "$free")
    mkswap "$node" >/dev/null
    swapon "$node"
    udevadm settle --timeout 60
    in_use "$free" "swap:swap@${node##*/}"
    swapoff "$node"
    goes_free "$free" --allow "signature:swap@${node##*/}"
}

# An unused mapping holds the disk as a mounted one does.
case_full_findings_holder()
{
    local node
    node=$(node_of "$free")
    dmsetup create test-map --table "0 65536 linear $node 0"
    at_end dmsetup remove --retry test-map
    in_use "$free" "holder:test-map@${node##*/}"
    dmsetup remove --retry test-map
    goes_free "$free"
}

case_full_findings_mount_on_a_holder()
{
    local node
    node=$(node_of "$free")
    dmsetup create test-map --table "0 131072 linear $node 0"
    at_end dmsetup remove --retry test-map
    mkfs.ext4 -q /dev/mapper/test-map
    mount /dev/mapper/test-map /mnt
    at_end umount /mnt
    in_use "$free" "holder:test-map@${node##*/}" "mount:/mnt@${node##*/}>test-map"
    umount /mnt
    dmsetup remove --retry test-map
    # Nothing has told udev that the disk below the mapping was written to.
    udevadm trigger --settle "$node"
    goes_free "$free" --allow "signature:ext4@${node##*/}"
}

case_findings_holder_dm_crypt()
{
    local node
    node=$(node_of "$free")
    make_luks "$node"
    cryptsetup open --key-file /run/passphrase "$node" test-crypt
    at_end cryptsetup close test-crypt
    mkfs.ext4 -q /dev/mapper/test-crypt
    mount /dev/mapper/test-crypt /mnt
    at_end umount /mnt
    in_use "$free" "holder:test-crypt@${node##*/}" "mount:/mnt@${node##*/}>test-crypt"
    umount /mnt
    cryptsetup close test-crypt
    goes_free "$free" --allow "signature:crypto_LUKS@${node##*/}"
}

case_full_findings_holder_logical_volume()
{
    local node
    node=$(node_of "$free")
    make_volume_group "$node"
    lvchange --activate y test-group/test-volume
    at_end lvchange --activate n test-group/test-volume
    udevadm settle --timeout 60
    in_use "$free" "holder:test--group-test--volume@${node##*/}"
    lvchange --activate n test-group/test-volume
    goes_free "$free" --allow "signature:LVM2_member@${node##*/}"
}

case_full_findings_holder_md()
{
    local node
    node=$(node_of "$free")
    make_array "$node"
    in_use "$free" "holder:md127@${node##*/}"
    mdadm --quiet --stop /dev/md127
    goes_free "$free" --allow "signature:linux_raid_member@${node##*/}"
}

case_full_findings_btrfs_over_two_disks()
{
    local one other address sum
    one=$(node_of "$free") other=$(node_of "$mounted")
    mkfs.btrfs --quiet --force --data raid1 --metadata raid1 "$one" "$other"
    udevadm settle --timeout 60
    mount "$one" /mnt
    at_end umount /mnt
    head -c 1M /dev/urandom >/mnt/data
    sum=$(sha256sum </mnt/data)
    in_use "$free" "mount:/mnt@${one##*/}"
    in_use "$mounted" "mount:/mnt@${other##*/}"
    umount /mnt
    goes_free "$free" --allow "signature:btrfs@${one##*/}"
    goes_free "$mounted" --allow "signature:btrfs@${other##*/}"
    udevadm settle --timeout 60
    mount "$(node_of "$mounted")" /mnt
    is 'the data' "$(sha256sum </mnt/data)" "$sum"
}

# The kernel itself has the file, or the disk, open: no process does.
case_full_findings_loop_device_on_the_disk()
{
    local node loop
    node=$(node_of "$free")
    loop=$(losetup --find --show "$node")
    at_end losetup --detach "$loop"
    is 'the list of holders in sysfs' "$(ls "/sys/block/${node##*/}/holders")" ''
    in_use "$free" "holder:${loop##*/}@${node##*/}"
    losetup --detach "$loop"
    goes_free "$free"
}

case_full_findings_loop_device_on_a_file()
{
    local node loop
    mkdir -p /run/inner
    make_file_system "$free"
    node=$(node_of "$free")
    mount "$node" /mnt
    at_end umount /mnt
    truncate -s 16M /mnt/image
    mkfs.ext4 -q -F /mnt/image
    loop=$(losetup --find --show /mnt/image)
    at_end losetup --detach "$loop"
    mount "$loop" /run/inner
    at_end umount /run/inner
    # The outer mount goes from every path but not from the kernel, as the loop device keeps its file open.
    umount --lazy /mnt
    in_use "$free" "mount:ext4/${node##*/}@${node##*/}"
    umount /run/inner
    losetup --detach "$loop"
    goes_free "$free" --allow "signature:ext4@${node##*/}"
}

case_full_findings_root_of_the_machine()
{
    in_use "$(basename "$(readlink -f /sys/block/vda/device/..)")" root:/@vda
}
