# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: LGPL-2.1-or-later
# machine: initramfs
# as booted
#
# Needs --initramfs TOOL --append iommu_policy=off and the rule of initramfs.sh.

case_switched_off_initramfs_sets_nothing()
{
    local stage
    is 'the type of the root disk' "$(type_of "$(address_of ROOT)")" DMA-FQ
    for stage in initramfs host; do
        grep '^disabled=.*iommu_policy' "/run/iommu-policy/early/$stage" || fail "the note of the $stage does not say why"
    done
}
