#!/bin/bash
# shellcheck disable=SC2154,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A machine whose groups have no type that can be switched (tests/vm/cross/run --architecture ppc64el):
# whatever is asked for is refused before anything is unbound, and the rest works. Each case is a line "ok
#   NAME" or "FAIL NAME CAUSE". unsupported.sh [NAME…]      NAME: a case; all if none is given

cd "$(dirname "$0")" || exit 1
# shellcheck source=tests/vm/guest/lib.sh
. ./lib.sh
names=(groups set plan rule early findings owner features)
passed=0 failed=0

# Any command that fails ends the case.
run_case()
{
    local log
    log=$(mktemp)
    (set -Eeuo pipefail; trap 'echo "line $LINENO: \"$BASH_COMMAND\" gave $?"' ERR; "case_$1") >"$log" 2>&1 &
    if wait $!; then
        echo "ok $1"
        passed=$((passed + 1))
    else
        echo "FAIL $1 $(tail -n 1 "$log")"
        sed 's/^/   | /' "$log"
        failed=$((failed + 1))
    fi
}

# is WHAT ACTUAL EXPECTED
is()
{
    [[ $2 == "$3" ]] || { echo "$1 is \"$2\", expected \"$3\""; return 1; }
}

# client STATUS WORD…: iommuctl, which must end with this status; what it says is then in $said.
client()
{
    local expected=$1 status=0
    shift
    said=$(iommuctl "$@" 2>&1) || status=$?
    (( status == expected )) ||
        { echo "iommuctl $* ended with $status instead of $expected: $said"; return 1; }
}

# A controller that was taken from its driver and given back is another one, with an inode of its own.
controller()
{
    stat -c %i "/sys/bus/pci/devices/$free"/nvme/nvme*
}

# The drive as it was at the start.
is_untouched()
{
    is 'the type' "$(type_of "$free")" unknown
    is 'the driver' "$(driver_of "$free")" nvme
    is 'the controller' "$(controller)" "$first_controller"
    is 'driver_override' "$(cat "/sys/bus/pci/devices/$free/driver_override")" '(null)'
}

case_groups()
{
    local lines
    lines=$(iommuctl list | sed 1d)
    is 'the number of groups' "$(wc -l <<<"$lines")" \
        "$(find /sys/kernel/iommu_groups -mindepth 1 -maxdepth 1 | wc -l)"
    is 'those that are unsupported' "$(grep -cE '^[0-9]+ +unknown +- +unsupported ' <<<"$lines")" \
        "$(wc -l <<<"$lines")"
    is 'SettableTypes' "$(group_property "$free" SettableTypes)" 0
    is 'LiveTypes' "$(group_property "$free" LiveTypes)" 0
}

case_set()
{
    local type said
    for type in identity DMA DMA-FQ auto; do
        client 1 set "$free" "$type"
        if said=$(set_type "$free" "$type" 2>&1); then
            echo "SetType $type was accepted: $said"
            return 1
        fi
        [[ $said == *'the kernel cannot switch this'* ]] || { echo "$said"; return 1; }
        is_untouched
    done
}

case_plan()
{
    client 1 plan "$free" identity
    [[ $said == *refused* || $said == *cannot* ]]
    is_untouched
}

reload()
{
    busctl call "$bus_name" "$manager_path" "$bus_name.Manager" Reload >/dev/null
    busctl --timeout=120 call "$bus_name" "$manager_path" "$bus_name.Manager" Apply
}

# The rule is read, matches, and changes nothing.
case_rule()
{
    printf '[Match]\nAddress=%s\n[Policy]\nType=identity\nUnbind=idle\n' "$free" >"$rules/50-free.conf"
    reload
    is 'the state' "$(group_property "$free" State)" unsupported
    client 0 why "$free"
    [[ $said == *50-free.conf* ]]
    is_untouched
    rm "$rules/50-free.conf"
    reload
}

# With a drive that has no driver, as before one is loaded.
case_early()
{
    printf '[Match]\nAddress=%s\n[Policy]\nType=identity\n' "$free" >"$rules/50-free.conf"
    systemctl stop iommu-policyd.service
    echo "$free" >"/sys/bus/pci/devices/$free/driver/unbind"
    udevadm settle --timeout 60
    /usr/lib/iommu-policy/iommu-policy-early
    is 'the type' "$(type_of "$free")" unknown
    is 'driver_override' "$(cat "/sys/bus/pci/devices/$free/driver_override")" '(null)'
    echo "$free" >/sys/bus/pci/drivers/nvme/bind
    udevadm settle --timeout 60
    rm "$rules/50-free.conf"
    systemctl start iommu-policyd.service
}

case_findings()
{
    local node
    node=$(node_of "$mounted")
    mkfs.ext4 -q -F "$node"
    udevadm settle --timeout 60
    mount "$node" /mnt
    finding_ids "$mounted" >/run/findings
    umount /mnt
    grep -qx "mount:/mnt@${node#/dev/}" /run/findings
}

# Where VFIO takes the device: 6.1's does not.
case_owner()
{
    local said user
    modprobe vfio-pci
    modprobe vfio_iommu_spapr_tce
    echo vfio-pci >"/sys/bus/pci/devices/$free/driver_override"
    echo "$free" >"/sys/bus/pci/devices/$free/driver/unbind"
    if echo "$free" >/sys/bus/pci/drivers/vfio-pci/bind; then
        udevadm settle --timeout 60
        coproc vfio { exec ./vfio-user "$(group_of "$free")" open; }
        user=$vfio_PID
        IFS= read -r said <&"${vfio[0]}"
        is 'the user of VFIO' "$said" ready
        client 0 usage "$free"
        [[ $said == *"(iommufd-user)"* ]]
        client 1 set "$free" DMA
        is 'the driver' "$(driver_of "$free")" vfio-pci
        eval "exec ${vfio[1]}>&-"
        wait "$user"
        echo "$free" >/sys/bus/pci/drivers/vfio-pci/unbind
    fi
    echo >"/sys/bus/pci/devices/$free/driver_override"
    echo "$free" >/sys/bus/pci/drivers/nvme/bind
    udevadm settle --timeout 60
}

case_features()
{
    local name
    client 0 features "$free"
    for name in ats pri pasid aux sva dirty-tracking nested coherent snoop-control identity dma-fq; do
        grep -qw -e "$name" <<<"$said"
    done
}

free=$(address_of FREE) mounted=$(address_of MOUNTED)
first_controller=$(controller)
mkdir -p "$rules" /etc/iommu-policy
printf '[Daemon]\nSettleSec=1\n' >/etc/iommu-policy/daemon.conf
systemctl start iommu-policyd.service
iommuctl list
for name in "${names[@]}"; do
    if (( $# == 0 )) || [[ " $* " == *" $name "* ]]; then
        run_case "$name"
        first_controller=$(controller)
    fi
done
if dmesg | grep -E 'Oops|kernel BUG|BUG: |WARNING: |unable to handle'; then
    echo 'FAIL kernel_log see above'
    failed=$((failed + 1))
fi
echo "$passed passed, $failed failed"
exit $((failed > 0))
