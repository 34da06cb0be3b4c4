# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# The pass before the drivers bind, as this machine has booted (cases.conf was in force then).

early_note=/run/iommu-policy/early/host

# The outcome that the note has for the device at a PCI address.
noted_outcome()
{
    awk -v name="name=$1" -F = '$1 == "outcome" { outcome = $2 } $0 == name { print outcome }' "$early_note"
}

# When the driver nvme took the device at a PCI address for the first time, in µs since boot.
first_probe()
{
    journalctl --boot --dmesg --no-pager --output short-monotonic |
        sed -n "s/^\[ *\([0-9]*\)\.\([0-9]*\)\].* nvme nvme[0-9]*: pci function $1\$/\1\2/p" | head -n 1
}

case_early_is_there_before_the_driver()
{
    local address ended probed
    is 'the boot of the note' "$(sed -n 's/^boot-id=//p' "$early_note")" \
        "$(</proc/sys/kernel/random/boot_id)"
    ended=$(sed -n 's/^end-usec=//p' "$early_note")
    for address in "$free" "$mounted"; do
        is "the outcome of $address" "$(noted_outcome "$address")" set
        probed=$(first_probe "$address")
        (( probed > ended )) || fail "the driver took $address at $probed, the pass ended at $ended"
    done
    journalctl --boot --no-pager --unit iommu-policy-early.service --output cat >/run/said
    is 'lines about what was set' "$(grep -c ': identity by 10-cases\.conf:7$' /run/said)" 2
}

# What is written when all drivers are there: nothing. And not without a rule either.
case_full_early_leaves_bound_drives_alone()
{
    local address=$free before
    before=$(type_of "$address")
    printf '[Match]\nClass=nvme\n[Policy]\nType=identity\nUnbind=idle\n' >"$rules/50-early.conf"
    systemctl stop iommu-policyd.service
    systemctl restart iommu-policy-early.service
    is 'the type' "$(type_of "$address")" "$before"
    is 'the driver' "$(driver_of "$address")" nvme
    is 'the outcome' "$(noted_outcome "$address")" bound
    rm "$rules/50-early.conf"
    systemctl restart iommu-policy-early.service
    not grep -q '^group=' "$early_note"
}

# A drive without driver is taken at any time, in either direction.
case_full_early_sets_an_unbound_drive()
{
    systemctl stop iommu-policyd.service
    echo "$free" >"/sys/bus/pci/devices/$free/driver/unbind"
    printf '[Match]\nAddress=%s\n[Policy]\nType=DMA\n' "$free" >"$rules/50-early.conf"
    systemctl restart iommu-policy-early.service
    is 'the type' "$(type_of "$free")" DMA
    is 'the outcome' "$(noted_outcome "$free")" set
    printf '[Match]\nAddress=%s\n[Policy]\nType=identity\n' "$free" >"$rules/50-early.conf"
    echo nonsense >"$rules/60-broken.conf"
    systemctl restart iommu-policy-early.service
    is 'the type with a broken file' "$(type_of "$free")" DMA
    is 'the outcome with a broken file' "$(noted_outcome "$free")" refused
    rm "$rules/60-broken.conf"
    systemctl restart iommu-policy-early.service
    is 'the type at last' "$(type_of "$free")" identity
    bind_by_hand "$free" nvme
}
