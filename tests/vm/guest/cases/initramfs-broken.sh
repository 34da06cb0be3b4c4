# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: LGPL-2.1-or-later
# machine: initramfs
# as booted
#
# Needs --file tests/rules/bad/unknown-key.conf=/etc/iommu-policy.d/40-broken.conf

# The build of the image has not failed, the machine is up, and nothing was relaxed.
case_broken_rule_freezes_the_initramfs()
{
    local note=/run/iommu-policy/early/initramfs
    is 'the type of the root disk' "$(type_of "$(address_of ROOT)")" DMA-FQ
    is 'frozen' "$(sed -n 's/^frozen=//p' "$note")" yes
    is 'the number of errors' "$(sed -n 's/^errors=//p' "$note")" 2
    is 'what the journal says of line 3' \
        "$(journalctl --boot --quiet --identifier iommu-policy-early --output cat \
        --grep '40-broken\.conf:3:' | sed 's/^iommu-policy-early: //' | sort -u)" \
        '/etc/iommu-policy.d/40-broken.conf:3:1: error: unknown key Vendr in [Match]'
}
