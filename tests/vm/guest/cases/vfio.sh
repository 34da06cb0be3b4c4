# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# Devices that a program owns through a group and a container, as QEMU does with Debian's kernels.
# shellcheck source=tests/vm/guest/findings-lib.sh
. ./findings-lib.sh
# shellcheck source=tests/vm/guest/vfio-lib.sh
. ./vfio-lib.sh

# What vfio-pci has is switched without unbinding it since 6.4, when nobody owns it. Before, it is not written at all.
case_vfio_rule_waits_for_the_end_of_a_container()
{
    switch_by_hand "$free" identity
    vfio_takes "$free"
    user_starts
    owns_through_container "$free"
    forbid_type "$free" identity
    wait_until 30 is_pending_for "$free" in-use
    owned "$free" "/dev/vfio/$(group_of "$free")"
    let_go_and_settle "$free" DMA-FQ user_ends
    is 'the driver' "$(driver_of "$free")" vfio-pci
}
