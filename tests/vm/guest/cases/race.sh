# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# Changes of a disk for which somebody else reaches at the same time: ../racer says who won, and judges each
# round.

# What the kernel says when a file system or a disk was taken away under a use.
lost_under_use()
{
    journalctl --dmesg --no-pager --after-cursor "$1" --output cat |
        grep -iE -e 'shut ?down|I/O error|emergency|EXT4-fs (error|warning)|JBD2: .*error' \
            -e 'lost async page write|Read-error on swap'
}

journal_cursor()
{
    journalctl --show-cursor --lines 0 | sed -n 's/^-- cursor: //p'
}

# race WAY ROUNDS [OPTION…]
race()
{
    local way=$1 rounds=$2 cursor lines
    shift 2
    cursor=$(journal_cursor)
    # The kernel has a line for each mount that is refused: they are for the journal alone.
    dmesg --console-level 1
    ./racer "$@" "$free" "$way" "$rounds"
    journalctl --sync
    not lost_under_use "$cursor"
    all_is_whole
}

disk_with_file_system()
{
    make_file_system "$free"
    mount "$(node_of "$free")" /mnt
    # Without a zero byte: what the contender reads is judged by that.
    head -c 256K /dev/zero | tr '\0' x >/mnt/content
    umount /mnt
    udevadm settle --timeout 60
}

file_system_is_clean()
{
    fsck.ext4 -fn "$(node_of "$free")"
}

race_of_mounts()
{
    disk_with_file_system
    race "$1" "$2"
    file_system_is_clean
}

case_race_mount()
{
    race_of_mounts mount 50
}

case_full_race_mount_1000_rounds()
{
    race_of_mounts mount 1000
}

case_full_race_mount_in_another_namespace()
{
    race_of_mounts namespace 100
}

case_full_race_swap()
{
    mkswap -q "$(node_of "$free")"
    udevadm settle --timeout 60
    race swap 100
}

# What pvcreate, mdadm and mkfs do.
case_full_race_exclusive()
{
    race_of_mounts exclusive 100
}
