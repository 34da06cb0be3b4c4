#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Switches the drive FREE with iommuctl through the types, and looks after each whether its data is the same. What the
# host's trace shows of the drive's DMA meanwhile, tests/vm/run --oracle holds against the type that sysfs shows.

set -Eeuo pipefail
cd "$(dirname "$0")"
# shellcheck source=tests/vm/guest/lib.sh
. ./lib.sh
# shellcheck source=tests/vm/guest/case-lib.sh
. ./case-lib.sh
trap 'echo "FAIL switch: line $LINENO: \"$BASH_COMMAND\" gave $?"' ERR

# The type $1 is asked for, and one of the types $2 is to come of it.
switch_to()
{
    local sum node
    iommuctl set "$free" "$1"
    wait_until 60 has_node "$free"
    [[ $(type_of "$free") =~ ^($2)$ ]] || fail "FAIL switch_to_$1: the type is $(type_of "$free")"
    node=$(node_of "$free")
    host_request phase "$free" "$(type_of "$free")"
    sum=$(drive_checksum "$free")
    host_request phase-end
    [[ $sum == "$expected" ]] || fail "FAIL switch_to_$1: the data of $node is another"
    echo "ok switch_to_$1: $(type_of "$free"), $(uname -r), the data is the same"
}

free=$(address_of FREE)
begin=$(type_of "$free")
expected=$(fill_drive "$free")
systemctl start iommu-policyd.service
echo "the kernel's own type: $begin; groups: $(find /sys/kernel/iommu_groups -mindepth 1 -maxdepth 1 | wc -l)"
switch_to identity identity
switch_to DMA DMA
# Success can mean the stricter type, where the IOMMU's driver does not flush lazily.
switch_to DMA-FQ 'DMA-FQ|DMA'
switch_to identity identity
switch_to auto "$begin"
echo '5 passed, 0 failed'
