# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# An unbind that does not return. What does this here is a 9p file system of the host: its driver waits, and
# cannot be killed, until nobody uses the channel any more (net/9p/trans_virtio.c, p9_virtio_remove()). It is
# mounted, a file is opened, and the mount is detached: nobody sees the use.

# The PCI device below the channel.
share_address()
{
    local channel
    modprobe --all 9pnet_virtio 9p
    for channel in /sys/bus/virtio/drivers/9pnet_virtio/virtio*; do
        basename "$(readlink -f "$channel/..")"
        return
    done
    return 1
}

hold_share()
{
    share=$(share_address)
    mkdir -p /run/share
    mount -t 9p -o trans=virtio,version=9p2000.L,cache=none share /run/share
    exec 7</run/share/held
    umount --lazy /run/share
    trap 'let_go; end_helpers' EXIT
}

# Descriptor 7 is the use. The type goes back to what it was, for the cases that follow.
let_go()
{
    exec 7<&-
}

# Limits that a test can wait for.
short_limits()
{
    printf '[Daemon]\nSettleSec=1\nUnbindTimeoutSec=2\n' >/etc/iommu-policy/daemon.conf
    systemctl restart iommu-policyd.service
}

allow_all()
{
    local ids
    ids=$(finding_ids "$1" | sed "s/.*/'&'/" | paste -sd ,)
    echo "{'allow': <@as [$ids]>}"
}

# The change hangs, its caller is told, and the group says where.
get_stuck()
{
    refused Timeout switch "$share" "$1" "$(allow_all "$share")"
    is 'State' "$(group_property "$share" State)" stuck
    is 'Step' "$(group_property "$share" Step)" "unbind $share"
}

is_stuck()
{
    [[ $(group_property "$share" State) == stuck ]]
}

# What is stuck says so to everybody, and everybody else goes on: other groups, properties, the rules.
check_stuck()
{
    local status=0 type=identity
    is_stuck
    is 'Step' "$(group_property "$share" Step)" "unbind $share"
    refused Stuck switch "$share" DMA
    iommuctl set "$share" DMA || status=$?
    is 'the exit status (7: stuck)' "$status" 7
    manager_call ListGroups >/dev/null
    manager_call Reload >/dev/null
    manager_call Apply >/dev/null
    [[ $(type_of "$free") != identity ]] || type=DMA
    switch "$free" "$type"
    is 'the type of the free drive' "$(type_of "$free")" "$type"
    is 'the data' "$(drive_checksum "$free")" "$sum"
}

ends_well()
{
    [[ $(group_property "$share" State) == settled && $(driver_of "$share") == virtio-pci ]] && all_is_whole
}

case_stuck_is_a_state()
{
    local share sum pid begin
    hold_share
    short_limits
    sum=$(fill_drive "$free")
    get_stuck identity
    check_stuck

    # A stop does not wait for it; neither does a start.
    begin=$EPOCHREALTIME
    systemctl stop iommu-policyd.service
    is 'the result of the stop' "$(systemctl show --property Result --value iommu-policyd.service)" success
    echo "figure: stopped in $(( (${EPOCHREALTIME/./} - ${begin/./}) / 1000 )) ms while stuck"
    begin=$EPOCHREALTIME
    systemctl start iommu-policyd.service
    echo "figure: started in $(( (${EPOCHREALTIME/./} - ${begin/./}) / 1000 )) ms while stuck"
    check_stuck

    # Nor does a daemon that is killed take it with it.
    pid=$(daemon_pid)
    kill -9 "$pid"
    wait_until 60 is_stuck
    [[ $(daemon_pid) != "$pid" ]] || fail 'the daemon was not started again'
    check_stuck

    let_go
    wait_until 60 ends_well
    is 'the type' "$(type_of "$share")" identity
    is 'the data' "$(drive_checksum "$free")" "$sum"
    switch_by_hand "$share" DMA-FQ
}

# The daemon that asked is still there when it ends: the change is done as if nothing had been.
case_full_stuck_goes_on_when_the_use_ends()
{
    local share
    hold_share
    short_limits
    get_stuck identity
    let_go
    wait_until 60 ends_well
    is 'the type' "$(type_of "$share")" identity
    is 'LastResult' "$(group_property "$share" LastResult | cut -d ' ' -f 2-3)" '"identity" ""'
    switch_by_hand "$share" DMA-FQ
}

# Somebody else's unbind hangs and holds the device's lock: neither a start nor a property waits for that.
case_full_stuck_by_somebody_else()
{
    local share sum
    hold_share
    sum=$(fill_drive "$free")
    systemctl stop iommu-policyd.service
    # Without the descriptor that it would wait for.
    echo "$share" >"/sys/bus/pci/devices/$share/driver/unbind" 7<&- &
    helpers+=($!)
    unbound()
    {
        [[ ! -e /sys/bus/pci/devices/$share/driver ]]
    }
    wait_until 30 unbound
    systemctl start iommu-policyd.service
    [[ -n $(group_property "$share" Type) ]]
    [[ -n $(busctl call "$bus_name" "$manager_path" org.freedesktop.DBus.ObjectManager GetManagedObjects) ]]
    switch "$free" identity
    is 'the data' "$(drive_checksum "$free")" "$sum"
    let_go
    wait "${helpers[-1]}"
    helpers=()
    echo "$share" >/sys/bus/pci/drivers/virtio-pci/bind
    wait_until 30 ends_well
}
