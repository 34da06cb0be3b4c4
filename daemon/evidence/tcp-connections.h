/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <sys/types.h>

#include "ip-address.h"

/* A TCP connection that somebody made to this machine: it is established, and its local port is listened
 * on. */
typedef struct TcpConnection {
    IpAddress local, remote;
    int link;    /* the socket is bound to it: an interface or a VRF; 0: to none */
    ino_t inode; /* of the socket: /proc/PID/fd shows "socket:[INODE]" */
} TcpConnection;

/*
 * Lists those of this process's network namespace (sock_diag(7)). Returns 0 with a GArray of TcpConnection;
 * -ENOENT or -EPROTONOSUPPORT if this kernel cannot tell; -EAGAIN if they changed each time we looked;
 * -errno.
 */
int tcp_connections_read(GArray **ret);
