# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# Disks that others have open: processes, and the kernel's own targets.
# shellcheck source=tests/vm/guest/findings-lib.sh
. ./findings-lib.sh

case_full_findings_open_disk()
{
    local node
    node=$(node_of "$free")
    holds_open "$node"
    in_use "$free" "export:${node##*/}@$free"
    lets_go
    goes_free "$free"
}

case_full_findings_open_partition()
{
    local node
    make_partition "$free"
    node=$(node_of "$free")
    holds_open "${node}p1"
    in_use "$free" "export:${node##*/}p1@$free" "signature:dos@${node##*/}"
    lets_go
    goes_free "$free" --allow "signature:dos@${node##*/}"
}

# The nodes of the controller and of its name space as a character device.
case_full_findings_open_character_nodes()
{
    local node controller generic
    node=$(node_of "$free")
    controller=${node%n*}
    generic=/dev/ng${node#/dev/nvme}
    holds_open "$controller" "$generic"
    in_use "$free" "export:${controller##*/}@$free" "export:${generic##*/}@$free"
    lets_go
    goes_free "$free"
}

# A process that has the disk open, for what is not known: who it is, is said to root alone.
case_findings_open_disk_names_the_process_to_root()
{
    holds_open "$(node_of "$free")"
    iommuctl usage "$free" >/run/usage
    grep -qw "$holder" /run/usage || fail "root is not told the process $holder: $(cat /run/usage)"
    as_user 65534 iommuctl usage "$free" >/run/usage
    grep -q export: /run/usage || fail "the finding is kept from nobody: $(cat /run/usage)"
    not grep -qw "$holder" /run/usage
}

case_findings_export_nvmet()
{
    local node space=/sys/kernel/config/nvmet/subsystems/test-subsystem
    node=$(node_of "$free")
    modprobe nvmet
    mkdir "$space"
    at_end rmdir "$space"
    mkdir "$space/namespaces/1"
    at_end rmdir "$space/namespaces/1"
    printf %s "$node" >"$space/namespaces/1/device_path"
    echo 1 >"$space/namespaces/1/enable"
    at_end eval "echo 0 >$space/namespaces/1/enable"
    in_use "$free" "export:nvmet/test-subsystem/1@${node##*/}"
    echo 0 >"$space/namespaces/1/enable"
    goes_free "$free"
}

case_full_findings_export_lio()
{
    local node backstore=/sys/kernel/config/target/core/iblock_0
    node=$(node_of "$free")
    modprobe target_core_iblock
    mkdir "$backstore"
    at_end rmdir "$backstore"
    mkdir "$backstore/test-export"
    at_end rmdir "$backstore/test-export"
    echo "udev_path=$node" >"$backstore/test-export/control"
    echo 1 >"$backstore/test-export/enable"
    in_use "$free" "export:target/iblock_0/test-export@${node##*/}"
    rmdir "$backstore/test-export"
    goes_free "$free"
}

# The target holds the disk, but what would tell of it is out of sight: only an exclusive opening finds it.
case_full_findings_excl()
{
    local node backstore=/sys/kernel/config/target/core/iblock_0
    node=$(node_of "$free")
    modprobe target_core_iblock
    mkdir "$backstore" "$backstore/test-export"
    at_end rmdir "$backstore/test-export" "$backstore"
    echo "udev_path=$node" >"$backstore/test-export/control"
    echo 1 >"$backstore/test-export/enable"
    umount /sys/kernel/config
    at_end mount -t configfs configfs /sys/kernel/config
    iommuctl plan "$free" identity
    refused InUse switch "$free" identity
    [[ $refusal == *excl:${node##*/}* ]] || fail "$refusal"
    mount -t configfs configfs /sys/kernel/config
    rmdir "$backstore/test-export" "$backstore"
    goes_free "$free"
}
