/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "link-stack.h"
#include "remote-peer.h"

/* The way to a peer: each link that the kernel may send to it through or receive its answers on, with all
 * that carries it. A way that nothing tells is an open stack. */
typedef struct RemoteWay {
    const RemotePeer *peer;
    GPtrArray *stacks; /* LinkStack; empty: the peer is this machine itself */
} RemoteWay;

typedef struct RemoteWays {
    RemotePeers *peers; /* which the ways borrow */
    GPtrArray *ways;    /* RemoteWay */
} RemoteWays;

/*
 * Finds the ways to PEERS, which it takes over, by STATE and by asking the kernel for routes: from our end
 * of the connection and through the VRF that its socket is bound to, where these are known; else in every
 * VRF, too. Returns 0; -errno of the socket.
 */
int remote_ways_find(const NetworkState *state, RemotePeers *peers, RemoteWays **ret);

void remote_ways_free(RemoteWays *ways);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RemoteWays, remote_ways_free)

/* True if the way may go through the link INDEX. */
bool remote_way_may_use(const RemoteWay *way, const NetworkState *state, int index);
