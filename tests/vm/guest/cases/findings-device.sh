# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# Devices that are in use by what they are, or by what is below them.
# shellcheck source=tests/vm/guest/findings-lib.sh
. ./findings-lib.sh
# shellcheck source=tests/vm/guest/vfio-lib.sh
. ./vfio-lib.sh

# Nobody uses it then, and vfio-pci does not manage DMA through the default domain: nothing is unbound.
case_findings_owner_vfio_group()
{
    local group
    group=$(group_of "$free")
    vfio_takes "$free"
    holds_open "/dev/vfio/$group"
    in_use "$free" "owner:/dev/vfio/$group@$free"
    lets_go
    vfio_goes_free "$free"
}

case_full_findings_infrastructure()
{
    stays_refused "$(nic_with_driver lpc_ich)" infrastructure:
}

case_full_findings_infrastructure_watchdog()
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
    [[ -n $(find "/sys/bus/pci/drivers/$1/" -name '0000:*' 2>/dev/null) ]]
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

# The controller, which is plugged in by the first case that asks for it and then stays.
usb_controller()
{
    if ! driver_has_a_device xhci_hcd; then
        host_request plug usb
        wait_until 60 driver_has_a_device xhci_hcd
    fi
    usb=$(nic_with_driver xhci_hcd)
}

usb_has()
{
    [[ -n $(find "/sys/bus/pci/devices/$usb/" -path "$1") ]]
}

usb_has_not()
{
    ! usb_has "$@"
}

case_findings_usb_storage()
{
    local node device
    usb_controller
    host_request plug usb-disk
    at_end host_request unplug usb-disk
    wait_until 60 usb_has '*/block/sd?'
    udevadm settle --timeout 60
    node=$(find "/sys/bus/pci/devices/$usb/" -path '*/block/sd?')
    # Of the path the device on the bus: ".../usb2/2-1/2-1:1.0/host6/...".
    device=${node#*/usb?/} device=${device%%/*}
    node=/dev/${node##*/}
    mkfs.ext4 -q -F "$node"
    udevadm settle --timeout 60
    mount "$node" /mnt
    at_end umount /mnt
    in_use "$usb" "mount:/mnt@${node##*/}" "below:$device@$usb"
    umount /mnt
    goes_free "$usb" --allow "signature:ext4@${node##*/}"
}

# keyboard: plugged in below the controller; its finding in $id.
plug_keyboard()
{
    usb_controller
    host_request plug usb-keyboard
    at_end host_request unplug usb-keyboard
    wait_until 60 usb_has '*/input/input*/event*'
    udevadm settle --timeout 60
    id="input:QEMU\\x20QEMU\\x20USB\\x20Keyboard@$usb"
}

case_full_findings_input_keyboard()
{
    plug_keyboard
    in_use "$usb" "$id"
    host_request unplug usb-keyboard
    wait_until 60 usb_has_not '*/input/*'
    goes_free "$usb"
}

case_full_findings_input_keyboard_can_be_allowed()
{
    plug_keyboard
    goes_free "$usb" --allow "$id"
    wait_until 60 usb_has '*/input/input*/event*'
}

case_full_findings_sound()
{
    local address=0000:00:0c.0
    modprobe snd_hda_intel
    has_a_sound_card()
    {
        [[ -c /dev/snd/controlC0 ]]
    }
    wait_until 60 has_a_sound_card
    udevadm settle --timeout 60
    holds_open /dev/snd/controlC0
    in_use "$address" "sound:controlC0@$address"
    lets_go
    goes_free "$address"
}

case_full_findings_display()
{
    local address=0000:00:0b.0 ids id allowed=()
    modprobe bochs
    udevadm settle --timeout 60
    is 'boot_vga' "$(<"/sys/bus/pci/devices/$address/boot_vga")" 1
    ids=("display:bochs-drm@$address" "display:boot_vga@$address" "display:card0-Virtual-1@$address"
        "display:fb0@$address")
    in_use "$address" "${ids[@]}"
    for id in "${ids[@]}"; do
        allowed+=(--allow "$id")
    done
    goes_free "$address" "${allowed[@]}"
    # No driver, no picture: what the firmware started with is not in use for that alone.
    echo "$address" >"/sys/bus/pci/devices/$address/driver/unbind"
    goes_free "$address"
}
