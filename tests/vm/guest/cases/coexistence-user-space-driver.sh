# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# machine: neighbours
# User space as the driver of a device: DPDK's tools from Debian's package, and what SPDK's scripts/setup.sh writes to
# /sys, by lines of our own (SPDK itself is not in Debian, and is not run here): docs/coexistence.md.
# shellcheck source=tests/vm/guest/findings-lib.sh
. ./findings-lib.sh
# shellcheck source=tests/vm/guest/vfio-lib.sh
. ./vfio-lib.sh
# shellcheck source=tests/vm/guest/moments.sh
. ./moments.sh
# shellcheck source=tests/vm/guest/coexistence-lib.sh
. ./coexistence-lib.sh

# --- DPDK

# devbind ADDRESS DRIVER
devbind()
{
    modprobe "$2"
    dpdk-devbind.py --bind "$2" "$1"
    udevadm settle --timeout 60
    has_driver "$1" "$2" '(null)'
}

# A program of DPDK's drives the network card, through VFIO, until testpmd_ends.
testpmd_starts()
{
    local line
    coproc testpmd {
        exec dpdk-testpmd --no-huge -m 128 --no-telemetry --file-prefix test -l 0,1 -a "$1" -- \
            --total-num-mbufs 2048 --nb-cores 1 --no-mlockall 2>&1
    }
    testpmd_pid=$testpmd_PID
    helpers+=("$testpmd_pid")
    : >/run/testpmd
    while IFS= read -r -t 120 line <&"${testpmd[0]}"; do
        printf '%s\n' "$line" >>/run/testpmd
        [[ $line != *'Press enter to exit'* ]] || return 0
    done
    fail "dpdk-testpmd has not started: $(tail -n 5 /run/testpmd)"
}

testpmd_ends()
{
    printf '\n' >&"${testpmd[1]}"
    # What it still says must not keep it from ending.
    cat <&"${testpmd[0]}" >>/run/testpmd || true
    wait "$testpmd_pid" || true
}

case_full_dpdk_owner()
{
    at_end bind_by_hand "$nic" e1000e
    devbind "$nic" vfio-pci
    testpmd_starts "$nic"
    owned_by "$nic" dpdk-testpmd
    forbid_type "$nic" DMA-FQ
    wait_until 30 is_pending_for "$nic" in-use
    why_says "$nic" 50-forbid.conf
    is 'the type' "$(type_of "$nic")" DMA-FQ
    let_go_and_settle "$nic" DMA testpmd_ends
    has_driver "$nic" vfio-pci '(null)'
    devbind "$nic" e1000e
    is 'the type' "$(type_of "$nic")" DMA
    wait_until 30 is_settled "$nic" DMA
}

# A rule that has made the group identity stands in nobody's way.
case_full_dpdk_with_identity()
{
    at_end bind_by_hand "$nic" e1000e
    idle_rule "$nic" identity
    wait_until 60 is_settled "$nic" identity
    devbind "$nic" vfio-pci
    testpmd_starts "$nic"
    owned_by "$nic" dpdk-testpmd
    wait_until 30 wants_nothing "$nic"
    is 'the type' "$(type_of "$nic")" identity
    testpmd_ends
    devbind "$nic" e1000e
    wait_until 30 is_settled "$nic" identity
}

# uio_pci_generic has the card though nothing names it any more: it is taken and given back all the same.
case_full_dpdk_uio()
{
    local node
    at_end bind_by_hand "$nic" e1000e
    devbind "$nic" uio_pci_generic
    node=$(basename "/sys/bus/pci/devices/$nic/uio/"*)
    holds_open "/dev/$node"
    in_use "$nic" "owner:/dev/$node@$nic"
    idle_rule "$nic" identity
    wait_until 30 is_pending_for "$nic" in-use
    lets_go
    wait_until 90 is_settled "$nic" identity
    has_driver "$nic" uio_pci_generic '(null)'
    devbind "$nic" e1000e
    wait_until 30 is_settled "$nic" identity
}

case_full_dpdk_in_the_middle_of_a_change()
{
    at_end bind_by_hand "$nic" e1000e
    stands_still_unbound "$nic"
    modprobe vfio-pci
    dpdk-devbind.py --bind vfio-pci "$nic"
    ends_with_another_driver e1000e
    has_driver "$nic" vfio-pci '(null)'
    devbind "$nic" e1000e
}

# --- SPDK

# setup_probes ADDRESS DRIVER: the writes of probe_driver() in SPDK's scripts/setup.sh, in their order; it tries the fourth
# up to ten times. `config` and `reset` end with the last one.
setup_probes()
{
    local device=/sys/bus/pci/devices/$1
    [[ ! -e $device/driver ]] || echo "$1" >"$device/driver/unbind"
    echo "$2" >"$device/driver_override"
    echo "$1" >/sys/bus/pci/drivers_probe
    echo >"$device/driver_override"
    [[ -e /sys/bus/pci/drivers/$2/$1 ]] || return
    echo 1 >/sys/bus/pci/rescan
}

# setup_config ADDRESS, setup_reset ADDRESS
setup_config()
{
    modprobe vfio_iommu_type1
    modprobe vfio-pci
    setup_probes "$1" vfio-pci
}

setup_reset()
{
    setup_probes "$1" nvme
}

case_full_spdk_writes()
{
    local sum
    sum=$(fill_drive "$free")
    setup_config "$free"
    has_driver "$free" vfio-pci '(null)'
    user_starts
    owns_through_container "$free"
    owned_by "$free" iommufd-user
    forbid_type "$free" DMA-FQ
    wait_until 30 is_pending_for "$free" in-use
    let_go_and_settle "$free" DMA user_ends
    has_driver "$free" vfio-pci '(null)'
    setup_reset "$free"
    wait_until 60 has_node "$free"
    has_driver "$free" nvme '(null)'
    wait_until 30 is_settled "$free" DMA
    is 'the data' "$(drive_checksum "$free")" "$sum"
    all_is_whole
}

# A rule asks for nothing while the drive is SPDK's, and is done when it comes back.
case_full_spdk_writes_and_a_rule()
{
    local sum
    sum=$(fill_drive "$free")
    setup_config "$free"
    user_starts
    owns_through_container "$free"
    idle_rule "$free" identity
    wait_until 30 wants_nothing "$free"
    # The application ends and the drive is reset in one go.
    user_ends
    setup_reset "$free"
    wait_until 60 is_settled "$free" identity
    wait_until 60 has_node "$free"
    has_driver "$free" nvme '(null)'
    is 'the data' "$(drive_checksum "$free")" "$sum"
    all_is_whole
}

case_full_spdk_writes_in_the_middle_of_a_change()
{
    local sum
    sum=$(fill_drive "$free")
    stands_still_unbound "$free"
    setup_config "$free"
    ends_with_another_driver nvme
    has_driver "$free" vfio-pci '(null)'
    setup_reset "$free"
    wait_until 60 has_node "$free"
    has_driver "$free" nvme '(null)'
    is 'the data' "$(drive_checksum "$free")" "$sum"
    all_is_whole
}
