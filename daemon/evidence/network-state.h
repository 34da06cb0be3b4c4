/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>

/* Links, addresses and routes of this process's network namespace, as rtnetlink(7) tells them. */

typedef struct NetworkLink {
    int index;
    char name[IFNAMSIZ];
    bool up;
    bool loopback;
    int master;    /* index of the bond, bridge, VRF or team it is part of; 0: none */
    int lower;     /* index of the link it is built on (VLAN, macvlan, ipvlan, VXLAN), or of a veth's other
                      end; 0: none here */
    char kind[16]; /* "vlan", "tun" of a link that no device stands behind; "": hardware, or a driver that
                      does not tell */
} NetworkLink;

typedef struct NetworkAddress {
    int index;
    bool link_local; /* 169.254.0.0/16, fe80::/10: every interface that is up may have one */
    char text[INET6_ADDRSTRLEN];
} NetworkAddress;

/* A way to other hosts: unicast, any table, not to a link-local or multicast destination. One for each next
 * hop; those that differ in nothing that is told here are one. */
typedef struct NetworkRoute {
    int index;  /* 0: not known (a next hop object that went away while we looked) */
    int family; /* AF_INET, AF_INET6 */
    bool is_default;
} NetworkRoute;

typedef struct NetworkState {
    GArray *links;         /* NetworkLink */
    GArray *addresses;     /* NetworkAddress */
    GArray *routes;        /* NetworkRoute */
    GHashTable *next_hops; /* id of a next hop object -> GArray of int: the links that it leads to */
} NetworkState;

/* Returns an empty state. */
NetworkState *network_state_new(void);

/* Reads the state. Returns 0; -EAGAIN if it changed each time we looked; -errno of the socket or of the
 * kernel's answer. */
int network_state_read(NetworkState **ret);

void network_state_free(NetworkState *state);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetworkState, network_state_free)

/* Returns the index of the link NAME; 0: none. */
int network_state_find_name(const NetworkState *state, const char *name);

/* Returns the link, or NULL. */
const NetworkLink *network_state_find(const NetworkState *state, int index);
