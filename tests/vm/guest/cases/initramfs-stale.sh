# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: LGPL-2.1-or-later
# machine: initramfs
# as booted
#
# An image whose rules are not those on disk any more: seen, said, and gone when it has been built anew.

hooks=/usr/lib/iommu-policy/initramfs-image
own_rule=/etc/iommu-policy.d/05-root.conf

remove_own_rule()
{
    rm -f "$own_rule"
    iommuctl reload >/dev/null
}

is_stale()
{
    [[ $(manager_property InitramfsStale) == "$1" ]]
}

# As the hooks of an image do that is built for the next boot.
rebuild_image()
{
    "$hooks" copy "$(mktemp -d)" "$(uname -r)" initramfs-tools
    "$hooks" built "$(uname -r)"
}

# The root disk has its driver from the initramfs: only the pass there comes before it.
case_stale_image_is_seen_said_and_gone()
{
    local root said
    root=$(address_of ROOT)
    systemctl start iommu-policyd.service
    at_end remove_own_rule
    wait_until 60 is_stale false
    printf '[Match]\nAddress=%s\n[Policy]\nType=DMA-FQ\n' "$root" >"$own_rule"
    said=$(iommuctl reload)
    grep -q "^initramfs: warning: .*'update-initramfs -u'" <<<"$said" || fail "reload says: $said"
    is 'InitramfsStale' "$(manager_property InitramfsStale)" true
    wait_until 30 is_pending_for "$root" initramfs-stale
    rebuild_image
    wait_until 30 is_stale false
    wait_until 30 is_pending_for "$root" next-boot
    is 'what reload says' "$(iommuctl reload)" ''
    refused InUse switch "$root" DMA-FQ
    grep -q 'in use for as long as the machine runs' <<<"$refusal" || fail "the refusal says: $refusal"
    is 'the type' "$(type_of "$root")" identity
}

# What the daemon knows of the boot.
case_stale_or_not_the_boot_is_shown()
{
    local root
    root=$(address_of ROOT)
    wait_until 60 is_settled "$root" identity
    iommuctl why "$root" | grep -q 'identity was set before its driver by the early pass in the initramfs'
    iommuctl show "$root" | grep -q 'Last change .* identity: done; identity was set before its driver'
    is 'what the passes have set' \
        "$(journalctl --boot --output cat --output-fields IOMMU_SET --identifier iommu-policyd \
        MESSAGE_ID=1d8e4c66a2b44c69bdf2be17dba02afd IOMMU_STAGE=initramfs | sort -u)" 3
}
