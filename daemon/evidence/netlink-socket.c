/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "netlink-socket.h"

#define DUMP_ATTEMPTS 8

int netlink_open(int protocol, NetlinkSocket **ret)
{
    g_autoptr(NetlinkSocket) socket = mnl_socket_open2(protocol, SOCK_CLOEXEC);

    if (!socket)
        return -errno;
    if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0)
        return -errno;
    *ret = g_steal_pointer(&socket);
    return 0;
}

struct nlmsghdr *netlink_request(void *buffer, uint16_t type, uint16_t flags, size_t header_size,
                                 void *ret_header)
{
    struct nlmsghdr *request;
    void *header;

    memset(buffer, 0, NETLINK_REQUEST_SIZE);
    request = mnl_nlmsg_put_header(buffer);
    request->nlmsg_type = type;
    request->nlmsg_flags = NLM_F_REQUEST | (flags ?: NLM_F_ACK); /* the end of an answer is then told */
    header = mnl_nlmsg_put_extra_header(request, header_size);
    *(void **) ret_header = header;
    return request;
}

int netlink_ask(NetlinkSocket *socket, struct nlmsghdr *request, mnl_cb_t take, void *userdata)
{
    static unsigned sequence;
    unsigned port = mnl_socket_get_portid(socket);
    char buffer[32768];

    request->nlmsg_seq = ++sequence;
    if (mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
        return -errno;
    for (;;) {
        ssize_t n;
        int r;

        n = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
        if (n < 0)
            return -errno;
        r = mnl_cb_run(buffer, (size_t) n, request->nlmsg_seq, port, take, userdata);
        if (r == MNL_CB_STOP)
            return 0;
        if (r < 0)
            return -errno;
    }
}

int netlink_read_steady(int (*read_once)(void *ret), void *ret)
{
    for (unsigned i = 0; i < DUMP_ATTEMPTS; i++) {
        int r = read_once(ret);

        if (r != -EINTR)
            return r;
    }
    return -EAGAIN;
}

uint32_t netlink_u32(const struct nlattr *attribute)
{
    return mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0 ? mnl_attr_get_u32(attribute) : 0;
}
