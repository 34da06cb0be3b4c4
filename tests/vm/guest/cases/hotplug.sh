# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# Drives that come and go while the daemon runs, and while it changes them.

# shellcheck source=tests/vm/guest/moments.sh
. ./moments.sh

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

case_full_hotplug_is_governed_by_the_rule()
{
    printf '[Match]\nSerial=HOT\n[Policy]\nType=identity\nUnbind=idle\n' >"$rules/50-hot.conf"
    iommuctl reload
    plug_hot_drive
    wait_until 60 is_settled "$hot" identity
    is 'the driver' "$(driver_of "$hot")" nvme
    is 'the type of the free drive' "$(type_of "$free")" DMA-FQ
}

case_full_hotplug_again_starts_from_the_rules()
{
    local group
    plug_hot_drive
    group=$(group_of "$hot")
    switch "$hot" identity
    unplug_hot_drive
    group_is_gone()
    {
        ! busctl get-property "$bus_name" "/org/iommupolicy1/group/$group" \
            "$bus_name.Group" Type >/dev/null 2>&1
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

has_type()
{
    [[ $(type_of "$1") == "$2" ]]
}

case_full_hotplug_before_the_driver_needs_no_unbind()
{
    # The driver's module is not loaded when the drive comes; drivers_autoprobe does not hold a hot-plugged
    # device on this kernel, and the module cannot go while the other drives use it: so they let go of it
    # first.
    printf '[Match]\nClass=nvme\n[Policy]\nType=identity\n' >"$rules/50-never.conf"
    iommuctl reload
    echo "$free" >/sys/bus/pci/drivers/nvme/unbind
    echo "$mounted" >/sys/bus/pci/drivers/nvme/unbind
    wait_until 30 has_type "$free" identity
    wait_until 30 has_type "$mounted" identity
    modprobe --remove nvme
    trap 'host_request unplug; modprobe nvme; end_helpers' EXIT
    host_request plug
    wait_until 60 hot_is_there
    wait_until 30 is_settled "$hot" identity
    is 'the driver' "$(driver_of "$hot")" nvme
    is 'the number of devices that were before their drivers' "$(manager_property AddsBeforeDriver)" 1
    is 'the number of those that were after them' "$(manager_property AddsAfterDriver)" 0
}

# --- in the middle of a change

replug_by_sysfs()
{
    echo 1 >"/sys/bus/pci/devices/$1/remove"
    echo 1 >/sys/bus/pci/rescan
}

replug_by_host()
{
    host_request unplug
    host_request plug
}

# What the holder of the lock has noted there; the first worker of a call only looks, and takes no lock.
step_of()
{
    local lock=/run/iommu-policy/change/pci:$1.lock step
    if flock --shared --nonblock "$lock" true; then
        echo survey
        return
    fi
    read -r _ step _ <"$lock"
    echo "$step"
}

is_bound_again()
{
    [[ $(driver_of "$subject") == nvme ]] && has_node "$subject"
}

# What a re-plug and an unbind make anew.
identity_of()
{
    stat -c %i "/sys/bus/pci/devices/$1/" "/sys/bus/pci/devices/$1"/nvme/nvme*
}

# One change of $subject, which is re-plugged while its worker stands still at a random moment. Fails if the
# change was over. Nothing may be written to the newcomer: it keeps its driver, its type is what the kernel
# gives.
replug_once()
{
    local step newcomer
    begin_change "$subject"
    await_worker "$pid" || return 1
    random_moment "$span"
    look_for_workers "$pid"
    [[ -n $workers ]] && stop_workers || return 1
    step=$(step_of "$subject")
    steps[$step]=$((${steps[$step]-0} + 1))
    "$1" "$subject"
    wait_until 60 is_bound_again || fail "the newcomer has no driver (at $step)"
    newcomer=$(identity_of "$subject")
    # shellcheck disable=SC2086
    kill -CONT $workers 2>/dev/null || true
    wait "$change" || true
    # A worker that began after the others were stopped runs while the device goes: it is still listed, and
    # what is below it cannot be judged any more.
    grep -qE "^\('|Error\.(DeviceChanged|NoSuchGroup):|Error\.InUse: group [0-9]+: in use \((unknown:[^ )]+ ?)+\)" \
        /run/reply || fail "the reply (at $step): $(cat /run/reply)"
    wait_until 60 all_is_whole >/dev/null || { all_is_whole || true; fail "after a re-plug at $step"; }
    is "the newcomer (at $step)" "$(identity_of "$subject")" "$newcomer"
    is "its type (at $step)" "$(type_of "$subject")" DMA-FQ
}

# replug_at_moments WANTED HOW
replug_at_moments()
{
    local wanted=$1 hits=0 tries=0 span pid moment=0 sum
    local -A steps=()
    sum=$(fill_drive "$subject")
    open_clock
    span=$(measure_change "$subject")
    pid=$(daemon_pid)
    while (( hits < wanted )); do
        (( (tries += 1) <= wanted * 6 )) || fail "only $hits of $wanted re-plugs met a change on its way"
        if replug_once "$2"; then
            hits=$((hits + 1))
            span=$((span + span / 8))
        else
            span=$(((span + moment) / 2 + 1))
        fi
        wait "$change" || true
        is 'the data' "$(drive_checksum "$subject")" "$sum"
    done
    echo "figure: $hits re-plugs in $tries tries, in the step:$(
        for step in "${!steps[@]}"; do echo -n " $step ${steps[$step]}"; done)"
}

case_hotplug_in_the_middle_of_a_change()
{
    local subject=$free
    replug_at_moments 5 replug_by_sysfs
}

case_full_hotplug_in_the_middle_of_a_change()
{
    local subject=$free
    replug_at_moments 50 replug_by_sysfs
}

# The slot's own way takes seconds for each.
case_full_hotplug_of_a_slot_in_the_middle_of_a_change()
{
    local subject
    plug_hot_drive
    subject=$hot
    replug_at_moments 5 replug_by_host
}
