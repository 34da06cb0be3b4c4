# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# kernel: iommufd
# Devices that a program owns through their own nodes and iommufd, which Debian's kernels leave out.
# shellcheck source=tests/vm/guest/findings-lib.sh
. ./findings-lib.sh
# shellcheck source=tests/vm/guest/vfio-lib.sh
. ./vfio-lib.sh

# A node that is open cannot be told from one that is bound, from outside; the kernel minds the bound one
# only.
case_full_iommufd_opened()
{
    local node
    vfio_takes "$free"
    node=$(cdev_of "$free")
    user_starts
    user_does open iommufd /dev/iommu
    has_no_finding "$free" owner
    goes_free "$free"
    user_does open device "$node"
    is 'what the kernel says' "$(kernel_says "$free" DMA)" ok
    is 'the type' "$(type_of "$free")" DMA
    owned "$free" "$node"
    user_does close device
    has_no_finding "$free" owner
    goes_free "$free"
}

# From the bind on the kernel writes no type, whatever becomes of the page tables; the rule waits for the
# close.
case_full_iommufd_bound_attached_and_replaced()
{
    local node space other table
    switch_by_hand "$free" identity
    vfio_takes "$free"
    node=$(cdev_of "$free")
    user_starts
    user_does open iommufd /dev/iommu
    user_does open device "$node"
    forbid_type "$free" identity
    wait_until 30 is_pending_for "$free" in-use
    owned "$free" "$node"

    user_does bind
    is 'what the kernel says of a bound one' "$(kernel_says "$free" DMA)" EPERM
    owned "$free" "$node"

    user_does allocate
    space=$made
    user_does allocate
    other=$made
    user_does attach "$space"
    is 'what the kernel says of an attached one' "$(kernel_says "$free" DMA)" EPERM
    owned "$free" "$node"

    user_does allocate-table "$other"
    table=$made
    user_does attach "$table"
    is 'the page table in place of the first' "$made" "$table"
    is 'what the kernel says of a replaced one' "$(kernel_says "$free" DMA)" EPERM
    owned "$free" "$node"

    user_does detach
    is 'what the kernel says of a detached one' "$(kernel_says "$free" DMA)" EPERM
    owned "$free" "$node"
    let_go_and_settle "$free" DMA-FQ user_does close device
    is 'the driver' "$(driver_of "$free")" vfio-pci
}

case_full_iommufd_killed_owner()
{
    local space
    switch_by_hand "$free" identity
    vfio_takes "$free"
    user_starts
    user_does open iommufd /dev/iommu
    user_does open device "$(cdev_of "$free")"
    user_does bind
    user_does allocate
    space=$made
    user_does attach "$space"
    forbid_type "$free" identity
    wait_until 30 is_pending_for "$free" in-use
    let_go_and_settle "$free" DMA-FQ kill -9 "$user_pid"
}

# No descriptor is left to be seen, but the memory is the device's: the kernel refuses, and the unmapping is
# told.
case_full_iommufd_mapped_memory()
{
    switch_by_hand "$free" identity
    vfio_takes "$free"
    user_starts
    user_does open iommufd /dev/iommu
    user_does open device "$(cdev_of "$free")"
    user_does bind
    user_does map
    user_does close device
    owned_unseen "$free"
    let_go_and_settle "$free" DMA-FQ user_does unmap
}

# A group can have an iommufd in place of a container. Then its device does not keep the group open, and that
# it was closed after it is seen at the look that comes each minute.
case_full_iommufd_through_a_group()
{
    switch_by_hand "$free" identity
    vfio_takes "$free"
    user_starts
    user_does open group "/dev/vfio/$(group_of "$free")"
    user_does open container /dev/iommu
    user_does set-container
    user_does set-iommu
    user_does get-device "$free"
    is 'what the kernel says' "$(kernel_says "$free" DMA)" EPERM
    forbid_type "$free" identity
    wait_until 30 is_pending_for "$free" in-use
    owned "$free" "/dev/vfio/$(group_of "$free")"
    user_does close group
    owned "$free" '[vfio-device]'
    user_does close device
    wait_until 120 is_settled "$free" DMA-FQ
}
