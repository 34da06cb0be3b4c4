# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# as booted
# What a device and its IOMMU can do: GetFeatures beside lspci, which reads configuration space with libpci,
# and beside the registers as this script reads them. For every machine, whatever its IOMMU is.

# Everything here that is or is not is 1 or 0, so that no process has to be started to say so: the emulated
# machine takes long for one.

# The folder of the IOMMU of the device $1 (a folder of sysfs), or nothing.
unit_of()
{
    if [[ -L $1/iommu ]]; then readlink -f "$1/iommu"; fi
}

# has NAME VARIABLE and enabled REGISTER VARIABLE, of what lspci has said last.
has()
{
    [[ $capabilities != *"$1"* ]] || printf -v "$2" 1
}

enabled()
{
    [[ ! $capabilities =~ $1:[[:space:]]*Enable\+ ]] || printf -v "$2" 1
}

# What lspci says of the device $1; of its physical function, where it uses that one's.
read_capabilities()
{
    local capabilities
    ats_there=0 ats_on=0 pri_there=0 pri_on=0 pasid_there=0 pasid_on=0
    [[ -e $1/config ]] || return 0
    capabilities=$(lspci -vvv -s "${1##*/}")
    has 'Address Translation Service' ats_there
    enabled ATSCtl ats_on
    [[ ! -L $1/physfn ]] || capabilities=$(lspci -vvv -s "$(basename "$(readlink -f "$1/physfn")")")
    has 'Page Request Interface' pri_there
    enabled PRICtl pri_on
    has 'Process Address Space ID' pasid_there
    enabled PASIDCtl pasid_on
}

scalable_wanted()
{
    local words
    words=$(tr ' ' '\n' </proc/cmdline | sed -n 's/^intel_iommu=//p' | tr , '\n' | grep -E '^sm_o(n|ff)$' |
        tail -n 1)
    [[ -n $words ]] ||
        words=$(sed -n 's/^CONFIG_INTEL_IOMMU_SCALABLE_MODE_DEFAULT_ON=y/sm_on/p' "/boot/config-$(uname -r)")
    [[ $words == sm_on ]]
}

# Each of these fills what the IOMMU in the folder $1 can do (unit_NAME).
read_intel()
{
    local text coherent=0
    local -i ecap scalable
    text=$(<"$1/intel-iommu/ecap")
    ecap=0x$text scalable='ecap >> 43 & 1'
    if (( scalable )) && scalable_wanted; then coherent=48; fi
    unit_ats='ecap >> 2 & 1' unit_pri='scalable & ecap >> 29' unit_pasid='scalable & ecap >> 40'
    unit_sva='unit_pasid & unit_ats & ecap >> 47'
    unit_dirty='scalable & ecap >> 45 & ecap >> 48' unit_nested='scalable & ecap >> 26'
    unit_coherent='ecap >> coherent & 1' unit_snoop='ecap >> 7 & 1' unit_identity='ecap >> 6 & 1'
    unit_text="cap $(<"$1/intel-iommu/cap") ecap $text"
}

read_amd()
{
    local features word
    local -i cap efr
    cap=0x$(<"$1/amd-iommu/cap")
    features=$(<"$1/amd-iommu/features")
    # The order differs between kernels; QEMU's second word is 0, so that there is no nesting.
    word=${features#0:}
    word=${word%:0}
    [[ $word != *:* ]] || fail "$features: which word is which?"
    efr=0x$word
    unit_ats='cap >> 24 & 1' unit_pri='efr >> 1 & 1' unit_pasid='efr >> 4 & 1'
    unit_sva='unit_ats & unit_pri & unit_pasid' unit_dirty='efr >> 52 & 1'
    unit_coherent=1 unit_snoop=1 unit_identity=1 unit_forces=1
    unit_text="cap $(<"$1/amd-iommu/cap") features $features"
}

read_unit()
{
    local unit=$1
    declare -gi unit_ats=0 unit_pri=0 unit_pasid=0 unit_sva=0 unit_dirty=0 unit_nested=0 unit_coherent=0 \
        unit_snoop=0 \
        unit_identity=0 unit_lazy=1 unit_forces=0
    unit_text='no registers'
    case ${unit##*/} in
        dmar*) read_intel "$unit" ;;
        ivhd*) read_amd "$unit" ;;
        smmu*)
            [[ ! -e $unit/device/of_node/dma-coherent ]] || unit_coherent=1
            unit_identity=1 ;;
        iommu-phb*) unit_coherent=1 unit_lazy=0 ;;
        '') unit_lazy=0 unit_text='no IOMMU' ;;
        *)
            [[ $unit == */virtio*/iommu/* ]] || fail "${unit##*/} is an IOMMU of no kind that is known here"
            unit_coherent=1 unit_identity=1 ;;
    esac
}

# The features of the device in the folder $1 as they ought to be, one "NAME HAS ENABLED" a line, sorted.
expected()
{
    local -i translated=0 identity=0 lazy=0
    local -i ats_there ats_on pri_there pri_on pasid_there pasid_on
    read_unit "$(unit_of "$1")"
    read_capabilities "$1"
    case $(<"$1/iommu_group/type") in
        identity) identity=1 ;;
        DMA) translated=1 ;;
        DMA-FQ) translated=1 lazy=1 ;;
    esac
    sed 's/ 1/ true/g; s/ 0/ false/g' <<TXT | LC_ALL=C sort
ats $(( ats_on | ats_there & unit_ats )) $ats_on
pri $(( pri_on | pri_there & unit_pri )) $pri_on
pasid $(( pasid_on | pasid_there & unit_pasid )) $pasid_on
aux 0 0
sva $(( ats_there & pri_there & pasid_there & unit_sva )) 0
dirty-tracking $unit_dirty 0
nested $unit_nested 0
coherent $unit_coherent $unit_coherent
snoop-control $unit_snoop $(( unit_forces & translated ))
identity $(( identity | unit_identity )) $identity
dma-fq $(( lazy | unit_lazy )) $lazy
TXT
}

# From the reply of the bus: a{s(bb)} 11 "ats" false false "pri" …
bus_features()
{
    local reply path
    path=$(busctl call "$bus_name" "$manager_path" "$bus_name.Manager" GetDevice s "$1" |
        sed 's/^o "\(.*\)"$/\1/')
    reply=$(busctl --timeout=60 call "$bus_name" "$path" "$bus_name.Device" GetFeatures)
    [[ $reply == 'a{s(bb)} 11 '* ]] || fail "$1: $reply"
    grep -oE '"[a-z-]+" (true|false) (true|false)' <<<"$reply" | tr -d '"' | LC_ALL=C sort
}

# bus_name_of FOLDER: "pci:0000:00:04.0".
bus_name_of()
{
    echo "$(basename "$(readlink -f "$1/subsystem")"):$(basename "$1")"
}

# differing OPTION: lines of the one file alone (-23), or of the other (-13).
differing()
{
    LC_ALL=C comm "$1" /run/features-expected /run/features-got | tr '\n' ,
}

# compare FOLDER: what the daemon says of the device in this folder is what lspci and the registers say.
compare()
{
    local device
    device=$(readlink -f "$1")
    expected "$device" >/run/features-expected
    bus_features "$(bus_name_of "$device")" >/run/features-got
    [[ $(wc -l </run/features-got) == 11 ]] || fail "${device##*/} has $(wc -l </run/features-got) features"
    [[ $(</run/features-expected) == "$(</run/features-got)" ]] ||
        fail "${device##*/}: expected $(differing -23), but got $(differing -13)"
}

# Whether VT-d uses scalable mode is told by bits 11:10 of the root table address alone, which sysfs does not
# show. With iomem=relaxed on the kernel command line they can be read: what is concluded without them
# (docs/features.md) is right.
check_scalable_mode()
{
    local -i register ecap concluded=0
    ecap=0x$(<"$1/intel-iommu/ecap")
    if (( ecap >> 43 & 1 )) && scalable_wanted; then concluded=1; fi
    register=$(busybox devmem $(( 0x$(<"$1/intel-iommu/address") + 0x20 )) 32)
    (( (register >> 10 & 3) == concluded )) ||
        fail "$(printf 'the root table address is %#x, and scalable mode is taken for %d' \
            "$register" "$concluded")"
    unit_text+=", scalable mode $concluded as the root table address says ($(printf '%#x' "$register"))"
}

# The registers that were read, for the report.
unit_figure()
{
    local unit
    unit=$(unit_of "$1")
    read_unit "$unit"
    if [[ ${unit##*/} == dmar* && " $(</proc/cmdline) " == *' iomem=relaxed '* ]]; then
        check_scalable_mode "$unit"
    fi
    echo "figure: $(uname -r), ${unit##*/}: $unit_text"
}

case_features_of_a_drive()
{
    systemctl start iommu-policyd.service
    compare "/sys/bus/pci/devices/$free"
    unit_figure "/sys/bus/pci/devices/$free"
}

case_full_features_of_every_device()
{
    local device count=0 enabled=() buses=()
    systemctl start iommu-policyd.service
    for device in /sys/kernel/iommu_groups/*/devices/*; do
        compare "$device"
        count=$((count + 1))
        buses+=("$(basename "$(readlink -f "$device/subsystem")")")
        mapfile -t -O ${#enabled[@]} enabled < <(sed -n 's/ [a-z]* true$//p' /run/features-got)
    done
    (( count > 2 )) || fail "only $count devices have a group"
    # Where the IOMMU of the test machine takes translated requests, there is a card that makes them.
    unit_figure "/sys/bus/pci/devices/$free"
    [[ $unit_text != *ecap* ]] || (( ! unit_ats )) || [[ " ${enabled[*]} " == *' ats '* ]] ||
        fail 'no device has ATS enabled'
    echo "figure: $count devices ($(printf '%s\n' "${buses[@]}" | sort | uniq -c | xargs)); enabled:" \
        "$(printf '%s\n' "${enabled[@]}" | sort | uniq -c | xargs)"
}

# What is enabled follows the type, on the drive that nobody uses.
case_full_features_follow_the_type()
{
    local type
    systemctl start iommu-policyd.service
    for type in identity DMA DMA-FQ; do
        iommuctl set "$free" "$type"
        [[ $(type_of "$free") == "$type" ]] || fail "the type is $(type_of "$free")"
        compare "/sys/bus/pci/devices/$free"
        echo "$type: $(sed -n 's/ [a-z]* true$//p' /run/features-got | xargs)"
    done
}

# As a person sees it: each reserved region that VFIO or the firmware cares about has a note, and so has a
# mask that does not reach all of RAM.
case_full_features_as_iommuctl_shows_them()
{
    local group regions notes device shown bits
    systemctl start iommu-policyd.service
    for group in /sys/kernel/iommu_groups/*; do
        iommuctl features "${group##*/}" >/run/features-shown
        iommuctl why "${group##*/}" >/run/features-why
        regions=$(grep -c ' direct' "$group/reserved_regions" || true)
        notes=$(grep -c ' is reserved as direct' /run/features-why || true)
        [[ $regions == "$notes" ]] || fail "group ${group##*/}: $regions direct regions, $notes notes"
        for device in "$group"/devices/*; do
            shown=$(sed -n "/^$(bus_name_of "$(readlink -f "$device")") /,/^$/p" /run/features-shown)
            [[ $shown == *"in group ${group##*/}"* && $shown == *$'\naux '*'no '*'5.0 to 5.18, gone since; see pasid'* ]] ||
                fail "${device##*/} is shown so: $shown"
            notes=$(grep -c '^Note: .* is reserved as direct' <<<"$shown" || true)
            [[ $regions == "$notes" ]] || fail "${device##*/}: $regions direct regions, $notes notes"
            bits=$(sed -n 's/^DMA mask: \([0-9]*\) bits$/\1/p' <<<"$shown")
            [[ -z $bits || $bits == "$(<"$device/dma_mask_bits")" ]] ||
                fail "${device##*/}: a mask of $bits bits"
        done
    done
    cat /run/features-shown
    iommuctl --json features "$free" | tee /run/features-json
    grep -q '"snoop_control"' /run/features-json || fail 'no JSON'
    echo "figure: regions that have a note: $(cat /sys/kernel/iommu_groups/*/reserved_regions |
        grep ' direct' | sort |
        uniq -c | xargs)"
}
