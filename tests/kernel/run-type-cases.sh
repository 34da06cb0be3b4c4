#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# run-type-cases.sh SYSROOT GENERATION DEVICE...
#
# Runs the cases of type-cases.txt that are for these devices against the sysfs at SYSROOT: the fake
# kernel's, or /sys of a machine whose devices nobody uses (they lose their driver, and their type changes).
# One DEVICE that is alone in its group: the cases of a single device. Several, all the members of one group
# that have a driver: those of a group. GENERATION is 6.1 (5.15 to 6.3) or 6.12 (6.4 and later). Prints `ok
# CASE` or `FAIL CASE: what was seen`, and last `N passed, N failed`; exit 1 if one failed. The devices get
# their driver and type back.
set -u
export LC_ALL=C

[ $# -ge 3 ] || { echo "usage: $0 SYSROOT GENERATION DEVICE..." >&2; exit 2; }
sys=$1 generation=$2
shift 2
devices=$*
first=$1
list=${0%/*}/type-cases.txt
bus=$sys/bus/pci
[ -e "$bus/devices/$first" ] || bus=$sys/bus/platform
group=$bus/devices/$first/iommu_group
passed=0 failed=0
members=1
[ $# -eq 1 ] || members=n

# The first line of a file, the last part of a link's target.
line() { head -n 1 "$1" 2>&1; }
target() { basename "$(readlink "$1" 2>/dev/null || echo none)"; }

# Writes by one write(2), and prints the errno's name, or 0.
put() {
    [ -n "$1" ] || { echo 0; return; }
    message=$( { /usr/bin/printf '%b' "$1" >"$2"; } 2>&1) && { echo 0; return; }
    case $message in
        *"not permitted"*) echo EPERM ;;
        *"Permission denied"*) echo EACCES ;;
        *"resource busy"*) echo EBUSY ;;
        *"Invalid argument"*) echo EINVAL ;;
        *"No such device"*) echo ENODEV ;;
        *"No such file"* | *nonexistent*) echo ENOENT ;;
        *"Input/output error"*) echo EIO ;;
        *) echo "$message" ;;
    esac
}

own_driver() { eval "echo \$driver_$(echo "$1" | tr -c 'A-Za-z0-9\n' _)"; }
for device in $devices; do
    eval "driver_$(echo "$device" | tr -c 'A-Za-z0-9\n' _)=$(target "$bus/devices/$device/driver")"
done
boot=${BOOT_DEFAULT:-$(line "$group/type")}
original=$(line "$group/type")

unbind() {
    bound_to=$(target "$bus/devices/$1/driver")
    [ "$bound_to" = none ] || put "$1" "$bus/drivers/$bound_to/unbind" >/dev/null
}

# An asynchronous probe may still be on its way: what is asked for is only the link.
bind_to() {
    put "$2" "$bus/devices/$1/driver_override" >/dev/null
    put "$1" "$bus/drivers/$2/bind" >/dev/null
    put '\n' "$bus/devices/$1/driver_override" >/dev/null
}

# bring_to STATE FROM: fails if the machine has not what the state needs.
bring_to() {
    case $1 in
        stub) [ -d "$bus/drivers/pci-stub" ] || return 1 ;;
        vfio) [ -d "$bus/drivers/vfio-pci" ] || return 1 ;;
        bound | unbound | one-unbound | held) ;;
        *) return 1 ;;
    esac
    for device in $devices; do unbind "$device"; done
    [ "$2" = boot ] || [ "$(line "$group/type")" = "$2" ] || [ "$(put "$2" "$group/type")" = 0 ] || return 1
    for device in $devices; do
        case $1 in
            stub) bind_to "$device" pci-stub ;;
            vfio) bind_to "$device" vfio-pci ;;
            bound) bind_to "$device" "$(own_driver "$device")" ;;
            one-unbound) [ "$device" = "$first" ] || bind_to "$device" "$(own_driver "$device")" ;;
        esac
    done
}

report() {
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
        printf "%s\n" "ok $1"
    else
        failed=$((failed + 1))
        printf "%s\n" "FAIL $1: seen $2, expected $3"
    fi
}

type_case() {
    state=$1 from=$2 value=$3 error=$4 result=$5
    if ! bring_to "$state" "$from"; then
        away=$((away + 1))
        return
    fi
    before=$(line "$group/type")
    bytes=$value
    [ "$value" != empty ] || bytes=
    seen=$(put "$bytes" "$group/type")
    case $result in
        same) result=$before ;;
        value) result=$value ;;
        boot) result=$boot ;;
    esac
    report "type $generation $members $state $from '$value'" "$seen $(line "$group/type")" "$error $result"
}

bind_case() {
    state=$1 file=$2 value=$3 error=$4 expected=$5
    [ "$state" = held ] && base=unbound || base=$state
    bring_to "$base" boot
    own=$(own_driver "$first")
    [ "$state" = held ] && put none "$bus/devices/$first/driver_override" >/dev/null
    case $file in
        drivers_probe) path=$bus/drivers_probe ;;
        other/*) path=$bus/drivers/pci-stub/${file#other/} ;;
        *) path=$bus/drivers/$own/$file ;;
    esac
    case $value in
        self) name=$first ;;
        nosuch) name=0000:ff:1f.7 ;;
        *) name=$value ;;
    esac
    [ "$expected" = own ] && expected=$own
    if [ -e "$path" ]; then
        seen=$(put "$name" "$path")
        report "bind $generation $state $file $value" "$seen $(target "$bus/devices/$first/driver")" \
            "$error $expected"
    else
        away=$((away + 1))
    fi
    put '\n' "$bus/devices/$first/driver_override" >/dev/null
}

override_case() {
    path=$bus/devices/$first/driver_override
    put "$1" "$path" >/dev/null
    bytes=$2
    [ "$2" != empty ] || bytes=
    seen=$(put "$bytes" "$path")
    report "override $generation '$1' '$2'" "$seen $(line "$path")" "$3 $4"
    put '\n' "$path" >/dev/null
}

split() { printf '%s\n' "$1" | tr ',' ' '; }

away=0
set -f
while read -r kind generations a b c d e f; do
    case ",$generations," in
        *",$generation,"*) ;;
        *) continue ;;
    esac
    case $kind in
        type)
            [ "$a" = "$members" ] || continue
            for state in $(split "$b"); do
                for from in $(split "$c"); do
                    for value in $(split "$d"); do type_case "$state" "$from" "$value" "$e" "$f"; done
                done
            done
            ;;
        bind)
            [ "$members" = 1 ] || continue
            for file in $(split "$b"); do
                for value in $(split "$c"); do bind_case "$a" "$file" "$value" "$d" "$e"; done
            done
            ;;
        override)
            [ "$members" = 1 ] || continue
            for value in $(split "$b"); do override_case "$a" "$value" "$c" "$d"; done
            ;;
    esac
done <"$list"

bring_to unbound "$original" || echo "the type $original could not be restored"
for device in $devices; do bind_to "$device" "$(own_driver "$device")"; done
echo "not for this machine: $away"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
