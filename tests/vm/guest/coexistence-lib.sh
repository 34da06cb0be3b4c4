# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the cases about our neighbours share, beside findings-lib.sh, vfio-lib.sh and moments.sh.

override_of()
{
    cat "/sys/bus/pci/devices/$1/driver_override"
}

# has_driver ADDRESS DRIVER OVERRIDE: and nothing is left of any change.
has_driver()
{
    local leftover
    is "the driver of $1" "$(driver_of "$1")" "$2"
    is "driver_override of $1" "$(override_of "$1")" "$3"
    leftover=$(find /run/iommu-policy/change -type f ! -name '*.lock')
    is 'the records of changes' "$leftover" ''
}

# A rule that may unbind the device, which goes on with the machine's own ones.
idle_rule()
{
    printf '[Match]\nAddress=%s\n[Policy]\nType=%s\nUnbind=idle\n' "$1" "$2" >"$rules/50-idle.conf"
    iommuctl reload
}

# why_says ADDRESS TEXT
why_says()
{
    iommuctl why "$1" >/run/why
    grep -qF "$2" /run/why || fail "iommuctl why $1 does not say \"$2\": $(</run/why)"
}

# wants_nothing ADDRESS: of a device that is for user space only Forbid= counts.
wants_nothing()
{
    [[ $(group_property "$1" State) == settled && $(group_property "$1" WantedType) == '' ]] &&
        iommuctl why "$1" >/run/why && grep -qF 'does not count: its driver manages DMA itself' /run/why
}

# owned_by ADDRESS COMM: the finding is an owner, root is told who it is, and a change is refused; nothing has moved.
owned_by()
{
    local type driver
    type=$(type_of "$1") driver=$(driver_of "$1")
    has_finding "$1" owner:
    iommuctl usage "$1" >/run/usage
    grep -F "($2)" /run/usage | grep -q 'pid [0-9]' || fail "usage does not name $2: $(</run/usage)"
    refused OwnedByUser switch "$1" "$(other_type "$1")"
    is 'the type' "$(type_of "$1")" "$type"
    is 'the driver' "$(driver_of "$1")" "$driver"
}

# A change of the device that stands still between its unbind and its bind, until goes_on.
stands_still_unbound()
{
    local try pid
    # It may stand for longer than a step is given.
    printf '[Daemon]\nSettleSec=1\nUnbindTimeoutSec=600\nTypeTimeoutSec=600\nBindTimeoutSec=600\n' \
        >/etc/iommu-policy/daemon.conf
    systemctl restart iommu-policyd.service
    pid=$(daemon_pid)
    for try in {1..20}; do
        begin_change "$1"
        while [[ -e /sys/bus/pci/devices/$1/driver ]] && kill -0 "$change" 2>/dev/null; do :; done
        look_for_workers "$pid"
        if [[ -n $workers ]] && stop_workers && [[ ! -e /sys/bus/pci/devices/$1/driver ]]; then
            at_end goes_on
            return
        fi
        goes_on
    done
    fail "none of $try changes was met without a driver"
}

goes_on()
{
    # shellcheck disable=SC2086
    [[ -z $workers ]] || kill -CONT $workers 2>/dev/null || true
    wait "$change" || true
}

# The change that stood still meets another driver: it says so, and leaves it.
ends_with_another_driver()
{
    goes_on
    grep -qE "Error\.DeviceChanged: .*(not bound to $1 any more|given to another driver than $1)" /run/reply ||
        fail "the reply: $(</run/reply)"
}
