#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# run-type-cases.sh [--states GLOB] [--vfio-user COMMAND] SYSROOT GENERATION MEMBERS DEVICE...
#
# Asks the sysfs at SYSROOT what type-cases.txt has for a group of the kind MEMBERS: the fake kernel's, or
# /sys of a machine whose devices nobody uses (they lose their driver, and their type changes). The DEVICEs
# are those members that a driver has which does not manage DMA itself; `absent`: a device without a group.
# GENERATION is 6.1 (5.15 to 6.3) or 6.12 (6.4 and later). Prints each answer as a line of the list with one
# case, `answer ...`, and if it is not the one of the list `FAIL CASE: what was seen`; last `N passed, N
# failed, N not for this machine` (states that it cannot be brought to, files that it has not). Exit 1 if one
# failed, or none was asked. The devices get their driver and type back.
#   --states GLOB         the states of the list that are asked for (an extended pattern of bash; default:
#                         all)
#   --vfio-user COMMAND   COMMAND GROUP open|owned says `ready` once it has the group open, or a container
#                         attached, and lets go when its input ends. Without it these two states are left out
set -u
shopt -s extglob
export LC_ALL=C

states='*' vfio_user=
while [[ ${1-} == --* ]]; do
    case $1 in
        --states) states=$2 ;;
        --vfio-user) vfio_user=$2 ;;
        *) break ;;
    esac
    shift 2
done
(( $# >= 4 )) || {
    echo "usage: $0 [--states GLOB] [--vfio-user COMMAND] SYSROOT GENERATION MEMBERS DEVICE..." >&2
    exit 2
}
sys=$1 generation=$2 members=$3
shift 3
devices=("$@")
first=$1
list=${0%/*}/type-cases.txt
bus=$sys/bus/pci
for other in platform amba; do
    [[ -e $bus/devices/$first ]] || bus=$sys/bus/$other
done
group=$bus/devices/$first/iommu_group
declare -i passed=0 failed=0
declare -A own=()
user='' type=''
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# An emulated machine needs 20 ms for a process, so what is called for each case starts none: it answers in a
# variable.

# read_type: the group's type, into $type.
read_type()
{
    type=
    IFS= read -r type <"$group/type"
}

# The last part of a link's target.
target()
{
    local path
    path=$(readlink "$1" 2>/dev/null) || path=none
    echo "${path##*/}"
}

# put TEXT FILE: writes by one write(2); the errno's name, or 0, is then in $errno.
put()
{
    local text=$1 message='' printf=printf
    errno=0
    [[ -n $text ]] || return 0
    # The shell's own writes line by line.
    [[ $text != *'\n'*  ]] || printf=/usr/bin/printf
    { "$printf" '%b' "$text" >"$2"; } 2>"$scratch/error" && return 0
    IFS= read -r message <"$scratch/error"
    case $message in
        *"not permitted"*) errno=EPERM ;;
        *"Permission denied"*) errno=EACCES ;;
        *"resource busy"*) errno=EBUSY ;;
        *"Invalid argument"*) errno=EINVAL ;;
        *"No such device"*) errno=ENODEV ;;
        *"No such file"*) errno=ENOENT ;;
        *"Input/output error"*) errno=EIO ;;
        *) errno=$message ;;
    esac
}

unbind()
{
    local driver
    driver=$(target "$bus/devices/$1/driver")
    [[ $driver == none ]] || put "$1" "$bus/drivers/$driver/unbind"
}

# An asynchronous probe may still be on its way: what is asked for is only the link.
bind_to()
{
    put "$2" "$bus/devices/$1/driver_override"
    put "$1" "$bus/drivers/$2/bind"
    put '\n' "$bus/devices/$1/driver_override"
}

# --- users of VFIO

let_go()
{
    [[ -n $user ]] || return 0
    exec {user_input}>&-
    wait "$user"
    user=
}

# hold open|owned
hold()
{
    local id answer
    id=$(target "$group")
    mkfifo "$scratch/in" "$scratch/out"
    # shellcheck disable=SC2086
    $vfio_user "$id" "$1" <"$scratch/in" >"$scratch/out" &
    user=$!
    exec {user_input}>"$scratch/in"
    IFS= read -r answer <"$scratch/out"
    rm "$scratch/in" "$scratch/out"
    [[ $answer == ready ]] || { let_go; return 1; }
}

# --- the state that a case starts from

state_now=

# bring_to STATE FROM: fails if the machine has not what the state needs. What is there already stays: most
# writes are refused, and to bind a driver takes a second.
bring_to()
{
    local device wanted=${2/#boot/$boot}
    case $1 in
        stub) [[ -d $bus/drivers/pci-stub ]] || return 1 ;;
        vfio) [[ -d $bus/drivers/vfio-pci ]] || return 1 ;;
        vfio-*) [[ -d $bus/drivers/vfio-pci && -n $vfio_user ]] || return 1 ;;
        bound | unbound | one-unbound) ;;
        *) return 1 ;;
    esac
    read_type
    [[ $state_now != "$1" || $type != "$wanted" ]] || return 0
    let_go
    for device in "${devices[@]}"; do unbind "$device"; done
    state_now=$1
    if [[ $type != "$wanted" ]]; then
        put "$wanted" "$group/type"
        read_type
        [[ $type == "$wanted" ]] || { state_now=; return 1; }
    fi
    for device in "${devices[@]}"; do
        case $1 in
            stub) bind_to "$device" pci-stub ;;
            vfio*) bind_to "$device" vfio-pci ;;
            bound) bind_to "$device" "${own[$device]}" ;;
            one-unbound) [[ $device == "$first" ]] || bind_to "$device" "${own[$device]}" ;;
        esac
    done
    [[ $1 != vfio-* ]] || hold "${1#vfio-}" || { state_now=; return 1; }
}

# report QUESTION ANSWER EXPECTED
report()
{
    printf 'answer %s %s\n' "$1" "$2"
    if [[ $2 == "$3" ]]; then
        passed+=1
    else
        failed+=1
        printf 'FAIL %s: seen %s, expected %s\n' "$1" "$2" "$3"
    fi
}

type_case()
{
    local state=$1 from=$2 value=$3 error=$4 result=$5 before bytes
    # shellcheck disable=SC2053
    [[ $state == $states ]] || return 0
    if ! bring_to "$state" "$from"; then
        away+=1
        return
    fi
    before=$type
    bytes=$value
    [[ $value != empty ]] || bytes=
    put "$bytes" "$group/type"
    read_type
    case $result in
        same) result=$before ;;
        value) result=$value ;;
        boot) result=$boot ;;
    esac
    report "type $generation $members $state $before $value" "$errno $type" "$error $result"
}

bind_case()
{
    local state=$1 file=$2 value=$3 error=$4 expected=$5 path name driver
    # shellcheck disable=SC2053
    [[ $state == $states ]] || return 0
    bring_to "${state/held/unbound}" boot
    [[ $state != held ]] || put none "$bus/devices/$first/driver_override"
    case $file in
        drivers_probe) path=$bus/drivers_probe ;;
        other/*) path=$bus/drivers/pci-stub/${file#other/} ;;
        *) path=$bus/drivers/${own[$first]}/$file ;;
    esac
    case $value in
        self) name=$first ;;
        nosuch) name=0000:ff:1f.7 ;;
        *) name=$value ;;
    esac
    if [[ -e $path ]]; then
        put "$name" "$path"
        driver=$(target "$bus/devices/$first/driver")
        [[ $driver != "${own[$first]}" ]] || driver=own
        report "bind $generation $state $file $value" "$errno $driver" "$error $expected"
        state_now=
    else
        away+=1
    fi
    put '\n' "$bus/devices/$first/driver_override"
}

override_case()
{
    local path=$bus/devices/$first/driver_override bytes=$2 text=
    # shellcheck disable=SC2053
    [[ override == $states ]] || return 0
    put "$1" "$path"
    [[ $2 != empty ]] || bytes=
    put "$bytes" "$path"
    IFS= read -r text <"$path"
    report "override $generation $1 $2" "$errno $text" "$3 $4"
    put '\n' "$path"
}

open_case()
{
    put garbage "$bus/devices/$first/$1"
    report "open $generation $members $1" "$errno" "$2"
}

# has LIST WORD: whether the word is one of a list with commas
has()
{
    [[ ,$1, == *",$2,"* ]]
}

for device in "${devices[@]}"; do
    own[$device]=$(target "$bus/devices/$device/driver")
done
boot=
if [[ $members != absent ]]; then
    read_type
    boot=$type
    echo "answer boot $generation $members $boot"
fi

declare -i away=0
while read -r kind generations a b c d e f; do
    has "${generations-}" "$generation" || [[ ${generations-} == any ]] || continue
    case $kind in
        type)
            has "$a" "$members" || continue
            for state in ${b//,/ }; do
                for from in ${c//,/ }; do
                    for value in ${d//,/ }; do type_case "$state" "$from" "$value" "$e" "$f"; done
                done
            done
            ;;
        bind)
            [[ $members == 1 ]] || continue
            for file in ${b//,/ }; do
                for value in ${c//,/ }; do bind_case "$a" "$file" "$value" "$d" "$e"; done
            done
            ;;
        override)
            [[ $members == 1 ]] || continue
            for value in ${b//,/ }; do override_case "$a" "$value" "$c" "$d"; done
            ;;
        open)
            has "$a" "$members" || continue
            open_case "$b" "$c"
            ;;
    esac
done <"$list"

if [[ $members != absent ]]; then
    bring_to unbound boot || echo "the type $boot could not be restored"
    let_go
    for device in "${devices[@]}"; do bind_to "$device" "${own[$device]}"; done
fi
echo "$passed passed, $failed failed, $away not for this machine"
(( failed == 0 && passed > 0 ))
