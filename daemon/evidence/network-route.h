/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "ip-address.h"
#include "netlink-socket.h"

/* Where a route leads, and which one the kernel takes. */

/*
 * The links that the route MESSAGE (RTM_NEWROUTE) leads to: GArray of int, one for each next hop, 0 for one
 * that NEXT_HOPS does not have. The kernel names next hop objects alone if net.ipv4.nexthop_compat_mode is
 * 0.
 */
GArray *route_links(const struct nlmsghdr *message, GHashTable *next_hops);

typedef struct RouteQuestion {
    IpAddress to;
    IpAddress from; /* family 0: any */
    int link;       /* the way must go out there, or through the VRF of this index; 0: any */
} RouteQuestion;

/*
 * Asks the kernel (RTM_GETROUTE) which route it takes, with all its next hops (RTM_F_FIB_MATCH), and gives
 * its links as above. What sockets and packets carry besides, marks and users, is not part of the question.
 * SOCKET is one of NETLINK_ROUTE.
 *
 * Returns 0 with *ret; 1 if the address is this machine's own; -ENETUNREACH, -EHOSTUNREACH, -EACCES or
 * -EINVAL if there is no way; -errno of the socket.
 */
int route_find(NetlinkSocket *socket, GHashTable *next_hops, const RouteQuestion *question, GArray **ret);
