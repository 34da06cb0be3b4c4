/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <libmnl/libmnl.h>

/* Questions to the kernel over netlink(7), answered before the call returns. */

typedef struct mnl_socket NetlinkSocket;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetlinkSocket, mnl_socket_close)

/* What a request needs at most: header, fixed part and a few attributes. */
#define NETLINK_REQUEST_SIZE 512

/* Opens and binds a socket of PROTOCOL (NETLINK_ROUTE, ...). Returns 0 with *ret; -errno of socket(2) or
 * bind(2), so -EPROTONOSUPPORT where the kernel has none of this protocol. */
int netlink_open(int protocol, NetlinkSocket **ret);

/*
 * Writes the start of a request of TYPE into BUFFER, which has NETLINK_REQUEST_SIZE bytes: FLAGS is
 * NLM_F_DUMP, or 0 for one answer; HEADER_SIZE zeroed bytes follow the header and are *ret_header.
 */
struct nlmsghdr *netlink_request(void *buffer, uint16_t type, uint16_t flags, size_t header_size,
                                 void *ret_header);

/*
 * Sends REQUEST and calls TAKE with each message of the answer. Returns 0; the -errno that the kernel
 * answers; -EINTR if what was dumped changed meanwhile (NLM_F_DUMP_INTR): ask again; what TAKE left in errno
 * when it returned MNL_CB_ERROR.
 */
int netlink_ask(NetlinkSocket *socket, struct nlmsghdr *request, mnl_cb_t take, void *userdata);

/*
 * For what takes one dump or several: calls READ_ONCE with RET until it returns something else than -EINTR,
 * which it passes on. Returns that; -EAGAIN if the kernel's tables never stand still.
 */
int netlink_read_steady(int (*read_once)(void *ret), void *ret);

/* The number in ATTRIBUTE; 0 if it is no u32. */
uint32_t netlink_u32(const struct nlattr *attribute);
