# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# Disks that carry something nobody uses now: refused, and done for who allows it by its id; the data stays.
# shellcheck source=tests/vm/guest/findings-lib.sh
. ./findings-lib.sh

# carries ADDRESS TYPE
carries()
{
    local address=$1 node sum
    node=$(node_of "$address")
    udevadm settle --timeout 60
    sum=$(drive_checksum "$address")
    in_use "$address" "signature:$2@${node##*/}"
    goes_free "$address" --allow "signature:$2@${node##*/}"
    is 'the data' "$(drive_checksum "$address")" "$sum"
}

case_findings_signature_luks_never_opened()
{
    make_luks "$(node_of "$free")"
    carries "$free" crypto_LUKS
}

case_full_findings_signature_inactive_physical_volume()
{
    make_volume_group "$(node_of "$free")"
    carries "$free" LVM2_member
    is 'the volume group' "$(lvs --noheadings --options vg_name,lv_name | xargs)" 'test-group test-volume'
}

case_full_findings_signature_md_member()
{
    make_array "$(node_of "$free")"
    mdadm --quiet --stop /dev/md127
    carries "$free" linux_raid_member
    mdadm --quiet --assemble --run /dev/md127 "$(node_of "$free")"
}

# No partition table: nothing but the file system itself says that there is data.
case_full_findings_signature_ext4_on_the_whole_disk()
{
    local sum
    make_file_system "$free"
    mount "$(node_of "$free")" /mnt
    head -c 1M /dev/urandom >/mnt/data
    sum=$(sha256sum </mnt/data)
    umount /mnt
    carries "$free" ext4
    mount "$(node_of "$free")" /mnt
    is 'the data' "$(sha256sum </mnt/data)" "$sum"
    umount /mnt
}

case_full_findings_signature_of_another_id_does_not_help()
{
    make_file_system "$free"
    refused NoSuchFinding switch "$free" identity "{'allow': <['signature:nothing@nowhere']>}"
    is 'the type' "$(type_of "$free")" DMA-FQ
}

# What udev has not seen yet: only the active probe, in the worker, finds it.
case_full_findings_signature_that_udev_does_not_know()
{
    local node
    node=$(node_of "$free")
    udevadm control --stop-exec-queue
    at_end udevadm control --start-exec-queue
    mkfs.ext4 -q -F "$node"
    refused InUse switch "$free" identity
    [[ $refusal == *"signature:ext4@${node##*/}"* ]] || fail "the refusal does not name it: $refusal"
    is 'the type' "$(type_of "$free")" DMA-FQ
    is 'the driver' "$(driver_of "$free")" nvme
    # Its id can be allowed although no plan lists it.
    goes_free "$free" --allow "signature:ext4@${node##*/}"
}
