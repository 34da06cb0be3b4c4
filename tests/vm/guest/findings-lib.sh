# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the cases about findings share: what they assert, and the uses they make.

# --- assertions

# Another type than the one the group has, which takes an unbind to get to.
other_type()
{
    [[ $(type_of "$1") == identity ]] && echo DMA-FQ || echo identity
}

# The severity that findings of this kind have; nothing where it hangs on what they stand for.
severity_of_kind()
{
    case $1 in
        root|mount|swap|holder|excl|owner|vf|consumer|infrastructure) severity=absolute ;;
        route|master|remote|netns|rdma|export) severity=fatal ;;
        signature|up|addr|display|input|sound) severity=disruptive ;;
        *) severity= ;;
    esac
}

# plan_shows ADDRESS TYPE ID…: iommuctl lists exactly these findings, each with the severity of its kind, and
# ends with the exit status 3.
plan_shows()
{
    local address=$1 type=$2 status=0 text line found=() is_table='' severity
    shift 2
    text=$(iommuctl plan "$address" "$type" 2>&1) || status=$?
    while read -ra line; do
        if [[ $is_table ]]; then
            found+=("${line[0]}")
            severity_of_kind "${line[0]%%:*}"
            is "the severity of ${line[0]}" "${line[2]}" "${severity:-${line[2]}}"
        fi
        [[ ${line[0]} != FINDING ]] || is_table=yes
    done <<<"$text"
    [[ $(printf '%s\n' "${found[@]}" | sort) == "$(printf '%s\n' "$@" | sort)" ]] ||
        fail "in the way of $address stand: ${found[*]}; expected: $*; the plan: $text"
    is 'the exit status of plan (3: in use)' "$status" 3
}

# in_use ADDRESS FINDING…: exactly these findings stand in the way of a disruptive change. `plan` lists them;
# `set` is refused with their ids and exit status 3; the device stays as it is.
in_use()
{
    local address=$1 type driver wanted status=0 id
    shift
    type=$(type_of "$address") driver=$(driver_of "$address") wanted=$(other_type "$address")
    plan_shows "$address" "$wanted" "$@"
    refusal=$(iommuctl set "$address" "$wanted" 2>&1) || status=$?
    is 'the exit status of set (3: in use)' "$status" 3
    for id; do
        # What sums up others stands in nobody's way itself.
        [[ $id != below:* ]] || continue
        # Who owns a device is told by the node, as VFIO users know it.
        [[ $id != owner:* ]] || { id=${id#owner:}; printf -v id %b "${id%@*}"; }
        [[ $refusal == *"$id"* ]] || fail "the refusal does not name $id: $refusal"
    done
    is "the type of $address" "$(type_of "$address")" "$type"
    is "the driver of $address" "$(driver_of "$address")" "$driver"
}

# goes_free ADDRESS [OPTION…]: a disruptive change is done, with these options of `iommuctl set`, and the
# driver is back.
goes_free()
{
    local address=$1 driver wanted
    shift
    driver=$(driver_of "$address") wanted=$(other_type "$address")
    iommuctl set "$address" "$wanted" "$@"
    is "the type of $address" "$(type_of "$address")" "$wanted"
    is "the driver of $address" "$(driver_of "$address")" "$driver"
}

# --- uses

# holds_open FILE…: a process that has them open until the case ends or ends it; its number is then in
# $holder.
holds_open()
{
    local file opened=
    for file; do
        opened+="exec {fd}<$file; "
    done
    exec 5< <(exec bash -c "$opened echo ready; exec sleep infinity")
    holder=$!
    helpers+=("$holder")
    read -r -t 30 _ <&5 || fail "$* could not be opened"
}

# lets_go: the process of holds_open ends, and is gone.
lets_go()
{
    kill "$holder"
    wait "$holder" || true
}

# What is written to a disk is known to udev when these have returned.

# One partition on the drive at this address.
make_partition()
{
    local node
    node=$(node_of "$1")
    # One entry of a master boot record: type 83, 64 MiB from sector 2048 on.
    printf '\0\0\0\0\203\0\0\0\0\010\0\0\0\0\002\0' |
        dd of="$node" bs=1 seek=446 conv=notrunc status=none
    printf '\125\252' | dd of="$node" bs=1 seek=510 conv=notrunc,fsync status=none
    blockdev --rereadpt "$node"
    udevadm settle --timeout 60
    [[ -b ${node}p1 ]] || fail "there is no ${node}p1"
}

make_luks()
{
    printf secret >/run/passphrase
    cryptsetup luksFormat --batch-mode --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 \
        --key-file /run/passphrase "$1"
    udevadm settle --timeout 60
}

# The volume group test-group with the inactive volume test-volume, which nobody activates by himself.
make_volume_group()
{
    vgcreate --quiet --setautoactivation n test-group "$1" >/dev/null
    lvcreate --quiet --activate n --zero n --wipesignatures n --size 16M \
        --name test-volume test-group >/dev/null
    udevadm settle --timeout 60
}

# The running array /dev/md127 of one disk, which nobody starts again by himself.
make_array()
{
    echo 'AUTO -all' >/etc/mdadm/mdadm.conf
    mdadm --quiet --create /dev/md127 --run --level 1 --raid-devices 2 --metadata 1.2 "$1" missing
    at_end mdadm --quiet --stop /dev/md127
    udevadm settle --timeout 60
}
