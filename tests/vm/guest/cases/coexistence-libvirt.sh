# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# machine: neighbours
# libvirt takes devices for virtual machines and gives them back: docs/coexistence.md. Its machine here is started paused:
# QEMU has the device through VFIO as ever, and no guest runs.
# shellcheck source=tests/vm/guest/findings-lib.sh
. ./findings-lib.sh
# shellcheck source=tests/vm/guest/vfio-lib.sh
. ./vfio-lib.sh
# shellcheck source=tests/vm/guest/moments.sh
. ./moments.sh
# shellcheck source=tests/vm/guest/coexistence-lib.sh
. ./coexistence-lib.sh

virsh()
{
    command virsh --quiet --connect qemu:///system "$@"
}

# The name of a PCI device in libvirt.
node_device()
{
    echo "pci_${1//[:.]/_}"
}

libvirt_starts()
{
    systemctl start virtlogd.socket libvirtd.service
}

# defines ADDRESS MANAGED: the machine "neighbour" with this device.
defines()
{
    local domain bus slot function
    IFS=:. read -r domain bus slot function <<<"$1"
    cat >/run/neighbour.xml <<XML
<domain type='qemu'>
  <name>neighbour</name>
  <memory unit='MiB'>32</memory>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    <hostdev mode='subsystem' type='pci' managed='$2'>
      <source><address domain='0x$domain' bus='0x$bus' slot='0x$slot' function='0x$function'/></source>
    </hostdev>
  </devices>
</domain>
XML
    libvirt_starts
    virsh define /run/neighbour.xml
    at_end virsh undefine neighbour
}

machine_starts()
{
    at_end virsh destroy neighbour
    virsh start neighbour --paused
    is 'the state of the machine' "$(virsh domstate neighbour)" paused
}

case_full_libvirt_detach_and_reattach()
{
    local sum
    sum=$(fill_drive "$free")
    libvirt_starts
    at_end virsh nodedev-reattach "$(node_device "$free")"
    virsh nodedev-detach "$(node_device "$free")"
    has_driver "$free" vfio-pci vfio-pci
    idle_rule "$free" identity
    wait_until 60 wants_nothing "$free"
    # Nobody has it open: a call needs no unbind.
    iommuctl set "$free" DMA
    is 'the type' "$(type_of "$free")" DMA
    iommuctl revert "$free"
    has_driver "$free" vfio-pci vfio-pci
    virsh nodedev-reattach "$(node_device "$free")"
    wait_until 60 is_settled "$free" identity
    wait_until 60 has_node "$free"
    has_driver "$free" nvme '(null)'
    is 'the data' "$(drive_checksum "$free")" "$sum"
}

# The way of a managed device there and back, with a rule that waits for it.
case_full_libvirt_managed_device()
{
    local sum begin
    sum=$(fill_drive "$free")
    defines "$free" yes
    machine_starts
    has_driver "$free" vfio-pci vfio-pci
    owned_by "$free" qemu-system-x86
    idle_rule "$free" identity
    wait_until 30 wants_nothing "$free"
    is 'the type' "$(type_of "$free")" DMA-FQ
    is 'the state of the machine' "$(virsh domstate neighbour)" paused
    begin=$(date +%s%N)
    virsh destroy neighbour
    wait_until 90 is_settled "$free" identity
    echo "figure: settled $(( ($(date +%s%N) - begin) / 1000000 )) ms after the machine was told to end"
    wait_until 60 has_node "$free"
    has_driver "$free" nvme '(null)'
    is 'the data' "$(drive_checksum "$free")" "$sum"
    why_says "$free" 50-idle.conf
    all_is_whole
}

# What a rule has set, a virtual machine neither minds nor changes.
case_full_libvirt_starts_with_identity()
{
    local sum
    sum=$(fill_drive "$free")
    idle_rule "$free" identity
    wait_until 60 is_settled "$free" identity
    defines "$free" yes
    machine_starts
    is 'the type' "$(type_of "$free")" identity
    wait_until 30 wants_nothing "$free"
    owned_by "$free" qemu-system-x86
    virsh destroy neighbour
    wait_until 60 has_node "$free"
    has_driver "$free" nvme '(null)'
    wait_until 60 is_settled "$free" identity
    is 'the data' "$(drive_checksum "$free")" "$sum"
    all_is_whole
}

# Between our unbind and our bind libvirt finds a device without a driver, and takes it.
case_full_libvirt_in_the_middle_of_a_change()
{
    local sum
    sum=$(fill_drive "$free")
    defines "$free" yes
    stands_still_unbound "$free"
    machine_starts
    has_driver_only "$free" vfio-pci vfio-pci
    ends_with_another_driver nvme
    has_driver "$free" vfio-pci vfio-pci
    owned_by "$free" qemu-system-x86
    is 'the state of the machine' "$(virsh domstate neighbour)" paused
    virsh destroy neighbour
    wait_until 60 has_node "$free"
    has_driver "$free" nvme '(null)'
    is 'the data' "$(drive_checksum "$free")" "$sum"
    all_is_whole
}

# has_driver_only ADDRESS DRIVER OVERRIDE: the change is still on its way, and so is its record.
has_driver_only()
{
    is "the driver of $1" "$(driver_of "$1")" "$2"
    is "driver_override of $1" "$(override_of "$1")" "$3"
}

# Who detaches and reattaches is a person: the drive stays with vfio-pci when the machine ends. QEMU has nodes of its own in
# /dev, which libvirt makes for it, so that their last close is not told: the look once a minute sees it.
case_full_libvirt_device_that_is_not_managed()
{
    local begin
    defines "$free" no
    at_end virsh nodedev-reattach "$(node_device "$free")"
    virsh nodedev-detach "$(node_device "$free")"
    machine_starts
    forbid_type "$free" DMA-FQ
    wait_until 30 is_pending_for "$free" in-use
    why_says "$free" 50-forbid.conf
    owned_by "$free" qemu-system-x86
    begin=$(date +%s%N)
    virsh destroy neighbour
    wait_until 90 is_settled "$free" DMA
    echo "figure: settled $(( ($(date +%s%N) - begin) / 1000000 )) ms after the machine was told to end"
    has_driver "$free" vfio-pci vfio-pci
    virsh nodedev-reattach "$(node_device "$free")"
    wait_until 60 has_node "$free"
    has_driver "$free" nvme '(null)'
    wait_until 30 is_settled "$free" DMA
    all_is_whole
}
