# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# What a change leaves to see to is said: in LastResult, by the client, and in the journal.

# The findings of a group as options of iommuctl.
allow_all()
{
    finding_ids "$1" | sed 's/^/--allow=/'
}

# says WHAT TEXT WORDS: the words stand in the text.
says()
{
    grep -qF "$3" <<<"$2" || fail "$1 does not say \"$3\" but: $2"
}

case_full_aftercare_addresses_and_link()
{
    local interface said options
    interface=$(interface_of "$nic")
    # Addresses come from this case alone.
    echo 0 >"/proc/sys/net/ipv6/conf/$interface/accept_ra"
    ip link set "$interface" up
    ip address add 192.0.2.5/24 dev "$interface"
    ip -6 address add 2001:db8::5/64 dev "$interface" nodad
    ip link add link "$interface" name test-vlan type vlan id 5
    mapfile -t options < <(allow_all "$nic")
    said=$(iommuctl set "$nic" identity "${options[@]}")
    is 'the type' "$(type_of "$nic")" identity
    for note in "interface $interface was up and is down" \
        "address 192.0.2.5 of interface $interface is gone" \
        "address 2001:db8::5 of interface $interface is gone" \
        "interface test-vlan, built on $interface, is gone"; do
        says iommuctl "$said" "$note"
        says LastResult "$(group_property "$nic" LastResult)" "$note"
        journalctl --boot --quiet --no-pager IOMMU_DEVICE="$nic" IOMMU_NOTE="$note" | grep -q . ||
            fail "the journal does not say \"$note\""
    done
    # What was said is how it is.
    not grep -q "^$interface " <<<"$(ip -brief link show up)"
    is 'the addresses' "$(ip -brief address show "$interface" | awk '{ print $3 }')" ''
    switch "$nic" DMA-FQ
    is 'LastResult after nothing was lost' "$(group_property "$nic" LastResult | awk '{ print $NF }')" '""'
}

# The lower number was free when the drive came back: the kernel gives the lowest.
case_full_aftercare_disk_with_another_name()
{
    local low=$free high=$mounted node sum
    [[ $(node_of "$low") < $(node_of "$high") ]] || low=$mounted high=$free
    sum=$(fill_drive "$high")
    node=$(basename "$(node_of "$high")")
    echo "$low" >/sys/bus/pci/drivers/nvme/unbind
    switch "$high" identity
    echo "$low" >/sys/bus/pci/drivers/nvme/bind
    not test "$(basename "$(node_of "$high")")" = "$node"
    says LastResult "$(group_property "$high" LastResult)" \
        "disk $node came back as $(basename "$(node_of "$high")")"
    is 'the data' "$(drive_checksum "$high")" "$sum"
    # The name stays this time, and then nothing is said.
    node=$(node_of "$high")
    switch "$high" DMA
    is 'the disk' "$(node_of "$high")" "$node"
    is 'the end of LastResult' "$(group_property "$high" LastResult | awk '{ print $NF }')" '""'
    all_is_whole
}
