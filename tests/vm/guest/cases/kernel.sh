# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# The cases that the fake kernel passes too, tried on the real one: where they differ, the fake kernel is
# wrong.

type_cases()
{
    local status=0
    systemctl stop iommu-policyd.service
    modprobe --all vfio-pci pci-stub
    bash ./kernel/run-type-cases.sh --vfio-user ./vfio-user /sys "$(kernel_generation)" \
        "$@" >/run/type-cases || status=$?
    grep -v ^answer /run/type-cases
    echo "figure: the real kernel on $*: $(tail -n 1 /run/type-cases)"
    (( status == 0 )) || fail "$(grep -m 1 ^FAIL /run/type-cases)"
}

case_full_kernel_answers_for_one_device()
{
    type_cases 1 "$free"
}

case_full_kernel_answers_for_a_group_of_two()
{
    # shellcheck disable=SC2046
    type_cases n $(cd /sys/bus/pci/drivers/e1000 && echo 0000:*)
}
