# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# What stands in the way of a disruptive change, made for real: each is seen, named, and keeps the device as it is.

case_findings_nothing_on_a_free_drive()
{
    is 'the list of findings' "$(finding_ids "$free")" ''
    switch "$free" identity
    is 'the type' "$(type_of "$free")" identity
}

case_findings_mount()
{
    local node
    make_file_system "$free"
    node=$(node_of "$free")
    mount "$node" /mnt
    stays_refused "$free" "mount:/mnt@${node##*/}"
    grep -qF "mount:/mnt@${node##*/}" <<<"$refusal"
    touch /mnt/still-there
    umount /mnt
    has_no_finding "$free" mount:
}

case_findings_mount_in_another_mount_namespace()
{
    local node ready
    make_file_system "$free"
    node=$(node_of "$free")
    exec 5< <(exec unshare --mount --propagation private \
        sh -c "mount $node /mnt && echo ready && exec sleep infinity")
    helpers+=($!)
    read -r -t 30 ready <&5
    is 'the helper' "$ready" ready
    not grep -q "^$node " /proc/mounts
    stays_refused "$free" mount:/mnt@
}

case_findings_swap()
{
    local node
    node=$(node_of "$free")
    mkswap "$node" >/dev/null
    swapon "$node"
    stays_refused "$free" swap:
    swapoff "$node"
    has_no_finding "$free" swap:
}

# An unused mapping holds the disk as a mounted one does.
case_findings_holder()
{
    local node
    node=$(node_of "$free")
    dmsetup create test-map --table "0 65536 linear $node 0"
    trap 'dmsetup remove --retry test-map || true; end_helpers' EXIT
    stays_refused "$free" holder:
}

case_findings_mount_on_a_holder()
{
    local node
    node=$(node_of "$free")
    dmsetup create test-map --table "0 131072 linear $node 0"
    trap 'umount -q /mnt; dmsetup remove --retry test-map || true; end_helpers' EXIT
    mkfs.ext4 -q /dev/mapper/test-map
    mount /dev/mapper/test-map /mnt
    stays_refused "$free" "mount:/mnt@${node##*/}>"
}

# The kernel itself has the file, or the disk, open: no process does.
loop=
case_findings_loop_device_on_the_disk()
{
    loop=$(losetup --find --show "$(node_of "$free")")
    trap 'losetup --detach "$loop"; end_helpers' EXIT
    is 'the list of holders in sysfs' "$(ls "/sys/block/$(basename "$(node_of "$free")")/holders")" ''
    stays_refused "$free" holder:
}

case_findings_mount_through_a_loop_device()
{
    mkdir -p /run/inner
    make_file_system "$free"
    mount "$(node_of "$free")" /mnt
    truncate -s 16M /mnt/image
    mkfs.ext4 -q -F /mnt/image
    loop=$(losetup --find --show /mnt/image)
    mount "$loop" /run/inner
    trap 'umount -q /run/inner; losetup --detach "$loop" || true; umount -q /mnt || true; end_helpers' EXIT
    # The outer mount goes from every path but not from the kernel, as the loop device keeps its file open.
    umount --lazy /mnt
    refused InUse switch "$free" identity
    is 'the type' "$(type_of "$free")" DMA-FQ
    is 'the driver' "$(driver_of "$free")" nvme
}

# A process that has the disk open, for what is not known: who it is, is said to root alone.
case_findings_open_disk_names_the_process_to_root()
{
    local reader
    exec 5< <(exec sh -c "exec 3<$(node_of "$free"); echo ready; exec sleep infinity")
    reader=$!
    helpers+=("$reader")
    read -r -t 30 _ <&5
    stays_refused "$free" unknown:
    iommuctl usage "$free" >/run/usage
    grep -qw "$reader" /run/usage || fail "root is not told the process $reader: $(cat /run/usage)"
    as_user 65534 iommuctl usage "$free" >/run/usage
    grep -q unknown: /run/usage || fail "the finding is kept from nobody: $(cat /run/usage)"
    not grep -qw "$reader" /run/usage
}

case_findings_root_of_the_machine()
{
    local address
    address=$(basename "$(readlink -f /sys/block/vda/device/..)")
    stays_refused "$address" root:
}

case_findings_signature_must_be_accepted()
{
    local id sum
    make_file_system "$free"
    mount "$(node_of "$free")" /mnt
    head -c 1M /dev/urandom >/mnt/data
    sum=$(sha256sum </mnt/data)
    umount /mnt
    stays_refused "$free" signature:
    id=$(finding_ids "$free" | grep ^signature:)
    refused NoSuchFinding switch "$free" identity "{'allow': <['signature:nothing@nowhere']>}"
    switch "$free" identity "{'allow': <['$id']>}"
    is 'the type' "$(type_of "$free")" identity
    mount "$(node_of "$free")" /mnt
    is 'the data' "$(sha256sum </mnt/data)" "$sum"
    umount /mnt
}

# What udev has not seen yet: only the active probe, in the worker, finds it.
case_findings_signature_that_udev_does_not_know()
{
    local node
    node=$(node_of "$free")
    udevadm control --stop-exec-queue
    trap 'udevadm control --start-exec-queue; end_helpers' EXIT
    mkfs.ext4 -q -F "$node"
    refused InUse switch "$free" identity
    is 'the type' "$(type_of "$free")" DMA-FQ
    is 'the driver' "$(driver_of "$free")" nvme
}

case_findings_link_up()
{
    local interface
    interface=$(interface_of "$nic")
    ip link set "$interface" up
    stays_refused "$nic" up:
    ip link set "$interface" down
    has_no_finding "$nic" up:
}

case_findings_address_ipv4()
{
    ip address add 192.0.2.5/24 dev "$(interface_of "$nic")"
    stays_refused "$nic" addr:192.0.2.5
    ip address flush dev "$(interface_of "$nic")"
    has_no_finding "$nic" addr:
}

case_findings_address_ipv6()
{
    local interface
    interface=$(interface_of "$nic")
    ip link set "$interface" up
    ip -6 address add 2001:db8::5/64 dev "$interface" nodad
    stays_refused "$nic" addr:2001:db8::5
    ip address flush dev "$interface"
    ip link set "$interface" down
}

case_findings_default_route_ipv4()
{
    local interface
    interface=$(interface_of "$nic")
    ip address add 192.0.2.5/24 dev "$interface"
    ip link set "$interface" up
    ip route add default via 192.0.2.1 dev "$interface"
    stays_refused "$nic" route:
    ip link set "$interface" down
    ip address flush dev "$interface"
}

case_findings_default_route_ipv6()
{
    local interface
    interface=$(interface_of "$nic")
    ip link set "$interface" up
    ip -6 address add 2001:db8::5/64 dev "$interface" nodad
    ip -6 route add default via 2001:db8::1 dev "$interface"
    stays_refused "$nic" route:
    ip link set "$interface" down
    ip address flush dev "$interface"
}

case_findings_master()
{
    local interface
    interface=$(interface_of "$nic")
    ip link add test-bridge type bridge
    trap 'ip link delete test-bridge; end_helpers' EXIT
    ip link set "$interface" master test-bridge
    stays_refused "$nic" master:
}

case_findings_link_up_can_be_allowed()
{
    local interface ids
    interface=$(interface_of "$nic")
    ip link set "$interface" up
    ids=$(finding_ids "$nic" | sed "s/.*/'&'/" | paste -sd ,)
    switch "$nic" identity "{'allow': <[$ids]>}"
    is 'the type' "$(type_of "$nic")" identity
    is 'the driver' "$(driver_of "$nic")" e1000e
    is 'the interface' "$(interface_of "$nic")" "$interface"
}

case_findings_vfio_owner()
{
    local group
    group=$(group_of "$free")
    modprobe vfio-pci
    echo vfio-pci >"/sys/bus/pci/devices/$free/driver_override"
    echo "$free" >/sys/bus/pci/drivers/nvme/unbind
    echo "$free" >/sys/bus/pci/drivers_probe
    is 'the driver' "$(driver_of "$free")" vfio-pci
    udevadm settle --timeout 60
    exec 5<>"/dev/vfio/$group"
    stays_refused "$free" owner: 'InUse|OwnedByUser'
    exec 5>&-
    has_no_finding "$free" owner:
    # Nobody uses it now, and vfio-pci does not manage DMA through the default domain: nothing is unbound.
    switch "$free" identity
    is 'the type' "$(type_of "$free")" identity
    is 'the driver' "$(driver_of "$free")" vfio-pci
}

case_findings_infrastructure()
{
    local address
    address=$(nic_with_driver lpc_ich)
    stays_refused "$address" infrastructure:
}
