#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Counts the NVMe drives of this machine, as it has booted: how many have the type identity, and how many
# have been given to a driver once only, as the kernel's log has it. tests/vm/cold-plug makes a table of
# this.

cd "$(dirname "$0")" || exit 1
# shellcheck source=tests/vm/guest/lib.sh
. ./lib.sh

# How often the driver nvme has taken this device: it has a line for each time.
times_taken()
{
    journalctl --boot --dmesg --no-pager --output cat | grep -c "^nvme nvme[0-9]*: pci function $1\$"
}

# Taken once by the driver that it has; what is vfio-pci's was never taken by nvme.
is_bound_once()
{
    case $(driver_of "$1") in
        nvme) (( $(times_taken "$1") == 1 )) ;;
        vfio-pci) (( $(times_taken "$1") == 0 )) ;;
        *) return 1 ;;
    esac
}

declare -i drives=0 identity=0 once=0 nvme=0 vfio=0
for device in /sys/bus/pci/devices/*; do
    [[ $(<"$device/class") == 0x010802 ]] || continue
    address=${device##*/}
    drives+=1
    [[ $(type_of "$address") != identity ]] || identity+=1
    ! is_bound_once "$address" || once+=1
    case $(driver_of "$address") in
        nvme) nvme+=1 ;;
        vfio-pci) vfio+=1 ;;
    esac
done
noted=$(grep -c '^outcome=set$' /run/iommu-policy/early/host 2>/dev/null)
echo "cold-plug: drives=$drives identity=$identity once=$once nvme=$nvme vfio=$vfio noted=${noted:-0}"
(( drives > 0 ))
