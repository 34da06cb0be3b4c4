# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the cases about VFIO share, beside findings-lib.sh: a program that owns devices as a virtual machine
# does (tests/vm/iommufd-user.c), one step at a time, and what they assert.

# vfio_takes ADDRESS: vfio-pci instead of the device's own driver, if it has any.
vfio_takes()
{
    modprobe vfio-pci
    echo vfio-pci >"/sys/bus/pci/devices/$1/driver_override"
    [[ -z $(driver_of "$1") ]] || echo "$1" >"/sys/bus/pci/devices/$1/driver/unbind"
    echo "$1" >/sys/bus/pci/drivers_probe
    is 'the driver' "$(driver_of "$1")" vfio-pci
    udevadm settle --timeout 60
}

# vfio_gives_back ADDRESS: to the driver that the kernel finds for it.
vfio_gives_back()
{
    echo >"/sys/bus/pci/devices/$1/driver_override"
    echo "$1" >/sys/bus/pci/drivers/vfio-pci/unbind
    echo "$1" >/sys/bus/pci/drivers_probe
}

# The node of the device itself.
cdev_of()
{
    echo "/dev/vfio/devices/$(basename "/sys/bus/pci/devices/$1/vfio-dev"/vfio*)"
}

user_starts()
{
    coproc user_program { exec ./iommufd-user; }
    user_pid=$user_program_PID
    helpers+=("$user_pid")
}

# user STEP…: what the kernel says to it is then in $answer.
user()
{
    printf '%s\n' "$*" >&"${user_program[1]}"
    read -r -t 60 answer <&"${user_program[0]}" || fail "no answer to \"$*\""
}

# user_does STEP…: and it succeeds; the number of what it made, if any, is then in $made.
user_does()
{
    user "$@"
    [[ $answer == ok* ]] || fail "\"$*\" gave $answer"
    made=${answer#ok}
    made=${made# }
}

# All that it has open is closed.
user_ends()
{
    local input=${user_program[1]}
    exec {input}>&-
    wait "$user_pid" || true
}

# owns_through_container ADDRESS: the group, a container, the device.
owns_through_container()
{
    user_does open group "/dev/vfio/$(group_of "$1")"
    user_does open container /dev/vfio/vfio
    user_does set-container
    user_does set-iommu
    user_does get-device "$1"
}

# kernel_says ADDRESS TYPE: what the kernel answers when the type is written by hand.
kernel_says()
{
    local error
    if error=$( { printf '%s' "$2" >"/sys/bus/pci/devices/$1/iommu_group/type"; } 2>&1 ); then
        echo ok
        return
    fi
    case $error in
        *'Operation not permitted') echo EPERM ;;
        *'Device or resource busy') echo EBUSY ;;
        *) echo "$error" ;;
    esac
}

# owned ADDRESS OBJECT: the finding says who it is that owns the device, and through what; a change is
# refused for it, to people, over the bus and in a plan; and nothing is touched.
owned()
{
    local address=$1 object=$2 other escaped
    other=$(other_type "$address")
    escaped=${object//\[/\\x5b}
    in_use "$address" "owner:${escaped//\]/\\x5d}@$address"
    iommuctl usage "$address" >/run/usage
    grep -F "$object" /run/usage | grep -qF "pid $user_pid (iommufd-user)" ||
        fail "usage does not say who owns $address through $object: $(</run/usage)"
    group_call "$address" Plan "$other" '{}' >/run/plan
    grep -qF 'handed to a program through VFIO or iommufd' /run/plan ||
        fail "the plan does not say why: $(</run/plan)"
    refused OwnedByUser switch "$address" "$other"
    is "the driver of $address" "$(driver_of "$address")" vfio-pci
}

# owned_unseen ADDRESS: nobody is found, but the kernel does not write the type; a change says so, and a rule
# waits.
owned_unseen()
{
    local type
    type=$(type_of "$1")
    has_no_finding "$1" owner
    if vfio_stands_against "$1"; then
        is 'what the kernel says' "$(kernel_says "$1" DMA)" EBUSY
        refused InUse switch "$1" DMA
        forbid_type "$1" "$type"
        wait_until 30 is_pending_for "$1" unbind-not-allowed
    else
        is 'what the kernel says' "$(kernel_says "$1" DMA)" EPERM
        refused OwnedByUser switch "$1" DMA
        forbid_type "$1" "$type"
        wait_until 30 is_pending_for "$1" in-use
    fi
    is 'the type' "$(type_of "$1")" "$type"
}

# forbid_type ADDRESS TYPE: a rule that wants another one, whatever the driver: what vfio-pci has needs no
# unbinding.
forbid_type()
{
    printf '[Match]\nAddress=%s\n[Policy]\nForbid=%s\n' "$1" "$2" >"$rules/50-forbid.conf"
    iommuctl reload
}

# Linux before 6.4 writes no type under vfio-pci, owned or not.
vfio_stands_against()
{
    [[ $(kernel_generation) == 6.1 && $(driver_of "$1") == vfio-pci ]]
}

# vfio_goes_free ADDRESS: nobody owns it, so its type is written with vfio-pci bound to it.
vfio_goes_free()
{
    if ! vfio_stands_against "$1"; then
        goes_free "$1"
        return
    fi
    refused InUse switch "$1" identity
    grep -qF "$1 is bound to vfio-pci" <<<"$refusal" || fail "the refusal does not say why: $refusal"
    is 'the driver' "$(driver_of "$1")" vfio-pci
}

# let_go_and_settle ADDRESS TYPE COMMAND…: with the command its owner lets go of it, and what a rule has
# waited for is done without another word; where vfio-pci stands against it, that is seen, and it is done
# when that lets go, too.
let_go_and_settle()
{
    local address=$1 type=$2 old begin
    shift 2
    old=$(type_of "$address")
    begin=$(date +%s%N)
    "$@"
    # It is looked once a minute, too; this is before that.
    if vfio_stands_against "$address"; then
        wait_until 45 is_pending_for "$address" unbind-not-allowed
        is 'the type' "$(type_of "$address")" "$old"
        echo "$address" >/sys/bus/pci/drivers/vfio-pci/unbind
        wait_until 45 is_type "$address" "$type"
        return
    fi
    wait_until 45 is_settled "$address" "$type"
    echo "figure: $type was written, and told, $(( ($(date +%s%N) - begin) / 1000000 )) ms after \"$*\""
}
