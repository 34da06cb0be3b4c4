/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>

#include "netlink-socket.h"
#include "network-route.h"
#include "remote-way.h"

static void remote_way_free(RemoteWay *way)
{
    g_ptr_array_unref(way->stacks);
    g_free(way);
}

void remote_ways_free(RemoteWays *ways)
{
    if (!ways)
        return;
    g_ptr_array_unref(ways->ways);
    remote_peers_free(ways->peers);
    g_free(ways);
}

static void add_stack(RemoteWay *way, const NetworkState *state, int index)
{
    g_ptr_array_add(way->stacks, link_stack_new(state, index));
}

/* Index 0 is no link, so its stack is open. */
static void add_unknown(RemoteWay *way, const NetworkState *state)
{
    add_stack(way, state, 0);
}

/* The link that has ADDRESS; 0: none here has. */
static int find_address(const NetworkState *state, const IpAddress *address)
{
    char text[INET6_ADDRSTRLEN];

    ip_address_format(address, text);
    for (unsigned i = 0; i < state->addresses->len; i++) {
        const NetworkAddress *known = &g_array_index(state->addresses, NetworkAddress, i);

        if (strcmp(known->text, text) == 0)
            return known->index;
    }
    return 0;
}

static int find_scope(const NetworkState *state, const char *scope)
{
    int index = network_state_find_name(state, scope);

    return index ?: (int) strtol(scope, NULL, 10);
}

/* What the ways are found by. */
typedef struct Finder {
    const NetworkState *state;
    NetlinkSocket *socket;
} Finder;

/* Asks for the way to the peer through LINK, an interface or a VRF (0: any). Returns true if there is one,
 * or if the peer is this machine. */
static bool add_route(const Finder *finder, RemoteWay *way, int link)
{
    const RouteQuestion question = { .to = way->peer->address, .from = way->peer->local, .link = link };
    g_autoptr(GArray) links = NULL;
    int r;

    r = route_find(finder->socket, finder->state->next_hops, &question, &links);
    for (unsigned i = 0; r == 0 && i < links->len; i++)
        add_stack(way, finder->state, g_array_index(links, int, i));
    return r >= 0;
}

/* A login record does not say by which VRF somebody came. */
static bool add_vrfs(const Finder *finder, RemoteWay *way)
{
    bool any = false;

    for (unsigned i = 0; i < finder->state->links->len; i++) {
        const NetworkLink *link = &g_array_index(finder->state->links, NetworkLink, i);

        if (strcmp(link->kind, "vrf") == 0)
            any |= add_route(finder, way, link->index);
    }
    return any;
}

/* A connection without a route has one that the question cannot name (by a mark, by a user). */
static void find_way(const Finder *finder, RemoteWay *way)
{
    const RemotePeer *peer = way->peer;
    int link = *peer->address.scope ? find_scope(finder->state, peer->address.scope) : peer->link;
    bool any;

    if (peer->address.family == 0) {
        add_unknown(way, finder->state);
        return;
    }
    if (ip_address_is_own(&peer->address))
        return;
    if (ip_address_is_link_local(&peer->address)) {
        add_stack(way, finder->state, link);
        return;
    }
    if (find_address(finder->state, &peer->address))
        return;
    any = add_route(finder, way, link);
    if (peer->local.family) {
        int index = find_address(finder->state, &peer->local);

        if (index)
            add_stack(way, finder->state, index);
    } else
        any |= add_vrfs(finder, way);
    if (!any)
        add_unknown(way, finder->state);
}

int remote_ways_find(const NetworkState *state, RemotePeers *peers, RemoteWays **ret)
{
    g_autoptr(NetlinkSocket) socket = NULL;
    RemoteWays *ways;
    int r;

    r = netlink_open(NETLINK_ROUTE, &socket);
    if (r < 0) {
        remote_peers_free(peers);
        return r;
    }
    ways = g_new0(RemoteWays, 1);
    ways->peers = peers;
    ways->ways = g_ptr_array_new_with_free_func((GDestroyNotify) remote_way_free);
    for (unsigned i = 0; i < peers->peers->len; i++) {
        RemoteWay *way = g_new0(RemoteWay, 1);

        way->peer = g_ptr_array_index(peers->peers, i);
        way->stacks = g_ptr_array_new_with_free_func((GDestroyNotify) link_stack_free);
        find_way(&(Finder){ .state = state, .socket = socket }, way);
        g_ptr_array_add(ways->ways, way);
    }
    *ret = ways;
    return 0;
}

bool remote_way_may_use(const RemoteWay *way, const NetworkState *state, int index)
{
    for (unsigned i = 0; i < way->stacks->len; i++)
        if (link_stack_may_use(g_ptr_array_index(way->stacks, i), state, index))
            return true;
    return false;
}
