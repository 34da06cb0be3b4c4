# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# Devices that a program owns through a group and a container, as QEMU does with Debian's kernels.
# shellcheck source=tests/vm/guest/findings-lib.sh
. ./findings-lib.sh
# shellcheck source=tests/vm/guest/vfio-lib.sh
. ./vfio-lib.sh

case_vfio_rule_waits_for_the_end_of_a_container()
{
    local result
    switch_by_hand "$free" identity
    vfio_takes "$free"
    user_starts
    owns_through_container "$free"
    forbid_type "$free" identity
    wait_until 30 is_pending_for "$free" in-use
    result=$(group_property "$free" LastResult)
    refused OwnedByUser switch "$free" DMA
    is 'the type' "$(type_of "$free")" identity
    is 'what the rule met, once' "$(group_property "$free" LastResult)" "$result"
    let_go_and_settle "$free" DMA-FQ user_ends
}

# It keeps the group open that it was got from, though no descriptor of the group is left.
case_full_vfio_device_outlives_its_group()
{
    switch_by_hand "$free" identity
    vfio_takes "$free"
    user_starts
    owns_through_container "$free"
    user_does close group
    user_does close container
    forbid_type "$free" identity
    wait_until 30 is_pending_for "$free" in-use
    owned "$free" '[vfio-device]'
    let_go_and_settle "$free" DMA-FQ user_does close device
}

# No descriptor is left to be seen, but the memory is the device's: the kernel refuses, and the unmapping is
# told. Before 6.4 it refuses in the same way when nobody owns it.
case_full_vfio_mapped_memory()
{
    switch_by_hand "$free" identity
    vfio_takes "$free"
    user_starts
    owns_through_container "$free"
    user_does map
    user_does close group
    user_does close container
    user_does close device
    owned_unseen "$free"
    let_go_and_settle "$free" DMA-FQ user_does unmap
}

# A container that nothing is attached to, which any user may open, is in nobody's way.
case_full_vfio_container_alone()
{
    vfio_takes "$free"
    holds_open /dev/vfio/vfio
    has_no_finding "$free" owner
    vfio_goes_free "$free"
}

# A virtual machine ends, and what managed it gives the drive back: the rule unbinds it then, as it is idle.
case_full_vfio_given_back()
{
    vfio_takes "$free"
    user_starts
    owns_through_container "$free"
    printf '[Match]\nAddress=%s\n[Policy]\nType=identity\nUnbind=idle\n' "$free" >"$rules/50-idle.conf"
    iommuctl reload
    owned "$free" "/dev/vfio/$(group_of "$free")"
    user_ends
    is 'the type' "$(type_of "$free")" DMA-FQ
    let_go_and_settle "$free" identity vfio_gives_back "$free"
    is 'the driver' "$(driver_of "$free")" nvme
}

has_failed()
{
    [[ $(group_property "$1" State) == failed ]]
}

# The other card of the group has no driver, so its rule counts, and the group's type is written as soon as
# nobody owns the first one.
case_full_vfio_neighbour_of_the_owned_one()
{
    local cards
    cards=(/sys/bus/pci/drivers/e1000/0000:*)
    cards=("${cards[@]##*/}")
    for card in "${cards[@]}"; do
        at_end bind_by_hand "$card" e1000
        echo "$card" >/sys/bus/pci/drivers/e1000/unbind
    done
    vfio_takes "${cards[0]}"
    user_starts
    owns_through_container "${cards[0]}"
    printf '[Match]\nAddress=%s\n[Policy]\nType=identity\n' "${cards[1]}" >"$rules/50-neighbour.conf"
    iommuctl reload
    wait_until 30 is_pending_for "${cards[1]}" in-use
    has_finding "${cards[1]}" "owner:/dev/vfio/$(group_of "${cards[1]}")"
    refused OwnedByUser switch "${cards[1]}" identity
    is 'the type' "$(type_of "${cards[1]}")" DMA-FQ
    user_ends
    if vfio_stands_against "${cards[0]}"; then
        # A group of several devices is not switched at all.
        wait_until 45 has_failed "${cards[1]}"
        is 'the type' "$(type_of "${cards[1]}")" DMA-FQ
        return
    fi
    wait_until 45 is_type "${cards[1]}" identity
    at_end switch_by_hand "${cards[1]}" DMA-FQ
}
