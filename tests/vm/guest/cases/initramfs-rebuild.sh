# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: LGPL-2.1-or-later
# machine: initramfs
# as booted
#
# The commands that build an image anew. In an emulated machine they take many minutes.

rule=/etc/iommu-policy.d/10-cases.conf
program=/usr/lib/iommu-policy/iommu-policy-early

stale_is()
{
    [[ $(manager_property InitramfsStale) == "$1" ]]
}

# file_in TOOL IMAGE FILE: as the tool's own reader shows it.
file_in()
{
    if [[ $1 == dracut ]]; then
        lsinitrd --file "${3#/}" "$2"
    else
        rm -rf /var/tmp/image
        unmkinitramfs "$2" /var/tmp/image
        cat "$(find /var/tmp/image -path "*$3")"
    fi
}

# What is said to rebuild a stale image does it, and tells the daemon so.
case_full_named_commands_rebuild_the_image()
{
    local tool image
    local -A commands=([initramfs-tools]='update-initramfs -u' [dracut]='dracut --force')
    image=/boot/initrd.img-$(uname -r)
    systemctl start iommu-policyd.service
    for tool in initramfs-tools dracut; do
        # update-initramfs updates only what is there.
        : >"$image"
        stale_is false || fail "stale before the rule was changed for $tool"
        echo "# for $tool" >>"$rule"
        manager_call Reload >/run/reload
        # Until dracut has built one, the other tool is what the next image would come from.
        grep -F 'update-initramfs -u' /run/reload || fail "the command is not named: $(</run/reload)"
        stale_is true || fail "not stale although the rule was changed for $tool"
        ${commands[$tool]}
        is "the stamp after ${commands[$tool]}" "$(cat /run/iommu-policy/early/image)" \
            "$(uname -r) $("$program" --digest) $tool"
        wait_until 30 stale_is false
        file_in "$tool" "$image" "$rule" | cmp "$rule" || fail "$tool has left the rule as it was"
    done
}
