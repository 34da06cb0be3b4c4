# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the cases share: the clean start, and what they assert.

helpers=()
undone_at_end=()
unit_link=/etc/systemd/system/multi-user.target.wants/iommu-policyd.service
unit_changes=/etc/systemd/system/iommu-policyd.service.d

fail()
{
    echo "$*"
    exit 1
}

# "! command" never ends a script that stops at errors; this does.
not()
{
    ! "$@"
}

# The addresses do not change while the machine runs; a drive whose driver a case has lost has no serial
# number.
find_drives()
{
    local file=/run/iommu-policy-test-drives
    if [[ ! -e $file ]]; then
        printf 'free=%s\nmounted=%s\n' "$(address_of FREE)" "$(address_of MOUNTED)" >"$file"
    fi
    # shellcheck disable=SC1090
    . "$file"
    nic=$(nic_with_driver e1000e)
}

# 6.1 (before 6.4) or 6.12: the two kinds of answers that kernels give (tests/kernel/type-cases.txt).
kernel_generation()
{
    if [[ $(uname -r) == 6.1.* ]]; then echo 6.1; else echo 6.12; fi
}

nic_with_driver()
{
    local device
    for device in /sys/bus/pci/drivers/"$1"/0000:*; do
        basename "$device"
        return
    done
}

# The name of the network interface at a PCI address.
interface_of()
{
    basename /sys/bus/pci/devices/"$1"/net/*
}

has_node()
{
    local node
    node=$(node_of "$1") && [[ -b $node ]]
}

bind_by_hand()
{
    [[ $(driver_of "$1") != "$2" ]] || return 0
    [[ -z $(driver_of "$1") ]] || echo "$1" >"/sys/bus/pci/devices/$1/driver/unbind"
    echo >"/sys/bus/pci/devices/$1/driver_override"
    echo "$1" >"/sys/bus/pci/drivers/$2/bind"
}

# switch_by_hand ADDRESS TYPE: what an administrator does without us.
switch_by_hand()
{
    local driver
    [[ $(type_of "$1") != "$2" ]] || return 0
    driver=$(driver_of "$1")
    [[ -z $driver ]] || echo "$1" >"/sys/bus/pci/devices/$1/driver/unbind"
    echo "$2" >"/sys/bus/pci/devices/$1/iommu_group/type"
    [[ -z $driver ]] || echo "$1" >"/sys/bus/pci/drivers/$driver/bind"
}

# Both drives blank, bound and in the type the kernel gives them; no rule, no call; the daemon just started.
make_fresh()
{
    local address
    systemctl stop iommu-policyd.service
    umount --quiet --all-targets /mnt 2>/dev/null || true
    swapoff --all
    for address in "$free" "$mounted"; do
        bind_by_hand "$address" nvme
        switch_by_hand "$address" DMA-FQ
        # Linux 6.1 probes behind the back of `bind`.
        wait_until 60 has_node "$address"
        dd if=/dev/zero of="$(node_of "$address")" bs=1M count=2 conv=fsync status=none
    done
    bind_by_hand "$nic" e1000e
    switch_by_hand "$nic" DMA-FQ
    udevadm settle --timeout 60
    rm -rf "$rules"/*.conf /etc/polkit-1/rules.d/*.rules /run/iommu-policy/call/*
    mkdir -p "$rules" /etc/iommu-policy
    # The quiet time before a rule may unbind, short enough for a test.
    printf '[Daemon]\nSettleSec=1\n' >/etc/iommu-policy/daemon.conf
    if [[ -d $unit_changes ]]; then
        rm -r "$unit_changes"
        systemctl daemon-reload
    fi
    # A case may have failed the unit, or started it more often than systemd likes.
    systemctl reset-failed iommu-policyd.service 2>/dev/null || true
    [[ -L $unit_link ]] || systemctl enable --quiet iommu-policyd.service
    systemctl start iommu-policyd.service
}

# change_unit LINE…: what a case needs otherwise in the [Service] of the unit.
change_unit()
{
    mkdir -p "$unit_changes"
    printf '%s\n' '[Service]' "$@" >"$unit_changes/case.conf"
    systemctl daemon-reload
}

# at_end COMMAND…: is run when the case ends, whatever becomes of it; the last one first. That it fails, as
# the case has done it already, is no matter.
at_end()
{
    undone_at_end+=("$(printf '%q ' "$@")")
}

# Background processes of a case end with it.
end_helpers()
{
    local i
    (( ${#helpers[@]} == 0 )) || kill "${helpers[@]}" 2>/dev/null || true
    for (( i = ${#undone_at_end[@]} - 1; i >= 0; i-- )); do
        eval "${undone_at_end[i]}" >/dev/null 2>&1 || true
    done
}

# --- calls with their D-Bus error names

# group_call ADDRESS METHOD [ARGUMENT…], arguments as gdbus wants them.
group_call()
{
    gdbus call --system --timeout 120 --dest "$bus_name" --object-path "$(group_path "$1")" \
        --method "$bus_name.Group.$2" "${@:3}"
}

manager_call()
{
    gdbus call --system --timeout 120 --dest "$bus_name" --object-path "$manager_path" \
        --method "$bus_name.Manager.$1" "${@:2}"
}

# switch ADDRESS TYPE [OPTIONS]
switch()
{
    group_call "$1" SetType "$2" "${3-{\}}"
}

# refused NAMES COMMAND…: it fails with one of the errors ("InUse|OwnedByUser", or full names); its text is
# then in $refusal.
refused()
{
    local names=$1
    shift
    if refusal=$("$@" 2>&1); then
        fail "it was not refused: $*: $refusal"
    fi
    grep -qE "GDBus\.Error:(org\.iommupolicy1\.Error\.|org\.freedesktop\.DBus\.Error\.)($names):" \
        <<<"$refusal" ||
        fail "expected $names from $*, got: $refusal"
}

# denied COMMAND…: refused for lack of authorisation.
denied()
{
    refused 'AccessDenied|InteractiveAuthorizationRequired' "$@"
}

# --- assertions

# is WHAT ACTUAL EXPECTED
is()
{
    [[ $2 == "$3" ]] || fail "$1 is \"$2\", expected \"$3\""
}

has_finding()
{
    finding_ids "$1" | grep -q "^$2" || fail "no finding $2… on $1, only: $(finding_ids "$1" | tr '\n' ' ')"
}

has_no_finding()
{
    if finding_ids "$1" | grep "^$2"; then
        fail "a finding $2… on $1 although nothing of that kind is there"
    fi
}

# stays_refused ADDRESS FINDING-PREFIX [ERRORS]: the finding is listed, a disruptive switch is refused
# because of it, and neither the type nor the driver has moved.
stays_refused()
{
    local type driver
    type=$(type_of "$1") driver=$(driver_of "$1")
    has_finding "$1" "$2"
    refused "${3-InUse}" switch "$1" identity
    is "the type of $1" "$(type_of "$1")" "$type"
    is "the driver of $1" "$(driver_of "$1")" "$driver"
}

# Nothing is left of any change, and every drive has its driver.
all_is_whole()
{
    local leftover address
    leftover=$(find /run/iommu-policy/change -type f ! -name '*.lock' 2>/dev/null || true)
    [[ -z $leftover ]] || { echo "left over: $leftover"; return 1; }
    for address in "$free" "$mounted"; do
        [[ $(driver_of "$address") == nvme && -b $(node_of "$address") ]] ||
            { echo "$address has no driver"; return 1; }
        [[ $(cat "/sys/bus/pci/devices/$address/driver_override") == '(null)' ]] ||
            { echo "$address has a driver_override left"; return 1; }
    done
}

# Fills the first 8 MiB of a drive with random data that looks like no file system, and says its checksum.
fill_drive()
{
    head -c 8M /dev/urandom >/run/fill
    dd if=/run/fill of="$(node_of "$1")" bs=1M oflag=direct conv=fsync status=none
    udevadm settle --timeout 60
    drive_checksum "$1"
}

drive_checksum()
{
    local sum
    sum=$(dd if="$(node_of "$1")" bs=1M count=8 iflag=direct status=none | sha256sum)
    echo "${sum%% *}"
}

make_file_system()
{
    mkfs.ext4 -q -F "$(node_of "$1")"
    udevadm settle --timeout 60
}

# is_type ADDRESS TYPE, and is_settled ADDRESS TYPE: also without a change on its way.
is_type()
{
    [[ $(type_of "$1") == "$2" ]]
}

is_settled()
{
    [[ $(type_of "$1") == "$2" && $(group_property "$1" State) == settled && -n $(driver_of "$1") ]]
}

is_pending_for()
{
    [[ $(group_property "$1" State) == pending && $(group_property "$1" PendingReason) == "$2" ]]
}

daemon_pid()
{
    systemctl show --property MainPID --value iommu-policyd.service
}
