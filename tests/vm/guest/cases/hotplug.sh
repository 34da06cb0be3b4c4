# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# Drives that come and go while the daemon runs.

hot_is_there()
{
    hot=$(address_of HOT)
}

plug_hot_drive()
{
    host_request plug
    trap 'host_request unplug; end_helpers' EXIT
    wait_until 60 hot_is_there
}

unplug_hot_drive()
{
    host_request unplug
    trap end_helpers EXIT
}

case_hotplug_is_governed_by_the_rule()
{
    printf '[Match]\nSerial=HOT\n[Policy]\nType=identity\nUnbind=idle\n' >"$rules/50-hot.conf"
    iommuctl reload
    plug_hot_drive
    wait_until 60 is_settled "$hot" identity
    is 'the driver' "$(driver_of "$hot")" nvme
    is 'the type of the free drive' "$(type_of "$free")" DMA-FQ
}

case_hotplug_again_starts_from_the_rules()
{
    local group
    plug_hot_drive
    group=$(group_of "$hot")
    switch "$hot" identity
    unplug_hot_drive
    group_is_gone()
    {
        ! busctl get-property "$bus_name" "/org/iommupolicy1/group/$group" "$bus_name.Group" Type >/dev/null 2>&1
    }
    wait_until 30 group_is_gone
    refused NoSuchDevice manager_call GetDevice "$hot"
    plug_hot_drive
    # The kernel has forgotten the type, and the call belonged to a device that is gone.
    shows_the_default()
    {
        [[ $(group_property "$hot" State) == settled && $(group_property "$hot" WantedBy) == '' ]]
    }
    wait_until 30 shows_the_default
    is 'the type' "$(type_of "$hot")" DMA-FQ
}

case_hotplug_before_the_driver_needs_no_unbind()
{
    # With the driver's module not loaded the rule always wins; drivers_autoprobe does not hold a hot-plugged
    # device on this kernel, and the module cannot go while the other drives use it: so they let go of it first.
    printf '[Match]\nClass=nvme\n[Policy]\nType=identity\n' >"$rules/50-never.conf"
    iommuctl reload
    echo "$free" >/sys/bus/pci/drivers/nvme/unbind
    echo "$mounted" >/sys/bus/pci/drivers/nvme/unbind
    modprobe --remove nvme
    trap 'host_request unplug; modprobe nvme; end_helpers' EXIT
    host_request plug
    wait_until 60 hot_is_there
    wait_until 30 is_settled "$hot" identity
}
