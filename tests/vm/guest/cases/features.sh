# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# as booted
# What a device and its IOMMU can do: GetFeatures beside lspci, which reads configuration space with libpci, and
# beside the registers as this script reads them. For every machine, whatever its IOMMU is.

# bit WORD NUMBER: "true" or "false", of a hexadecimal word.
bit()
{
    if (( (0x$1 >> $2) & 1 )); then echo true; else echo false; fi
}

# all WORD…: "true" if each of them is.
all()
{
    local word
    for word; do
        [[ $word == true ]] || { echo false; return; }
    done
    echo true
}

# any WORD…: "true" if one of them is.
any()
{
    if [[ " $* " == *' true '* ]]; then echo true; else echo false; fi
}

# The folder of the IOMMU of the device $1 (a folder of sysfs), or nothing.
unit_of()
{
    if [[ -L $1/iommu ]]; then readlink -f "$1/iommu"; fi
}

# lspci_has DEVICE NAME and lspci_enabled DEVICE REGISTER, of what lspci has said of DEVICE last.
lspci_has()
{
    if [[ $capabilities == *"$1"* ]]; then echo true; else echo false; fi
}

lspci_enabled()
{
    if grep -qE "^[[:space:]]*$1:[[:space:]]*Enable\+" <<<"$capabilities"; then echo true; else echo false; fi
}

# What lspci says of the device $1; of its physical function, where it uses that one's.
read_capabilities()
{
    capabilities=
    [[ -e $1/config ]] || return 0
    capabilities=$(lspci -vvv -s "${1##*/}")
    ats_there=$(lspci_has 'Address Translation Service') ats_on=$(lspci_enabled ATSCtl)
    [[ ! -L $1/physfn ]] || capabilities=$(lspci -vvv -s "$(basename "$(readlink -f "$1/physfn")")")
    pri_there=$(lspci_has 'Page Request Interface') pri_on=$(lspci_enabled PRICtl)
    pasid_there=$(lspci_has 'Process Address Space ID') pasid_on=$(lspci_enabled PASIDCtl)
}

scalable_wanted()
{
    local words
    words=$(tr ' ' '\n' </proc/cmdline | sed -n 's/^intel_iommu=//p' | tr , '\n' | grep -E '^sm_o(n|ff)$' | tail -n 1)
    case $words in
        sm_on) echo true ;;
        sm_off) echo false ;;
        *) if grep -q '^CONFIG_INTEL_IOMMU_SCALABLE_MODE_DEFAULT_ON=y' "/boot/config-$(uname -r)"; then
            echo true
        else
            echo false
        fi ;;
    esac
}

# Each of these fills what the IOMMU in the folder $1 can do (unit_NAME).
read_intel()
{
    local ecap scalable coherent=0
    ecap=$(<"$1/intel-iommu/ecap")
    scalable=$(bit "$ecap" 43)
    [[ $(all "$scalable" "$(scalable_wanted)") == false ]] || coherent=48
    unit_ats=$(bit "$ecap" 2) unit_pri=$(all "$scalable" "$(bit "$ecap" 29)")
    unit_pasid=$(all "$scalable" "$(bit "$ecap" 40)")
    unit_sva=$(all "$unit_pasid" "$unit_ats" "$(bit "$ecap" 47)")
    unit_dirty=$(all "$scalable" "$(bit "$ecap" 45)" "$(bit "$ecap" 48)")
    unit_nested=$(all "$scalable" "$(bit "$ecap" 26)")
    unit_coherent=$(bit "$ecap" "$coherent") unit_snoop=$(bit "$ecap" 7) unit_identity=$(bit "$ecap" 6)
    unit_text="cap $(<"$1/intel-iommu/cap") ecap $ecap"
}

read_amd()
{
    local features efr efr2
    features=$(<"$1/amd-iommu/features")
    # The order differs between kernels; QEMU's second word is 0.
    efr=${features#0:} efr2=0
    efr=${efr%:0}
    [[ $efr != *:* ]] || fail "$features: which word is which?"
    unit_ats=$(bit "$(<"$1/amd-iommu/cap")" 24)
    unit_pri=$(bit "$efr" 1) unit_pasid=$(bit "$efr" 4)
    unit_sva=$(all "$unit_ats" "$unit_pri" "$unit_pasid")
    unit_dirty=$(bit "$efr" 52)
    unit_nested=$(all "$unit_pasid" "$(bit "$efr" 48)" "$(bit "$efr2" 3)")
    unit_coherent=true unit_snoop=true unit_identity=true
    unit_text="cap $(<"$1/amd-iommu/cap") features $features"
}

read_unit()
{
    local unit=$1
    unit_ats=false unit_pri=false unit_pasid=false unit_sva=false unit_dirty=false unit_nested=false
    unit_coherent=false unit_snoop=false unit_identity=false unit_lazy=true unit_text='no registers'
    case ${unit##*/} in
        dmar*) read_intel "$unit" ;;
        ivhd*) read_amd "$unit" ;;
        smmu*)
            [[ ! -e $unit/device/of_node/dma-coherent ]] || unit_coherent=true
            unit_identity=true ;;
        iommu-phb*) unit_coherent=true unit_lazy=false ;;
        '') unit_lazy=false unit_text='no IOMMU' ;;
        *)
            [[ $unit == */virtio*/iommu/* ]] || fail "${unit##*/} is an IOMMU of no kind that is known here"
            unit_coherent=true unit_identity=true ;;
    esac
}

# The features of the device in the folder $1 as they ought to be, one "NAME HAS ENABLED" a line, sorted.
expected()
{
    local type translated=false identity=false lazy=false forced
    local capabilities ats_there=false ats_on=false pri_there=false pri_on=false pasid_there=false pasid_on=false
    read_unit "$(unit_of "$1")"
    read_capabilities "$1"
    type=$(<"$1/iommu_group/type")
    case $type in
        identity) identity=true ;;
        DMA) translated=true ;;
        DMA-FQ) translated=true lazy=true ;;
    esac
    forced=false
    [[ $(unit_of "$1") != */ivhd* ]] || forced=$translated
    LC_ALL=C sort <<TXT
ats $(any "$ats_on" "$(all "$ats_there" "$unit_ats")") $ats_on
pri $(any "$pri_on" "$(all "$pri_there" "$unit_pri")") $pri_on
pasid $(any "$pasid_on" "$(all "$pasid_there" "$unit_pasid")") $pasid_on
aux false false
sva $(all "$ats_there" "$pri_there" "$pasid_there" "$unit_sva") false
dirty-tracking $unit_dirty false
nested $unit_nested false
coherent $unit_coherent $unit_coherent
snoop-control $unit_snoop $forced
identity $(any "$identity" "$unit_identity") $identity
dma-fq $(any "$lazy" "$unit_lazy") $lazy
TXT
}

# From the reply of the bus: a{s(bb)} 11 "ats" false false "pri" …
bus_features()
{
    local reply path
    path=$(busctl call "$bus_name" "$manager_path" "$bus_name.Manager" GetDevice s "$1" | sed 's/^o "\(.*\)"$/\1/')
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

# The registers that were read, for the report.
unit_figure()
{
    local unit
    unit=$(unit_of "$1")
    read_unit "$unit"
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
    local device ats=false count=0 enabled=() buses=()
    systemctl start iommu-policyd.service
    for device in /sys/kernel/iommu_groups/*/devices/*; do
        compare "$device"
        count=$((count + 1))
        buses+=("$(basename "$(readlink -f "$device/subsystem")")")
        mapfile -t -O ${#enabled[@]} enabled < <(awk '$3 == "true" { print $1 }' /run/features-got)
    done
    (( count > 2 )) || fail "only $count devices have a group"
    # Where the IOMMU of the test machine takes translated requests, there is a card that makes them.
    unit_figure "/sys/bus/pci/devices/$free"
    [[ $unit_text != *ecap* ]] || ats=$unit_ats
    [[ $ats == false || " ${enabled[*]} " == *' ats '* ]] || fail 'no device has ATS enabled'
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
        echo "$type: $(awk '$3 == "true" { print $1 }' /run/features-got | xargs)"
    done
}

# As a person sees it: each reserved region that VFIO or the firmware cares about has a note, and so has a mask that
# does not reach all of RAM.
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
            [[ -z $bits || $bits == "$(<"$device/dma_mask_bits")" ]] || fail "${device##*/}: a mask of $bits bits"
        done
    done
    cat /run/features-shown
    iommuctl --json features "$free" | tee /run/features-json
    grep -q '"snoop_control"' /run/features-json || fail 'no JSON'
    echo "figure: regions that have a note: $(cat /sys/kernel/iommu_groups/*/reserved_regions | grep ' direct' | sort |
        uniq -c | xargs)"
}
