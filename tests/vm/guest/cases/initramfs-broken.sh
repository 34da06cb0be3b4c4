# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: LGPL-2.1-or-later
# machine: initramfs
# as booted
#
# Needs --initramfs TOOL, the rule of initramfs.sh, and in addition
# --file tests/rules/bad/unknown-key.conf=/etc/iommu-policy.d/40-broken.conf

# The build of the image has not failed, the machine is up, and nothing was relaxed.
case_broken_rule_freezes_the_initramfs()
{
    local note=/run/iommu-policy/early/initramfs
    is 'the type of the root disk' "$(type_of "$(address_of ROOT)")" DMA-FQ
    is 'frozen' "$(sed -n 's/^frozen=//p' "$note")" yes
    is 'the number of refused files' "$(sed -n 's/^errors=//p' "$note")" 1
    journalctl --boot --grep '40-broken\.conf:[0-9]+' --quiet | grep -q iommu-policy-early ||
        fail 'the journal does not name the file and its line'
}
