# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# machine: neighbours
# driverctl gives devices another driver, at once and at each hot-plug: docs/coexistence.md.
# shellcheck source=tests/vm/guest/findings-lib.sh
. ./findings-lib.sh
# shellcheck source=tests/vm/guest/vfio-lib.sh
. ./vfio-lib.sh
# shellcheck source=tests/vm/guest/moments.sh
. ./moments.sh
# shellcheck source=tests/vm/guest/coexistence-lib.sh
. ./coexistence-lib.sh

# overrides ADDRESS DRIVER [OPTION…]
overrides()
{
    at_end driverctl unset-override "$1"
    driverctl "${@:3}" set-override "$1" "$2"
    udevadm settle --timeout 60
    is_overridden "$1" "$2"
}

# Exactly what it has set, for us and for itself.
is_overridden()
{
    has_driver "$1" "$2" "$2"
    is 'what driverctl says' "$(driverctl list-overrides | grep -F "$1")" "$1 $2"
}

# gives_back ADDRESS DRIVER
gives_back()
{
    driverctl unset-override "$1"
    udevadm settle --timeout 60
    has_driver "$1" "$2" '(null)'
    [[ ! -e /etc/driverctl.d/pci-$1 ]] || fail "/etc/driverctl.d/pci-$1 is left"
}

# The name of the driver that the device has anyway stands in driver_override before the change, in it and after it.
case_full_driverctl_override_of_the_same_driver()
{
    local sum
    sum=$(fill_drive "$free")
    overrides "$free" nvme
    is 'what it has saved' "$(</etc/driverctl.d/pci-"$free")" nvme
    goes_free "$free"
    is_overridden "$free" nvme
    is 'the data' "$(drive_checksum "$free")" "$sum"
    iommuctl revert "$free"
    idle_rule "$free" DMA
    wait_until 60 is_settled "$free" DMA
    is_overridden "$free" nvme
    gives_back "$free" nvme
    is 'the type' "$(type_of "$free")" DMA
}

# A driver that has the device by driver_override alone is unbound, and gets it back.
case_full_driverctl_override_of_another_driver()
{
    overrides "$nic" uio_pci_generic --nosave
    [[ ! -e /etc/driverctl.d/pci-$nic ]] || fail 'it was saved'
    goes_free "$nic"
    is_overridden "$nic" uio_pci_generic
    gives_back "$nic" e1000e
}

# What is under vfio-pci and open to nobody needs no unbind; the rest of the story is in vfio.sh.
case_full_driverctl_override_vfio()
{
    overrides "$free" vfio-pci
    goes_free "$free"
    is_overridden "$free" vfio-pci
    iommuctl revert "$free"
    user_starts
    owns_through_container "$free"
    owned_by "$free" iommufd-user
    forbid_type "$free" identity
    wait_until 30 is_pending_for "$free" in-use
    why_says "$free" 50-forbid.conf
    let_go_and_settle "$free" DMA-FQ user_ends
    is_overridden "$free" vfio-pci
    gives_back "$free" nvme
    is 'the type' "$(type_of "$free")" DMA-FQ
}

# driverctl takes the drive from the use that the rule has waited for. As long as it has given it away, the rule asks for
# nothing; when it is given back, the rule is done.
case_full_driverctl_while_a_rule_waits()
{
    holds_open "$(node_of "$free")"
    idle_rule "$free" identity
    wait_until 30 is_pending_for "$free" in-use
    overrides "$free" vfio-pci
    wait_until 30 wants_nothing "$free"
    is_overridden "$free" vfio-pci
    lets_go
    driverctl unset-override "$free"
    wait_until 60 is_settled "$free" identity
    has_driver "$free" nvme '(null)'
    all_is_whole
}

# Between our unbind and our bind driverctl finds a device without a driver, and our word in driver_override, which it
# replaces: the device is its own from then on.
case_full_driverctl_in_the_middle_of_a_change()
{
    local sum
    sum=$(fill_drive "$free")
    stands_still_unbound "$free"
    is 'driver_override' "$(override_of "$free")" iommu-policy-hold
    at_end driverctl unset-override "$free"
    driverctl set-override "$free" vfio-pci
    ends_with_another_driver nvme
    is_overridden "$free" vfio-pci
    gives_back "$free" nvme
    wait_until 30 has_node "$free"
    is 'the data' "$(drive_checksum "$free")" "$sum"
    all_is_whole
}

# One change of the drive, and driverctl at a moment of it that nobody has chosen.
override_at_random()
{
    local pid result=0
    pid=$(daemon_pid)
    begin_change "$free"
    await_worker "$pid" || return 1
    random_moment "$span"
    driverctl set-override "$free" vfio-pci 2>/run/driverctl || result=$?
    wait "$change" || true
    if [[ $(driver_of "$free") == vfio-pci ]]; then
        is_overridden "$free" vfio-pci
        overridden=$((overridden + 1))
    else
        # Its look or its word was overtaken by ours, and it has given up; or was it overtaken after it had looked?
        (( result == 0 )) || grep -qE 'unbinding .* failed|failed to bind' /run/driverctl ||
            fail "driverctl: $(</run/driverctl); the change: $(</run/reply)"
        has_driver "$free" nvme '(null)'
    fi
    results+="$result:$(driver_of "$free") "
    gives_back "$free" nvme
    wait_until 60 has_node "$free"
    is 'the data' "$(drive_checksum "$free")" "$1"
    all_is_whole
}

case_full_driverctl_at_any_moment_of_a_change()
{
    local round span overridden=0 met=0 moment=0 sum results=
    sum=$(fill_drive "$free")
    at_end driverctl unset-override "$free"
    open_clock
    span=$(measure_change "$free")
    for round in {1..10}; do
        ! override_at_random "$sum" || met=$((met + 1))
        wait "$change" || true
    done
    (( met > 0 && overridden > 0 )) || fail "$met of $round rounds met a change, driverctl did its work in $overridden"
    echo "figure: driverctl ran into $met changes, and had its way in $overridden: $results"
}

# What the record says of driver_override is given back by whoever finds it.
case_full_driverctl_override_and_a_killed_change()
{
    local sum
    sum=$(fill_drive "$free")
    overrides "$free" nvme
    wait_until 30 has_node "$free"
    change_unit Restart=no ExecStopPost=
    stands_still_unbound "$free"
    is 'driver_override' "$(override_of "$free")" nvme
    # shellcheck disable=SC2086
    kill -9 "$(daemon_pid)" $workers
    goes_on
    is 'the driver' "$(driver_of "$free")" ''
    systemctl reset-failed iommu-policyd.service
    systemctl start iommu-policyd.service
    wait_until 60 has_node "$free"
    udevadm settle --timeout 60
    wait_until 30 no_record
    is_overridden "$free" nvme
    gives_back "$free" nvme
    is 'the data' "$(drive_checksum "$free")" "$sum"
}

no_record()
{
    [[ -z $(find /run/iommu-policy/change -type f ! -name '*.lock') ]]
}

# Nobody has recovered the killed change yet when driverctl comes: what it sets is kept, and there is nothing to recover.
case_full_driverctl_after_a_killed_change()
{
    local sum
    sum=$(fill_drive "$free")
    change_unit Restart=no ExecStopPost=
    stands_still_unbound "$free"
    # shellcheck disable=SC2086
    kill -9 "$(daemon_pid)" $workers
    goes_on
    is 'driver_override' "$(override_of "$free")" iommu-policy-hold
    at_end driverctl unset-override "$free"
    driverctl set-override "$free" vfio-pci
    systemctl reset-failed iommu-policyd.service
    systemctl start iommu-policyd.service
    wait_until 60 no_record
    is_overridden "$free" vfio-pci
    gives_back "$free" nvme
    wait_until 60 has_node "$free"
    is 'the data' "$(drive_checksum "$free")" "$sum"
    all_is_whole
}

hot_is_there()
{
    hot=$(address_of HOT)
}

has_override()
{
    [[ $(driver_of "$hot") == vfio-pci && $(override_of "$hot") == vfio-pci ]]
}

# Into a machine where driverctl has saved vfio-pci for it, and a rule may unbind it. driverctl's service runs long after the
# kernel's probe.
case_full_driverctl_at_hot_plug()
{
    host_request plug
    trap 'host_request unplug; end_helpers' EXIT
    wait_until 60 hot_is_there
    driverctl set-override "$hot" vfio-pci
    at_end rm -f "/etc/driverctl.d/pci-$hot"
    host_request unplug
    trap end_helpers EXIT
    idle_rule "$hot" identity
    host_request plug
    trap 'host_request unplug; end_helpers' EXIT
    wait_until 90 has_override
    wait_until 60 wants_nothing "$hot"
    is_overridden "$hot" vfio-pci
    is 'its service' "$(systemctl show --property ActiveState --value "driverctl@pci-$hot.service")" active
    driverctl unset-override "$hot"
    wait_until 60 is_settled "$hot" identity
    has_driver "$hot" nvme '(null)'
}
