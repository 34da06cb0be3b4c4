/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>

#include "netlink-socket.h"
#include "tcp-connections.h"

typedef struct Reading {
    GArray *established;   /* TcpConnection */
    GArray *ports;         /* local port of each: uint16_t */
    GHashTable *listening; /* set of ports */
} Reading;

static int take_socket(const struct nlmsghdr *message, void *userdata)
{
    const struct inet_diag_msg *info = mnl_nlmsg_get_payload(message);
    TcpConnection connection = { .link = (int) info->id.idiag_if, .inode = info->idiag_inode };
    uint16_t port = ntohs(info->id.idiag_sport);
    Reading *reading = userdata;

    if (mnl_nlmsg_get_payload_len(message) < sizeof(*info))
        return MNL_CB_OK;
    if (info->idiag_state == TCP_LISTEN) {
        g_hash_table_add(reading->listening, GUINT_TO_POINTER((guint) port));
        return MNL_CB_OK;
    }
    if (!ip_address_set(info->idiag_family, info->id.idiag_src, &connection.local) ||
        !ip_address_set(info->idiag_family, info->id.idiag_dst, &connection.remote))
        return MNL_CB_OK;
    g_array_append_val(reading->established, connection);
    g_array_append_val(reading->ports, port);
    return MNL_CB_OK;
}

static int dump(NetlinkSocket *socket, int family, Reading *reading)
{
    char buffer[NETLINK_REQUEST_SIZE];
    struct inet_diag_req_v2 *info;
    struct nlmsghdr *request =
        netlink_request(buffer, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, sizeof(*info), &info);

    info->sdiag_family = (unsigned char) family;
    info->sdiag_protocol = IPPROTO_TCP;
    info->idiag_states = 1 << TCP_ESTABLISHED | 1 << TCP_LISTEN;
    return netlink_ask(socket, request, take_socket, reading);
}

static int read_once(void *ret)
{
    g_autoptr(GArray) established = g_array_new(FALSE, FALSE, sizeof(TcpConnection)),
                      ports = g_array_new(FALSE, FALSE, sizeof(uint16_t)), accepted = NULL;
    g_autoptr(GHashTable) listening = g_hash_table_new(g_direct_hash, g_direct_equal);
    Reading reading = { .established = established, .ports = ports, .listening = listening };
    g_autoptr(NetlinkSocket) socket = NULL;
    int r;

    r = netlink_open(NETLINK_SOCK_DIAG, &socket);
    if (r >= 0)
        r = dump(socket, AF_INET, &reading);
    if (r >= 0)
        r = dump(socket, AF_INET6, &reading);
    if (r < 0)
        return r;
    accepted = g_array_new(FALSE, FALSE, sizeof(TcpConnection));
    for (unsigned i = 0; i < established->len; i++)
        if (g_hash_table_contains(listening, GUINT_TO_POINTER((guint) g_array_index(ports, uint16_t, i))))
            g_array_append_val(accepted, g_array_index(established, TcpConnection, i));
    *(GArray **) ret = g_steal_pointer(&accepted);
    return 0;
}

int tcp_connections_read(GArray **ret)
{
    return netlink_read_steady(read_once, ret);
}
