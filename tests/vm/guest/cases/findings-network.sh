# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# Network cards that are in use.
# shellcheck source=tests/vm/guest/findings-lib.sh
. ./findings-lib.sh

# with_interface: the name of the card's interface in $interface; what a case leaves on it goes at its end.
with_interface()
{
    interface=$(interface_of "$nic")
    at_end ip link set "$interface" down
    at_end ip address flush dev "$interface"
}

case_full_findings_link_up()
{
    with_interface
    ip link set "$interface" up
    in_use "$nic" "up:$interface@$nic"
    ip link set "$interface" down
    goes_free "$nic"
}

case_findings_link_up_can_be_allowed()
{
    with_interface
    ip link set "$interface" up
    goes_free "$nic" --allow "up:$interface@$nic"
    is 'the interface' "$(interface_of "$nic")" "$interface"
}

case_full_findings_address_ipv4()
{
    with_interface
    ip address add 192.0.2.5/24 dev "$interface"
    in_use "$nic" "addr:192.0.2.5@$interface"
    ip address flush dev "$interface"
    goes_free "$nic"
}

case_full_findings_address_ipv6()
{
    with_interface
    ip link set "$interface" up
    ip -6 address add 2001:db8::5/64 dev "$interface" nodad
    in_use "$nic" "addr:2001:db8::5@$interface" "up:$interface@$nic" "route:only-ipv6@$interface"
    ip address flush dev "$interface"
    ip link set "$interface" down
    goes_free "$nic"
}

case_full_findings_default_route_ipv4()
{
    with_interface
    ip address add 192.0.2.5/24 dev "$interface"
    ip link set "$interface" up
    ip route add default via 192.0.2.1 dev "$interface"
    in_use "$nic" "route:0.0.0.0/0@$interface" "addr:192.0.2.5@$interface" "up:$interface@$nic"
    ip address flush dev "$interface"
    ip link set "$interface" down
    goes_free "$nic"
}

# No IPv4 address at all.
case_full_findings_default_route_ipv6()
{
    with_interface
    ip link set "$interface" up
    ip -6 address add 2001:db8::5/64 dev "$interface" nodad
    ip -6 route add default via 2001:db8::1 dev "$interface"
    in_use "$nic" "route:::/0@$interface" "addr:2001:db8::5@$interface" "up:$interface@$nic"
    ip address flush dev "$interface"
    ip link set "$interface" down
    goes_free "$nic"
}

# What is fatal needs its id, and nothing else helps; with it root may.
case_full_findings_route_can_be_allowed_by_its_id()
{
    local ids status=0
    with_interface
    ip address add 192.0.2.5/24 dev "$interface"
    ip link set "$interface" up
    ip route add default via 192.0.2.1 dev "$interface"
    ids=(--allow "addr:192.0.2.5@$interface" --allow "up:$interface@$nic")
    iommuctl set "$nic" identity "${ids[@]}" || status=$?
    is 'the exit status without the route (3: in use)' "$status" 3
    is 'the type' "$(type_of "$nic")" DMA-FQ
    goes_free "$nic" "${ids[@]}" --allow "route:0.0.0.0/0@$interface"
}

case_full_findings_master_bridge()
{
    with_interface
    ip link add test-bridge type bridge
    at_end ip link delete test-bridge
    ip link set "$interface" master test-bridge
    in_use "$nic" "master:test-bridge@$interface"
    ip link delete test-bridge
    goes_free "$nic"
}

case_full_findings_master_bond()
{
    with_interface
    ip link add test-bond type bond mode active-backup
    at_end ip link delete test-bond
    ip link set "$interface" master test-bond
    # The bond sets its slave up.
    in_use "$nic" "master:test-bond@$interface" "up:$interface@$nic"
    ip link delete test-bond
    ip link set "$interface" down
    goes_free "$nic"
}

case_full_findings_master_vlan()
{
    with_interface
    ip link add link "$interface" name test-vlan type vlan id 7
    at_end ip link delete test-vlan
    in_use "$nic" "master:test-vlan@$interface"
    ip link delete test-vlan
    goes_free "$nic"
}

case_full_findings_master_macvlan()
{
    with_interface
    ip link add link "$interface" name test-macvlan type macvlan
    at_end ip link delete test-macvlan
    in_use "$nic" "master:test-macvlan@$interface"
    ip link delete test-macvlan
    goes_free "$nic"
}

case_findings_netns()
{
    with_interface
    ip netns add test-space
    at_end ip netns delete test-space
    ip link set "$interface" netns test-space
    in_use "$nic" "netns:no-interface@$nic"
    ip netns exec test-space ip link set "$interface" netns 1
    goes_free "$nic"
}

# over_the_wire: the card on the other end of the cable, in a network namespace of its own with 192.0.2.2 on
# VLAN 7.
over_the_wire()
{
    local peer
    peer=$(interface_of "$(nic_with_driver e1000)")
    ip netns add test-peer
    at_end ip netns delete test-peer
    ip link set "$peer" netns test-peer
    ip -netns test-peer link set "$peer" up
    ip -netns test-peer link add link "$peer" name wire type vlan id 7
    ip -netns test-peer address add 192.0.2.2/24 dev wire
    ip -netns test-peer link set wire up
}

# logs_in ADDRESS: from there a connection to a server of this machine that serves logins; $login is the
# client.
logs_in()
{
    # Known by its name. It does nothing but stay.
    printf '#!/bin/sh\nread line\n' >/run/dropbear
    chmod +x /run/dropbear
    busybox nc -ll -p 22 -e /run/dropbear &
    helpers+=($!)
    # Again until the link is up and the server there.
    exec 6< <(exec ip netns exec test-peer \
        bash -c "until exec 3<>/dev/tcp/$1/22; do :; done 2>/dev/null; echo in; exec sleep infinity")
    login=$!
    helpers+=("$login")
    read -r -t 60 _ <&6 || fail 'no login came through'
}

# The way back to who is logged in leads over a bridge on a VLAN on a bond to the card.
case_findings_remote_login()
{
    with_interface
    over_the_wire
    ip link add test-bond type bond mode active-backup miimon 100
    at_end ip link delete test-bond
    ip link set "$interface" master test-bond
    ip link set test-bond up
    ip link add link test-bond name test-vlan type vlan id 7
    ip link add test-bridge type bridge forward_delay 0
    at_end ip link delete test-bridge
    ip link set test-vlan up master test-bridge
    ip address add 192.0.2.1/24 dev test-bridge
    ip link set test-bridge up
    logs_in 192.0.2.1
    in_use "$nic" "remote:192.0.2.2@$interface" "master:test-bond@$interface" "route:only-ipv4@$interface" \
        "up:$interface@$nic"
    kill "$login"
    ip link delete test-bridge
    ip link delete test-bond
    ip link set "$interface" down
    goes_free "$nic"
}

# Soft RoCE: an RDMA device that runs over this card. It is in use while somebody has it open.
case_full_findings_rdma()
{
    with_interface
    modprobe rdma_rxe
    rdma link add test-rdma type rxe netdev "$interface"
    at_end rdma link delete test-rdma
    udevadm settle --timeout 60
    holds_open /dev/infiniband/uverbs0
    in_use "$nic" "rdma:test-rdma@$nic"
    lets_go
    rdma link delete test-rdma
    goes_free "$nic"
}
