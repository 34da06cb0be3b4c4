# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: LGPL-2.1-or-later
# machine: initramfs
# as booted
#
# Needs --crash-kernel: as kdump starts it, to save what is left of a kernel that has crashed.

case_crash_kernel_is_left_alone()
{
    local stage
    [[ -e /proc/vmcore ]] || fail 'the kernel does not take itself for a crash kernel'
    is 'the type of the root disk' "$(type_of "$(address_of ROOT)")" DMA-FQ
    for stage in initramfs host; do
        grep '^disabled=this is a kdump kernel' "/run/iommu-policy/early/$stage" ||
            fail "the note of the $stage does not say why: $(cat "/run/iommu-policy/early/$stage")"
    done
}
