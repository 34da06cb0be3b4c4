#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Whether what the daemon predicts is what this kernel does: BootDefaultType against the type that the drive
# FREE has been given, what `auto` gives afterwards, and, with `forced`, a type that the kernel forces.
#   default-type.sh [forced]    run on machines that differ: --iommu intel,caching-mode=on; amd;
#                               intel,pt=off; --append iommu=pt, iommu.strict=1 …

set -Eeuo pipefail
cd "$(dirname "$0")"
# shellcheck source=tests/vm/guest/lib.sh
. ./lib.sh
# shellcheck source=tests/vm/guest/case-lib.sh
. ./case-lib.sh
trap 'echo "FAIL default_type: line $LINENO: \"$BASH_COMMAND\" gave $?"' ERR

free=$(address_of FREE)
given=$(type_of "$free")
systemctl start iommu-policyd.service
predicted=$(manager_property BootDefaultType)
settable=$(group_property "$free" SettableTypes)
echo "Linux $(uname -r): $free was given $given, predicted $predicted, settable $settable"

if [[ ${1-} == forced ]]; then
    if [[ $given == "$predicted" ]]; then
        # This kernel does not force it: then it can be switched.
        iommuctl set "$free" identity
        is 'the type' "$(type_of "$free")" identity
        echo 'ok default_type: nothing is forced here, identity can be had'
    else
        is 'what may be asked for' "$settable" "2 \"$given\" \"auto\""
        refused Forced switch "$free" identity
        [[ $refusal == *"kernel forces $given"* ]] || fail "FAIL default_type: $refusal"
        is 'the driver' "$(driver_of "$free")" nvme
        is 'the type' "$(type_of "$free")" "$given"
        echo "ok default_type: $given is forced, and known to be before anything is tried"
    fi
else
    is 'the type that was predicted' "$predicted" "$given"
fi
for type in DMA identity; do
    [[ $type != "$(type_of "$free")" && $settable == *"\"$type\""* ]] || continue
    iommuctl set "$free" "$type"
    wait_until 60 has_node "$free"
    iommuctl set "$free" auto
    wait_until 60 has_node "$free"
    is "the type that auto gave after $type" "$(type_of "$free")" "$given"
    echo "ok default_type: auto gives $given again after $type"
done
echo '1 passed, 0 failed'
