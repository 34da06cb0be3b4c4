#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Switches the drive FREE with iommuctl through the types, and looks after each whether its data is the same.
# What the host's trace shows of the drive's DMA meanwhile, tests/vm/run --oracle holds against the type that
#   sysfs shows. switch.sh [TYPE…]    default: identity DMA DMA-FQ identity auto

set -Eeuo pipefail
cd "$(dirname "$0")"
# shellcheck source=tests/vm/guest/lib.sh
. ./lib.sh
# shellcheck source=tests/vm/guest/case-lib.sh
. ./case-lib.sh
trap 'echo "FAIL switch: line $LINENO: \"$BASH_COMMAND\" gave $?"' ERR

# What may come of the type $1. Success can mean the stricter one, where the IOMMU's driver does not flush
# lazily.
outcomes()
{
    case $1 in
        auto) echo "$begin" ;;
        DMA-FQ) echo 'DMA-FQ|DMA' ;;
        *) echo "$1" ;;
    esac
}

switch_to()
{
    local sum
    iommuctl set "$free" "$1"
    wait_until 60 has_node "$free"
    [[ $(type_of "$free") =~ ^($(outcomes "$1"))$ ]] ||
        fail "FAIL switch_to_$1: the type is $(type_of "$free")"
    host_request phase "$free" "$(type_of "$free")"
    sum=$(drive_checksum "$free")
    host_request phase-end
    [[ $sum == "$expected" ]] || fail "FAIL switch_to_$1: the data of $(node_of "$free") is another"
    echo "ok switch_to_$1: $(type_of "$free"), the data is the same"
}

(( $# )) || set -- identity DMA DMA-FQ identity auto
free=$(address_of FREE)
begin=$(type_of "$free")
expected=$(fill_drive "$free")
systemctl start iommu-policyd.service
echo "Linux $(uname -r): the kernel's own type of $free is $begin"
for type; do
    switch_to "$type"
done
echo "$# passed, 0 failed"
