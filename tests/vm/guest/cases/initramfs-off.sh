# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: LGPL-2.1-or-later
# machine: initramfs
# as booted
#
# Needs --append iommu_policy=off.

case_switched_off_initramfs_sets_nothing()
{
    local stage
    is 'the type of the root disk' "$(type_of "$(address_of ROOT)")" DMA-FQ
    for stage in initramfs host; do
        grep '^disabled=iommu_policy=off' "/run/iommu-policy/early/$stage" ||
            fail "the note of the $stage does not say why: $(cat "/run/iommu-policy/early/$stage")"
    done
}
