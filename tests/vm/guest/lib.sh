# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the guest's scripts share. The guest has three NVMe drives, known by their serial numbers: FREE and
# MOUNTED from the start, HOT when the host has been asked to plug it in.

bus_name=org.iommupolicy1
manager_path=/org/iommupolicy1
rules=/etc/iommu-policy.d

# host_request WORD…: asks the host (tests/vm/supervise) for something, and waits until it is done.
host_request()
{
    local reply
    printf '%s\n' "$*" >&9
    IFS= read -r -t 90 reply <&9 || { echo "the host does not answer to \"$*\""; return 1; }
    [[ $reply == ok ]] || { echo "the host refused \"$*\": $reply"; return 1; }
}

# --- what the kernel says, read without the daemon

# The PCI address of the NVMe drive with this serial number.
address_of()
{
    local controller
    for controller in /sys/class/nvme/nvme*; do
        [[ $(tr -d ' ' <"$controller/serial") == "$1" ]] && { cat "$controller/address"; return; }
    done
    return 1
}

# The block device of the NVMe drive at this PCI address. The name changes when a driver is bound again.
node_of()
{
    local disk
    for disk in "/sys/bus/pci/devices/$1"/nvme/nvme*/nvme*n*; do
        [[ -e $disk/size ]] && { echo "/dev/${disk##*/}"; return; }
    done
    return 1
}

group_of()
{
    local link
    link=$(readlink "/sys/bus/pci/devices/$1/iommu_group") && echo "${link##*/}"
}

type_of()
{
    echo "$(<"/sys/bus/pci/devices/$1/iommu_group/type")"
}

# The name of the bound driver; empty when there is none.
driver_of()
{
    local link
    link=$(readlink "/sys/bus/pci/devices/$1/driver") || return 0
    echo "${link##*/}"
}

# --- what the daemon says

group_path()
{
    echo "/org/iommupolicy1/group/$(group_of "$1")"
}

# group_property ADDRESS NAME: the value without its type, strings without quotes.
group_property()
{
    busctl get-property "$bus_name" "$(group_path "$1")" "$bus_name.Group" "$2" |
        sed -e 's/^[a-z()]* //' -e 's/^"\(.*\)"$/\1/'
}

manager_property()
{
    busctl get-property "$bus_name" "$manager_path" "$bus_name.Manager" "$1" |
        sed -e 's/^[a-z()]* //' -e 's/^"\(.*\)"$/\1/'
}

# set_type ADDRESS TYPE [OPTION-SIGNATURES-AND-VALUES…]: SetType over the bus as the caller is.
# busctl's own limit of 25 s is shorter than a slow machine's disruptive change may take.
set_type()
{
    local address=$1 type=$2
    shift 2
    (( $# )) || set -- 0
    busctl --timeout=120 call "$bus_name" "$(group_path "$address")" "$bus_name.Group" SetType 'sa{sv}' \
        "$type" "$@"
}

# The finding ids of a group, one a line.
finding_ids()
{
    busctl --timeout=120 call "$bus_name" "$(group_path "$1")" "$bus_name.Group" GetFindings |
        { grep -oE '"id" s "([^"\\]|\\.)*"' || true; } | sed -e 's/^"id" s "//' -e 's/"$//' -e 's/\\\\/\\/g'
}

# as_user UID COMMAND…: as that user, without a session and without privileges.
as_user()
{
    local uid=$1
    shift
    setpriv --reuid "$uid" --regid "$uid" --clear-groups --inh-caps=-all "$@"
}

# --- waiting

# The signals of the daemon, its coming and going, and udev's events, as lines.
event_lines()
{
    stdbuf -oL busctl monitor --match="type='signal',path_namespace='$manager_path'" \
        --match="type='signal',member='NameOwnerChanged',arg0='$bus_name'" 2>&1 &
    stdbuf -oL udevadm monitor --udev 2>&1 &
    wait
}

# wait_until SECONDS COMMAND…: until COMMAND succeeds. It is tried at once, again when the two monitors say
# that they listen, and then at every event; nothing here polls.
wait_until()
{
    local deadline=$((SECONDS + $1)) left feed status=1
    shift
    ! "$@" || return 0
    export bus_name manager_path
    export -f event_lines
    exec 8< <(exec setsid bash -c event_lines)
    feed=$!
    while :; do
        left=$((deadline - SECONDS))
        (( left > 0 )) || break
        IFS= read -r -t "$left" <&8 || break
        # One event is several lines; one look for all that came in together is enough.
        while IFS= read -r -t 0.05 <&8; do :; done
        "$@" && { status=0; break; }
    done
    kill -- "-$feed"
    exec 8<&-
    return "$status"
}
