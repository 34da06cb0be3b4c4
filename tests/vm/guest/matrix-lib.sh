# shellcheck shell=bash disable=SC2154,SC2034
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the cases of matrix.sh share: the devices, what the machine is, the daemon, the ends of a case.

# --- how a case ends

# pass [TEXT]; refused_as_expected TEXT: by whom and how; not_possible TEXT: the reason. Each ends the case.
pass()
{
    verdict pass "$*"
}

refused_as_expected()
{
    verdict refused "$*"
}

not_possible()
{
    verdict not-possible "$*"
}

verdict()
{
    echo "$*" >"$scratch/verdict"
    exit 0
}

fail()
{
    echo "$*"
    exit 1
}

# is WHAT ACTUAL EXPECTED
is()
{
    [[ $2 == "$3" ]] || fail "$1 is \"$2\", expected \"$3\""
}

# at_end COMMAND…: is run when the case ends, whatever becomes of it; the last one first.
undone_at_end=()

at_end()
{
    undone_at_end+=("$(printf '%q ' "$@")")
}

undo()
{
    local i
    for (( i = ${#undone_at_end[@]} - 1; i >= 0; i-- )); do
        eval "${undone_at_end[i]}" >/dev/null 2>&1 || true
    done
}

# --- the devices, each found by what it is

# look_for_devices: into $scratch/devices; the addresses do not change, and a drive without driver has no
# serial.
look_for_devices()
{
    local name
    # Whose modules are there but not loaded by udev, as nothing asks for them.
    modprobe --all --quiet vfio-pci pci-stub || true
    # With virtio-iommu no interrupt is remapped, and VFIO takes no device without this. The module may be
    # there already.
    modprobe --quiet vfio_iommu_type1 || true
    [[ ! -e /sys/module/vfio_iommu_type1 ]] ||
        echo Y >/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts
    for name in FREE MOUNTED TWO0 TWO1 BEHINDBRIDGE; do
        printf '%s=%s\n' "${name,,}" "$(address_of "$name" || true)"
    done
    printf 'conventional="%s"\n' "$(conventional_cards)"
    printf 'untrusted_device=%s\n' "$(untrusted_of_machine)"
}

# The cards behind a bridge to conventional PCI, which all are of one driver.
conventional_cards()
{
    local card cards=()
    for card in /sys/bus/pci/drivers/e1000/????:*; do
        [[ ! -e $card ]] || cards+=("${card##*/}")
    done
    echo "${cards[*]}"
}

untrusted_of_machine()
{
    local file
    for file in /sys/bus/pci/devices/*/removable; do
        [[ -e $file && $(<"$file") == removable && -e ${file%/*}/driver ]] || continue
        file=${file%/removable}
        echo "${file##*/}"
        return
    done
}

has_group()
{
    [[ -e /sys/bus/pci/devices/$1/iommu_group ]]
}

# The members of a device's group, one a line.
members_of()
{
    local member
    for member in "/sys/bus/pci/devices/$1/iommu_group/devices"/*; do
        echo "${member##*/}"
    done
}

# Those that a driver has which uses the DMA that the kernel sets up: they would have to be unbound.
functions_of()
{
    local member
    while read -r member; do
        [[ $(driver_of "$member") =~ ^(|pcieport|vfio-pci|pci-stub)$ ]] || echo "$member"
    done < <(members_of "$1")
}

# The first of these devices that is a PCI bridge.
driven_bridge_of()
{
    local device
    for device; do
        [[ $(<"/sys/bus/pci/devices/$device/class") != 0x0604* ]] || { echo "$device"; return; }
    done
}

# needs_switch WHAT ADDRESS: goes on if the device is there, with a group whose type can be switched.
needs_switch()
{
    [[ -n $2 ]] || not_possible "the machine has no $1"
    has_group "$2" || not_possible "$(no_group_reason)"
    [[ $(type_of "$2") != unknown ]] || not_possible 'the groups have no type that could be switched'
    [[ -z $fault ]] || not_possible "$fault"
}

# VIRTIO_ID_IOMMU of include/uapi/linux/virtio_ids.h: the driver is built into kernels that have no such device.
readonly virtio_iommu=0x0017

no_group_reason()
{
    if has_groups; then
        echo 'the kernel gives the device no group'
    elif [[ -n $(ls /sys/class/iommu 2>/dev/null) ]] || grep -qsx "$virtio_iommu" /sys/bus/virtio/devices/*/device; then
        echo 'the kernel gives no device a group, although there is an IOMMU'
    else
        echo 'the machine has no IOMMU'
    fi
}

has_groups()
{
    [[ -n $(ls /sys/kernel/iommu_groups 2>/dev/null) ]]
}

# bind_by_hand ADDRESS DRIVER; nothing where it has it.
bind_by_hand()
{
    local device=/sys/bus/pci/devices/$1
    [[ $(driver_of "$1") != "$2" ]] || return 0
    [[ ! -e $device/driver ]] || echo "$1" >"$device/driver/unbind"
    echo "$2" >"$device/driver_override"
    echo "$1" >"/sys/bus/pci/drivers/$2/bind"
    echo >"$device/driver_override"
}

# --- what the machine is, by what it does

# In scalable mode QEMU 7.2 goes on bypassing VT-d for a device that has had identity (docs/kernel-notes.md).
# A drive that answers in DMA again proves the opposite; one that does not goes back to identity, in which it
# works.
fault_of_machine()
{
    local ecap=/sys/class/iommu/dmar0/intel-iommu/ecap drive=/sys/bus/pci/devices/$free
    [[ -r $ecap ]] && has_group "$free" && (( 0x$(<"$ecap") >> 43 & 1 )) || return 0
    ! comes_back_from_identity || return 0
    [[ ! -e $drive/driver ]] || echo "$free" >"$drive/driver/unbind"
    echo identity >"$drive/iommu_group/type"
    bind_by_hand "$free" nvme
    wait_until 60 node_of "$free" >/dev/null
    echo 'the emulated VT-d does not translate the DMA of a device again that has had identity,' \
        'in scalable mode'
}

comes_back_from_identity()
{
    local drive=/sys/bus/pci/devices/$free type
    for type in identity DMA; do
        echo "$free" >"$drive/driver/unbind"
        echo "$type" >"$drive/iommu_group/type"
        # The kernel gives it up after 60 s: 6.1 behind the back of bind, 6.12 in it.
        bind_by_hand "$free" nvme || return 1
        wait_until 90 node_of "$free" >/dev/null || return 1
    done
}

# --- what the kernel is, by what it does

# The generation of answers (tests/kernel/type-cases.txt): a write to a group with a bound driver is refused,
# by EPERM since Linux 6.4, by EBUSY or EINVAL before.
find_generation()
{
    local device type answer
    for device in "$free" "$mounted"; do
        [[ -n $device && -n $(driver_of "$device") && -n $(group_of "$device") ]] || continue
        type=$(type_of "$device")
        [[ $type != unknown ]] || type=DMA
        answer=$( { echo "$type" >"/sys/bus/pci/devices/$device/iommu_group/type"; } 2>&1) || true
        case $answer in
            *'not permitted'*) echo 6.12; return ;;
            *busy* | *'Invalid argument'*) echo 6.1; return ;;
        esac
    done
    echo any
}

# The kind of a device's group, as type-cases.txt names it.
kind_of()
{
    local members functions
    has_group "$1" || { echo absent; return; }
    [[ $(type_of "$1") != unknown ]] || { echo static; return; }
    members=$(members_of "$1" | wc -l) functions=$(functions_of "$1" | wc -l)
    if (( members > 1 )); then
        if (( functions > 1 )); then echo n; else echo bridge; fi
    elif [[ $(cat "/sys/bus/pci/devices/$1/removable" 2>/dev/null) == removable ]]; then
        echo untrusted
    elif is_forced "$1"; then
        echo forced
    else
        echo 1
    fi
}

# Whether the kernel wants DMA for the device, and so for its group.
is_forced()
{
    [[ $generation == 6.12 ]] && cannot_pass_through "$1"
}

# VT-d says in its registers whether it can let DMA pass untranslated: ecap, bit 6.
cannot_pass_through()
{
    local register=/sys/bus/pci/devices/$1/iommu/intel-iommu/ecap
    [[ -e $register ]] && (( (16#$(<"$register") >> 6 & 1) == 0 ))
}

# takes ADDRESS TYPE: whether the device may have this type: of a forced one the kernel would take DMA-FQ
# while it is in use, the daemon does not ask for it.
takes()
{
    [[ $2 == DMA || $2 == auto ]] || ! is_forced "$1"
}

# --- data

# Whether there is a real disk; the fake kernel's have no data.
has_data()
{
    local node
    node=$(node_of "$1") && [[ -b $node ]]
}

# fill ADDRESS: 2 MiB of noise, which looks like no file system.
fill()
{
    head -c 2M /dev/urandom >"$scratch/noise"
    dd if="$scratch/noise" of="$(node_of "$1")" bs=1M oflag=direct conv=fsync status=none
    udevadm settle --timeout 60
}

checksum()
{
    local sum
    sum=$(dd if="$(node_of "$1")" bs=1M count=2 iflag=direct status=none | sha256sum)
    echo "${sum%% *}"
}

# What is another one when the device has been unbound: the disk, or where there is none the controller.
incarnation()
{
    local node
    if has_data "$1"; then
        node=$(node_of "$1")
        cat "/sys/class/block/${node#/dev/}/diskseq"
    else
        stat -c %i "/sys/bus/pci/devices/$1"/nvme/nvme*
    fi
}

# --- the daemon

# Where systemd runs, it is a service of it; else (in the fake machine) a process of ours.
start_daemon()
{
    if [[ -d /run/systemd/system ]]; then
        systemctl reset-failed iommu-policyd.service 2>/dev/null || true
        systemctl start iommu-policyd.service
    else
        "${IOMMU_POLICYD:?}" </dev/null >/dev/null 2>&1 &
        echo $! >"$scratch/daemon"
        wait_until 60 name_is_owned
    fi
}

name_is_owned()
{
    busctl call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus GetNameOwner s \
        "$bus_name" >/dev/null 2>&1
}

stop_daemon()
{
    if [[ -d /run/systemd/system ]]; then
        systemctl stop iommu-policyd.service
    elif [[ -e $scratch/daemon ]]; then
        kill "$(<"$scratch/daemon")" || true
        tail --pid="$(<"$scratch/daemon")" -f /dev/null
        rm "$scratch/daemon"
    fi
}

# client STATUS WORD…: iommuctl, which must end with this status; what it says is then in $said.
client()
{
    local expected=$1 status=0
    shift
    said=$(timeout 180 "${IOMMUCTL:-iommuctl}" "$@" 2>&1) || status=$?
    [[ $status == "$expected" ]] || fail "iommuctl $* ended with $status, expected $expected: $said"
}

# client_set STATUS ADDRESS TYPE: what is found on devices without data, into which nobody can look, is
# allowed.
client_set()
{
    local allow=() id
    if ! has_data "$2"; then
        while read -r id; do
            [[ $id == infrastructure:* ]] || allow+=(--allow "$id")
        done < <(finding_ids "$2")
    fi
    client "$1" set "${allow[@]}" "$2" "$3"
}

write_rule()
{
    printf '%s\n' "${@:2}" >"$rules/$1.conf"
    at_end rm -f "$rules/$1.conf"
}

# unchanged ADDRESS TYPE DRIVER
unchanged()
{
    is "the type of $1" "$(type_of "$1")" "$2"
    is "the driver of $1" "$(driver_of "$1")" "$3"
}

is_type()
{
    [[ $(type_of "$1") == "$2" ]]
}
