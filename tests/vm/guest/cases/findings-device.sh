# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# Devices that are in use by what they are, or by what is below them.
# shellcheck source=tests/vm/guest/findings-lib.sh
. ./findings-lib.sh

# vfio_takes ADDRESS: vfio-pci instead of the device's own driver.
vfio_takes()
{
    modprobe vfio-pci
    echo vfio-pci >"/sys/bus/pci/devices/$1/driver_override"
    echo "$1" >"/sys/bus/pci/devices/$1/driver/unbind"
    echo "$1" >/sys/bus/pci/drivers_probe
    is 'the driver' "$(driver_of "$1")" vfio-pci
    udevadm settle --timeout 60
}

# Nobody uses it then, and vfio-pci does not manage DMA through the default domain: nothing is unbound.
case_findings_owner_vfio_group()
{
    local group
    group=$(group_of "$free")
    vfio_takes "$free"
    holds_open "/dev/vfio/$group"
    in_use "$free" "owner:/dev/vfio/$group@$free"
    lets_go
    goes_free "$free"
}

case_findings_infrastructure()
{
    has_finding "$(nic_with_driver lpc_ich)" infrastructure:
    stays_refused "$(nic_with_driver lpc_ich)" infrastructure:
}

case_findings_infrastructure_watchdog()
{
    local address
    host_request plug watchdog
    at_end host_request unplug watchdog
    wait_until 60 driver_has_a_device 'i6300ESB timer'
    address=$(nic_with_driver 'i6300ESB timer')
    in_use "$address" "infrastructure:$address@$address"
    echo "$address" >"/sys/bus/pci/devices/$address/driver/unbind"
    goes_free "$address"
}

driver_has_a_device()
{
    [[ -n $(find "/sys/bus/pci/drivers/$1/" -name '0000:*') ]]
}

case_findings_vf()
{
    local address
    host_request plug sr-iov
    at_end host_request unplug sr-iov
    is_there()
    {
        address=$(address_of SRIOV)
    }
    wait_until 60 is_there
    # Without a driver for the virtual functions: the emulated ones do not answer it.
    echo 0 >"/sys/bus/pci/devices/$address/sriov_drivers_autoprobe"
    echo 2 >"/sys/bus/pci/devices/$address/sriov_numvfs"
    in_use "$address" "vf:$address@$address"
    echo 0 >"/sys/bus/pci/devices/$address/sriov_numvfs"
    goes_free "$address"
}
