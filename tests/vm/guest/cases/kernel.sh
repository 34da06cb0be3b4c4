# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# The cases that the fake kernel passes too, tried on the real one: where they differ, the fake kernel is wrong.

case_kernel_type_cases()
{
    systemctl stop iommu-policyd.service
    bash ./kernel/run-type-cases.sh
}
