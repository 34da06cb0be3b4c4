/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "remote-peer.h"
#include "sysfs.h"
#include "tcp-connections.h"

static void remote_peer_free(RemotePeer *peer)
{
    g_free(peer->name);
    g_free(peer->use);
    g_free(peer->who);
    g_free(peer);
}

void remote_peers_free(RemotePeers *peers)
{
    if (!peers)
        return;
    g_ptr_array_unref(peers->peers);
    g_free(peers->unread);
    g_free(peers);
}

static RemotePeer *add_peer(RemotePeers *peers, const char *use, const char *who)
{
    RemotePeer *peer = g_new0(RemotePeer, 1);

    peer->use = g_strdup(use);
    peer->who = g_strdup(who);
    g_ptr_array_add(peers->peers, peer);
    return peer;
}

static char *name_of_address(const IpAddress *address)
{
    char text[INET6_ADDRSTRLEN];

    ip_address_format(address, text);
    return g_strdup(text);
}

void remote_peers_add(RemotePeers *peers, const char *host, const char *use, const char *who)
{
    RemotePeer *peer = add_peer(peers, use, who);

    if (ip_address_parse(host, &peer->address))
        peer->name = name_of_address(&peer->address);
    else
        peer->name = g_strdup(*host ? host : "not-told");
}

static void add_connection(RemotePeers *peers, const TcpConnection *connection, const char *who)
{
    RemotePeer *peer = add_peer(peers, "a remote login", who);

    peer->address = connection->remote;
    peer->local = connection->local;
    peer->link = connection->link;
    peer->name = name_of_address(&peer->address);
}

unsigned remote_peers_add_login(RemotePeers *peers, int root_fd, const GArray *connections, pid_t pid,
                                const char *who)
{
    g_autofree char *folder = g_strdup_printf("proc/%d/fd", (int) pid);
    g_auto(GStrv) names = NULL;
    unsigned n = 0;

    if (sysfs_list(root_fd, folder, &names) < 0)
        return 0;
    for (char **name = names; *name; name++) {
        g_autofree char *path = g_strdup_printf("%s/%s", folder, *name), *text = NULL;
        unsigned long inode;

        if (sysfs_read_link(root_fd, path, &text) < 0 || sscanf(text, "socket:[%lu]", &inode) != 1)
            continue;
        for (unsigned i = 0; i < connections->len; i++) {
            const TcpConnection *connection = &g_array_index(connections, TcpConnection, i);

            if (connection->inode != inode)
                continue;
            add_connection(peers, connection, who);
            n++;
        }
    }
    return n;
}

void remote_peers_unread(RemotePeers *peers, const char *path, int error)
{
    if (!peers->unread)
        peers->unread = g_strdup_printf("%s: %s", path, g_strerror(-error));
}

RemotePeers *remote_peers_read(int root_fd, const MountTable *mounts)
{
    RemotePeers *peers = g_new0(RemotePeers, 1);

    peers->peers = g_ptr_array_new_with_free_func((GDestroyNotify) remote_peer_free);
    remote_logins_read(root_fd, peers);
    remote_storage_read(root_fd, mounts, peers);
    return peers;
}
