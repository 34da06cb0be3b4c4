#!/bin/bash
# shellcheck disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The list of cases that every machine runs, each emulated one with each of its kernels, and the fake kernel:
# what the kernel answers, and what the daemon makes of it.
#   matrix.sh [--plug] [NAME…]
#                         the cases (all, or those named); --plug: the host is asked to plug in the drive HOT
#                         first, as its port leads out of the machine
#   matrix.sh --list      their names
# For each it prints "matrix CASE VERDICT TEXT"; the VERDICT is pass, refused (as expected: TEXT says by whom
# and how), not-possible (TEXT: why), or FAIL. A kernel's raw answers are "answer …" lines. A case knows what
# to expect from what the machine does and shows, not from its name or version. Exit 1 if one has failed.

cd "$(dirname "$0")" || exit 1
# shellcheck source=tests/vm/guest/lib.sh
. ./lib.sh
# shellcheck source=tests/vm/guest/matrix-lib.sh
. ./matrix-lib.sh
# shellcheck source=tests/vm/guest/vfio-lib.sh
. ./vfio-lib.sh
helpers=()
scratch=/run/iommu-policy-matrix

# --- what the kernel answers, without the daemon

# ask_kernel KIND DEVICE… [OPTIONS in $options]
ask_kernel()
{
    local status=0
    stop_daemon
    # udev would look at a drive that comes and goes, and an older kernel oopses when someone has it open
    # meanwhile.
    udevadm settle --timeout 60
    udevadm control --stop-exec-queue
    at_end udevadm settle --timeout 60
    at_end udevadm control --start-exec-queue
    bash "$kernel_tests/run-type-cases.sh" "${options[@]}" /sys "$generation" "$@" >"$scratch/raw" ||
        status=$?
    grep -E '^(answer|FAIL) ' "$scratch/raw" || true
    (( status == 0 )) || fail "$(grep -m 1 ^FAIL "$scratch/raw" || tail -n 1 "$scratch/raw")"
}

# ask_about DEVICE [OPTION…]: what the list has for the device's group.
ask_about()
{
    local kind functions options=("${@:2}")
    kind=$(kind_of "$1")
    mapfile -t functions < <(functions_of "$1")
    ask_kernel "$kind" "${functions[@]:-$1}"
    pass "$(tail -n 1 "$scratch/raw")"
}

case_raw_one()
{
    has_groups || not_possible "$(no_group_reason)"
    [[ -z $fault ]] || not_possible "$fault"
    [[ $(kind_of "$free") == static ]] || ask_about "$free" --states '!(vfio*)'
    not_possible 'the groups have no type that could be switched'
}

case_raw_vfio()
{
    needs_switch 'drive' "$free"
    [[ $(kind_of "$free") == 1 ]] || not_possible 'the type of the group is forced: raw_one has asked'
    ask_about "$free" --states 'vfio*' --vfio-user "${VFIO_USER:-./vfio-user}"
}

case_raw_functions()
{
    needs_switch 'group of two functions' "$two0"
    ask_about "$two0"
}

case_raw_bridge()
{
    needs_switch 'bridge in one group with what is behind it' "$behindbridge"
    ask_about "$behindbridge"
}

case_raw_conventional()
{
    needs_switch 'conventional PCI behind a bridge' "${conventional%% *}"
    ! is_forced "${conventional%% *}" || not_possible 'the type of the group is forced: raw_one has asked'
    ask_about "${conventional%% *}"
}

case_raw_untrusted()
{
    needs_switch 'device behind an external-facing port' "$untrusted_device"
    ask_about "$untrusted_device"
}

case_raw_static()
{
    has_groups || not_possible "$(no_group_reason)"
    [[ $(kind_of "$free") == static ]] || not_possible 'the groups have types that can be switched'
    ask_about "$free"
}

case_raw_absent()
{
    local device
    for device in /sys/bus/pci/devices/*; do
        has_group "${device##*/}" || { ask_about "${device##*/}"; return; }
    done
    not_possible 'each device has a group'
}

# --- what the daemon does

forced='by the daemon: the kernel wants DMA, whatever it would let be written'

# Each word after each other one: a way through all twelve pairs.
all_pairs=(DMA DMA-FQ DMA identity DMA auto DMA-FQ identity DMA-FQ auto identity auto DMA)

# set_and_check ADDRESS TYPE EXPECTED: the type, and the device as it was.
set_and_check()
{
    client_set 0 "$1" "$2"
    is "the type after $2" "$(type_of "$1")" "$3"
    is 'the driver' "$(driver_of "$1")" "$own_driver"
    [[ -z $sum ]] || is "the data after $2" "$(checksum "$1")" "$sum"
}

# through_all_pairs ADDRESS: what the kernel does not take is refused and leaves all as it is.
through_all_pairs()
{
    local type before own_driver sum='' changed=0 refusals=0
    own_driver=$(driver_of "$1")
    if has_data "$1"; then
        fill "$1"
        sum=$(checksum "$1")
    fi
    for type in "${all_pairs[@]}"; do
        before=$(type_of "$1")
        if takes "$1" "$type"; then
            set_and_check "$1" "$type" "${type/auto/$boot_type}"
            changed=$((changed + 1))
        else
            client_set 5 "$1" "$type"
            unchanged "$1" "$before" "$own_driver"
            refusals=$((refusals + 1))
        fi
    done
    client 0 revert "$1"
    text="$changed changes"
    (( refusals == 0 )) || text+=", $refusals refused as the kernel gives another type"
    if [[ -n $sum ]]; then text+=', the data is the same'; else text+='; there is no data here'; fi
}

case_switch()
{
    needs_switch 'drive' "$free"
    through_all_pairs "$free"
    pass "$text"
}

# changes_group ADDRESS: a group of several members, to another type and back; an older kernel switches none.
changes_group()
{
    local bridge device devices=() sum='' type own_driver
    local -A drivers=()
    mapfile -t devices < <(functions_of "$1")
    own_driver=$(driver_of "$1")
    for device in "${devices[@]}"; do
        drivers[$device]=$(driver_of "$device")
    done
    type=$(type_of "$1")
    if is_forced "$1"; then
        client_set 5 "$1" "$(other_than "$type")"
        all_unchanged
        refused_as_expected "$forced"
    fi
    if [[ $generation == 6.1 && $(members_of "$1" | wc -l) -gt 1 ]]; then
        client_set 1 "$1" "$(other_than "$type")"
        all_unchanged
        refused_as_expected \
            'by the daemon, as this kernel switches no group of several devices; nothing was unbound'
    fi
    bridge=$(driven_bridge_of "${devices[@]}")
    if [[ -n $bridge ]]; then
        client_set 3 "$1" "$(unlike_by_unbinding "$type")"
        [[ $said == *"$bridge is a bridge on ${drivers[$bridge]}"* ]] ||
            fail "the refusal does not say why: $said"
        all_unchanged
        refused_as_expected \
            "by the daemon, as the bridge of the group is on ${drivers[$bridge]}; nothing was unbound"
    fi
    ! has_data "$1" || { fill "$1"; sum=$(checksum "$1"); }
    set_and_check "$1" "$(other_than "$type")" "$(other_than "$type")"
    set_and_check "$1" "$type" "$type"
    client 0 revert "$1"
    all_unchanged
    pass "${#devices[@]} devices unbound and bound twice"
}

# The devices of changes_group, in its type and each with its driver.
all_unchanged()
{
    for device in "${devices[@]}"; do
        unchanged "$device" "$type" "${drivers[$device]}"
    done
}

# One that is not the live change of DMA to DMA-FQ.
unlike_by_unbinding()
{
    if [[ $1 == identity ]]; then echo DMA; else echo identity; fi
}

other_than()
{
    if [[ $1 == DMA ]]; then echo DMA-FQ; elif [[ $1 == DMA-FQ ]]; then echo identity; else echo DMA; fi
}

case_functions()
{
    needs_switch 'group of two functions' "$two0"
    changes_group "$two0"
}

case_bridge()
{
    needs_switch 'bridge in one group with what is behind it' "$behindbridge"
    changes_group "$behindbridge"
}

case_conventional()
{
    needs_switch 'conventional PCI behind a bridge' "${conventional%% *}"
    changes_group "${conventional%% *}"
}

# DMA to DMA-FQ while the drive is being read: nothing is unbound.
case_live()
{
    local reader before
    needs_switch 'drive' "$free"
    if [[ $(kind_of "$free") == forced ]]; then
        client 5 set --no-unbind "$free" DMA-FQ
        unchanged "$free" DMA nvme
        refused_as_expected "$forced"
    fi
    client_set 0 "$free" DMA
    before=$(incarnation "$free")
    if has_data "$free"; then
        dd if="$(node_of "$free")" of=/dev/null bs=64K iflag=direct status=none &
        reader=$!
    fi
    client 0 set --no-unbind "$free" DMA-FQ
    is_type "$free" DMA-FQ
    is 'the disk' "$(incarnation "$free")" "$before"
    [[ -z ${reader-} ]] || wait "$reader"
    client 0 revert "$free"
    pass 'the same disk before and after'
}

case_in_use()
{
    local type sum
    needs_switch 'drive' "$mounted"
    has_data "$mounted" || not_possible 'the drive has no data that could be mounted'
    ! is_forced "$mounted" || not_possible 'the type of the group is forced: nobody looks for a use'
    mkfs.ext4 -q -F "$(node_of "$mounted")"
    mount "$(node_of "$mounted")" /mnt
    at_end umount /mnt
    head -c 1M /dev/urandom >/mnt/file
    sync /mnt/file
    sum=$(sha256sum </mnt/file)
    type=$(type_of "$mounted")
    client_set 3 "$mounted" "$(other_than "${type/DMA/DMA-FQ}")"
    [[ $said == *mount:/mnt* ]] || fail "no finding mount:/mnt, but: $said"
    unchanged "$mounted" "$type" nvme
    echo 3 >/proc/sys/vm/drop_caches
    is 'the data' "$(sha256sum </mnt/file)" "$sum"
    refused_as_expected 'by the daemon, with the finding mount:/mnt; the data is the same'
}

# --- VFIO

# given_to_vfio ADDRESS: until the case ends.
given_to_vfio()
{
    modprobe vfio-pci 2>/dev/null || [[ -d /sys/bus/pci/drivers/vfio-pci ]] ||
        not_possible 'the kernel has no vfio-pci'
    at_end bind_by_hand "$1" "$(driver_of "$1")"
    bind_by_hand "$1" vfio-pci
    udevadm settle --timeout 60
}

# Whether there are processes that could own the device: the fake kernel knows of none.
needs_users()
{
    [[ -c /dev/vfio/$(group_of "$free") ]] || not_possible 'VFIO is not real here'
}

# owner_blocks: the owner that there is by now is shown, and a change refused. A rule that forbids the type,
# which is for a device of vfio-pci, too, waits, and acts by itself when the owner has gone; an older kernel
# does not switch what has a driver at all.
owner_blocks()
{
    client 0 usage "$free"
    [[ $said == *"$user_pid"* && $said == *iommufd-user* ]] || fail "the owner is not shown, but: $said"
    client_set 3 "$free" DMA
    unchanged "$free" identity vfio-pci
    write_rule 50-matrix '[Match]' "Address=$free" '[Policy]' 'Forbid=identity'
    at_end reload
    reload
    wait_until 60 is_pending_for in-use
    unchanged "$free" identity vfio-pci
    user_ends
    wait_until 100 rule_has_acted
    refused_as_expected "by the daemon, naming the owner; then $outcome"
}

reload()
{
    busctl call "$bus_name" "$manager_path" "$bus_name.Manager" Reload >/dev/null
}

is_pending_for()
{
    [[ $(group_property "$free" State) == pending && $(group_property "$free" PendingReason) == "$1" ]]
}

rule_has_acted()
{
    if [[ $generation == 6.1 ]]; then
        outcome='the rule waits for the driver, which this kernel wants to be unbound'
        is_pending_for unbind-not-allowed
    else
        outcome='the rule was applied by itself'
        [[ $(type_of "$free") != identity && $(group_property "$free" State) == settled ]]
    fi
}

# owned_drive: in identity, with vfio-pci.
owned_drive()
{
    needs_switch 'drive' "$free"
    takes "$free" identity ||
        not_possible 'the kernel does not give the drive identity, which a rule could forbid'
    client_set 0 "$free" identity
    client 0 revert "$free"
    given_to_vfio "$free"
    needs_users
    is 'the type' "$(type_of "$free")" identity
    user_starts
    at_end kill "$user_pid"
}

case_vfio_bound()
{
    local type before
    needs_switch 'drive' "$free"
    given_to_vfio "$free"
    type=$(type_of "$free")
    type=$(other_than "$type")
    if is_forced "$free"; then
        client_set 5 "$free" "$type"
        unchanged "$free" DMA vfio-pci
        refused_as_expected "$forced"
    fi
    if [[ $generation == 6.1 && $(type_of "$free")-$type != DMA-DMA-FQ ]]; then
        before=$(type_of "$free")
        client_set 3 "$free" "$type"
        unchanged "$free" "$before" vfio-pci
        refused_as_expected 'by the daemon: this kernel wants vfio-pci to be unbound, which is not done'
    fi
    client_set 0 "$free" "$type"
    is 'the type' "$(type_of "$free")" "$type"
    is 'the driver' "$(driver_of "$free")" vfio-pci
    client 0 revert "$free"
    pass 'switched, and still bound to vfio-pci'
}

case_vfio_open()
{
    owned_drive
    user_does open group "/dev/vfio/$(group_of "$free")"
    owner_blocks
}

case_vfio_container()
{
    owned_drive
    owns_through_container "$free"
    owner_blocks
}

# The device's own node and iommufd, one page table after the other.
case_cdev()
{
    local space
    needs_switch 'drive' "$free"
    given_to_vfio "$free"
    [[ -d /dev/vfio/devices ]] || not_possible 'the kernel has no /dev/vfio/devices'
    bind_by_hand "$free" nvme
    owned_drive
    user_does open device "$(cdev_of "$free")"
    user_does open iommufd /dev/iommu
    user_does bind
    for (( i = 0; i < 2; i++ )); do
        user_does allocate
        space=$made
        user_does attach "$space"
    done
    owner_blocks
}

# --- forced, unsupported, absent

case_untrusted()
{
    local type
    needs_switch 'device behind an external-facing port' "$untrusted_device"
    for type in identity DMA-FQ; do
        client_set 5 "$untrusted_device" "$type"
        is 'the type' "$(type_of "$untrusted_device")" DMA
    done
    refused_as_expected 'by the daemon: identity and DMA-FQ, as the device is external'
}

# Nothing is unbound, nothing written; everything that can be told is told.
case_unsupported()
{
    local type driver inode
    has_groups || not_possible "$(no_group_reason)"
    [[ $(kind_of "$free") == static ]] || not_possible 'the groups have types that can be switched'
    driver=$(driver_of "$free")
    inode=$(stat -c %i "/sys/bus/pci/devices/$free"/nvme/nvme*)
    is 'the state' "$(group_property "$free" State)" unsupported
    for type in DMA DMA-FQ identity auto; do
        client_set 1 "$free" "$type"
    done
    unchanged "$free" unknown "$driver"
    is 'the controller' "$(stat -c %i "/sys/bus/pci/devices/$free"/nvme/nvme*)" "$inode"
    client 0 list
    [[ $said == *unknown* ]] || fail "the list does not show the type: $said"
    client 0 features "$free"
    client 0 usage "$free"
    refused_as_expected 'by the daemon, before anything was unbound'
}

# The daemon runs, and says that there is nothing.
case_absent()
{
    ! has_groups || not_possible 'the machine has an IOMMU'
    is 'the state' "$(manager_property State)" running
    is 'the groups' "$(busctl call "$bus_name" "$manager_path" "$bus_name.Manager" ListGroups)" 'a(usssso) 0'
    client 0 list
    client 1 set "$free" DMA
    client 1 show 0
    pass 'the daemon runs and has no group'
}

# --- what is told

case_default_type()
{
    local type told
    needs_switch 'drive' "$free"
    [[ -z ${MATRIX_KERNEL-} ]] || not_possible 'nothing tells how this kernel was built'
    # "" is an honest answer where nothing tells how the kernel was built. A group whose type is forced has
    # another than the machine.
    told=$(manager_property BootDefaultType)
    [[ ( -z $told && ! -e /boot/config-$(uname -r) ) || $(kind_of "$free") == forced ]] ||
        is 'BootDefaultType' "$told" "$boot_type"
    # From another type, so that something is written.
    type=DMA
    [[ $boot_type != DMA ]] || type=DMA-FQ
    takes "$free" "$type" || pass "$boot_type"
    [[ $(kind_of "$free") != forced ]] || pass "$boot_type"
    client_set 0 "$free" "$type"
    client_set 0 "$free" auto
    is 'the type after auto' "$(type_of "$free")" "$boot_type"
    client 0 revert "$free"
    pass "$boot_type"
}

case_features()
{
    local features=(ats pri pasid aux sva dirty-tracking nested coherent snoop-control identity dma-fq) name
    client 0 features "$free"
    for name in "${features[@]}"; do
        grep -qw -e "$name" <<<"$said" || fail "nothing is said of $name: $said"
    done
    pass "${#features[@]} are told"
}

# The pass that runs before the drivers, by hand, with a drive that has none.
case_early()
{
    local wanted=identity
    needs_switch 'drive' "$free"
    [[ $boot_type != identity ]] || wanted=DMA
    if ! takes "$free" "$wanted"; then
        not_possible 'the type of the group is forced'
    fi
    stop_daemon
    write_rule 50-matrix '[Match]' "Address=$free" '[Policy]' "Type=$wanted"
    udevadm settle --timeout 60
    at_end bind_by_hand "$free" "$(driver_of "$free")"
    echo "$free" >"/sys/bus/pci/devices/$free/driver/unbind"
    "${IOMMU_POLICY_EARLY:-/usr/lib/iommu-policy/iommu-policy-early}"
    is 'the type' "$(type_of "$free")" "$wanted"
    pass 'set before the driver'
}

# --- the run

cases()
{
    sed -n 's/^case_\([a-z_]*\)()$/\1/p' matrix.sh
}

# From the boot: what the cases start from, and are given back.
prepare()
{
    rm -rf "$scratch"
    mkdir -p "$scratch" "$rules"
    dmesg 2>/dev/null | wc -l >"$scratch/said-at-boot" || true
    if [[ $plug == yes ]]; then
        host_request plug hot
        wait_until 60 address_of HOT >/dev/null
    fi
    look_for_devices >"$scratch/devices"
    # shellcheck disable=SC1091
    . "$scratch/devices"
    printf 'fault="%s"\n' "$(fault_of_machine)" >>"$scratch/devices"
    {
        printf 'generation=%s\n' "$(find_generation)"
        printf 'boot_type=%s\n' "$(! has_group "$free" || type_of "$free")"
        printf 'disk=%s\n' "$(if has_data "$free"; then echo yes; else echo no; fi)"
    } >>"$scratch/devices"
    mkdir -p /etc/iommu-policy
    # The quiet time before a rule may unbind, short enough for a test.
    printf '[Daemon]\nSettleSec=1\n' >/etc/iommu-policy/daemon.conf
    [[ ! -d /run/systemd/system ]] || systemctl enable --quiet iommu-policyd.service
}

# give_back: the drive in its type, whatever the last case was.
give_back()
{
    has_group "$free" && [[ $boot_type != unknown ]] || return 0
    rm -rf /run/iommu-policy/call/*
    [[ $(type_of "$free") == "$boot_type" ]] || {
        echo "$free" >"/sys/bus/pci/devices/$free/driver/unbind"
        echo "$boot_type" >"/sys/bus/pci/devices/$free/iommu_group/type"
    }
    bind_by_hand "$free" nvme
    [[ $disk == no ]] || wait_until 60 node_of "$free" >/dev/null
    udevadm settle --timeout 60
}

run_case()
{
    trap 'echo "line $LINENO of ${BASH_SOURCE[0]}: \"$BASH_COMMAND\" gave $?"' ERR
    trap undo EXIT
    # shellcheck disable=SC1091
    . "$scratch/devices"
    [[ $1 == raw_* ]] || start_daemon
    "case_$1"
    fail 'the case has given no verdict'
}

# The line of one case.
report()
{
    local log=$scratch/log status=0 started=$SECONDS
    rm -f "$scratch/verdict"
    # It ends at the first command that fails, which it would not as a part of a list.
    (set -Eeuo pipefail; run_case "$1") >"$log" 2>&1 &
    wait $! || status=$?
    grep '^answer ' "$log" || true
    if (( status == 0 )) && [[ -e $scratch/verdict ]]; then
        echo "matrix $1 $(<"$scratch/verdict")"
    else
        echo "matrix $1 FAIL $(tail -n 1 "$log")"
        grep -v '^answer ' "$log" | tail -n 30 | sed 's/^/   | /'
        failed=1
    fi
    echo "   $((SECONDS - started)) s"
    # shellcheck disable=SC1091
    (stop_daemon; . "$scratch/devices"; give_back) >/dev/null 2>&1 || true
}

# A kernel that has met a bug of its own has failed, whatever the cases saw of it. What it said at boot is no
# matter: pseries warns of an empty nvram then.
kernel_has_bugs()
{
    dmesg 2>/dev/null | tail -n +$(($(<"$scratch/said-at-boot") + 1)) |
        grep -E 'Oops|kernel BUG|BUG: |WARNING: |general protection fault|unable to handle|refcount_t: '
}

if [[ ${1-} == --list ]]; then
    cases
    exit
fi
plug=no
[[ ${1-} != --plug ]] || { plug=yes; shift; }
kernel_tests=./kernel
[[ -d $kernel_tests ]] || kernel_tests=../../kernel
prepare
echo "matrix-kernel ${MATRIX_KERNEL:-$(uname -r)}"
failed=0
for name in $(cases); do
    (( $# == 0 )) || [[ " $* " == *" $name "* ]] || continue
    report "$name"
done
if kernel_has_bugs; then
    echo 'matrix kernel_log FAIL the kernel has met a bug of its own'
    failed=1
else
    echo 'matrix kernel_log pass'
fi
exit "$failed"
