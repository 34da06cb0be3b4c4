# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# kernel: 6.1
# Whatever keeps an NVMe drive alive over unbind and type write makes Linux 6.1 free its memory with the
# wrong operations, and oops. So another process opens its nodes (disk, partition, controller, generic) at
# every moment of a change: the change is done or taken back, and the kernel log stays clean (cases.sh judges
# it).

# One partition, by hand: entry 1 of the table, Linux, 100 MiB from sector 2048 on.
make_partition()
{
    local node
    node=$(node_of "$1")
    dd if=/dev/zero of="$node" bs=512 count=1 conv=notrunc status=none
    printf '\0\0\0\0\x83\0\0\0\0\x08\0\0\0\x20\x03\0' | dd of="$node" bs=1 seek=446 conv=notrunc status=none
    printf '\x55\xaa' | dd of="$node" bs=1 seek=510 conv=notrunc,fsync status=none
    # udev has the table read when it hears that a writer has closed the disk, which it does not while it
    # works on the disk: the write before this one. So the partition is added here, unless udev is first, and
    # udev is told.
    partx --update "$node" || true
    udevadm wait --timeout=60 "${node}p1"
    udevadm trigger --action=change --settle --name-match="$node"
    [[ -b ${node}p1 && -c ${node%n*} && -c /dev/ng${node#/dev/nvme} ]] ||
        fail "not all nodes of $node are there, only: $(echo /dev/n[vg]*)"
}

# open_nodes_during_changes WAY ROUNDS [OPTION…]
open_nodes_during_changes()
{
    local sum
    fill_drive "$free" >/dev/null
    make_partition "$free"
    sum=$(drive_checksum "$free")
    ./racer "${@:3}" "$free" "$1" "$2"
    is 'the data' "$(drive_checksum "$free")" "$sum"
    all_is_whole
}

# The moment is swept.
case_open_at_any_moment()
{
    local times=16
    [[ $full != yes ]] || times=200
    open_nodes_during_changes open "$times"
}

# The worker is stopped at each of its steps while everything is opened.
case_full_open_while_the_worker_stands_still()
{
    if [[ $full == yes ]]; then
        open_nodes_during_changes open 140 --at-steps
    else
        open_nodes_during_changes open 14 --at-steps
    fi
}

# A descriptor on its way through a socket belongs to no process: only the kernel knows that it keeps the
# drive alive.
case_full_open_by_nobody()
{
    local times=8
    [[ $full != yes ]] || times=100
    open_nodes_during_changes passed "$times"
}
