/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "ip-address.h"
#include "mount-table.h"

/* A machine elsewhere that somebody here needs the way to: a remote login comes from it, or file systems and
 * disks of this machine are on it. */
typedef struct RemotePeer {
    char *name;        /* its address, or the name of a host that cannot be looked up here */
    IpAddress address; /* family 0: not known */
    IpAddress local;   /* our end of the connection; family 0: not known */
    int link;          /* the connection is bound to this interface or VRF; 0: not known */
    char *use;         /* "a remote login", "the file system /srv" */
    char *who;         /* for uid 0 alone: "alice"; NULL: nobody */
} RemotePeer;

typedef struct RemotePeers {
    GPtrArray *peers; /* RemotePeer */
    char *unread;     /* what could not be read ("/run/utmp: Permission denied"), or NULL */
} RemotePeers;

/*
 * Lists the peers: of logins by their records (login-record.h) and by the connections of those who serve
 * them (sshd, dropbear, telnetd, xrdp: a record gives a name where the server resolved it, and none where it
 * writes none); of file systems by the mount option addr= (NFS, CIFS); of iSCSI and NVMe over fabrics by
 * sysfs. MOUNTS may be NULL.
 *
 * Not seen: file systems and disks that name no address (FUSE, Ceph, NBD, DRBD); logins over UDP that left
 * no record.
 */
RemotePeers *remote_peers_read(int root_fd, const MountTable *mounts);

void remote_peers_free(RemotePeers *peers);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RemotePeers, remote_peers_free)

/* Appends a peer of which only HOST, an address or a name, is known. WHO may be NULL. */
void remote_peers_add(RemotePeers *peers, const char *host, const char *use, const char *who);

/* Appends the peers of CONNECTIONS (GArray of TcpConnection, tcp-connections.h) whose socket process PID
 * has, as a login of WHO. Returns how many. */
unsigned remote_peers_add_login(RemotePeers *peers, int root_fd, const GArray *connections, pid_t pid,
                                const char *who);

/* Notes in `unread` that PATH could not be read. */
void remote_peers_unread(RemotePeers *peers, const char *path, int error);

/* The two halves of remote_peers_read(). */
void remote_logins_read(int root_fd, RemotePeers *peers);
void remote_storage_read(int root_fd, const MountTable *mounts, RemotePeers *peers);
