/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "network-state.h"
#include "rtnetlink-message.h"

#define DUMP_ATTEMPTS 8

typedef struct mnl_socket MnlSocket;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MnlSocket, mnl_socket_close)

NetworkState *network_state_new(void)
{
    NetworkState *state = g_new0(NetworkState, 1);

    state->links = g_array_new(FALSE, TRUE, sizeof(NetworkLink));
    state->addresses = g_array_new(FALSE, TRUE, sizeof(NetworkAddress));
    state->routes = g_array_new(FALSE, TRUE, sizeof(NetworkRoute));
    return state;
}

void network_state_free(NetworkState *state)
{
    if (!state)
        return;
    g_array_unref(state->links);
    g_array_unref(state->addresses);
    g_array_unref(state->routes);
    g_free(state);
}

const NetworkLink *network_state_find(const NetworkState *state, int index)
{
    for (unsigned i = 0; i < state->links->len; i++) {
        const NetworkLink *link = &g_array_index(state->links, NetworkLink, i);

        if (link->index == index)
            return link;
    }
    return NULL;
}

/* VXLAN and its like name the link that they use in their own attributes, not in IFLA_LINK. */
static int read_tunnel_lower(const struct nlattr *info)
{
    const struct nlattr *attribute, *data = NULL;
    const char *kind = "";

    mnl_attr_for_each_nested(attribute, info) {
        if (mnl_attr_get_type(attribute) == IFLA_INFO_KIND &&
            mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
            kind = mnl_attr_get_str(attribute);
        else if (mnl_attr_get_type(attribute) == IFLA_INFO_DATA)
            data = attribute;
    }
    if (strcmp(kind, "vxlan") != 0 || !data)
        return 0;
    mnl_attr_for_each_nested(attribute, data)
        if (mnl_attr_get_type(attribute) == IFLA_VXLAN_LINK &&
            mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
            return (int) mnl_attr_get_u32(attribute);
    return 0;
}

static int take_link(const struct nlmsghdr *message, void *userdata)
{
    const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
    NetworkLink link = { .index = info->ifi_index, .up = info->ifi_flags & IFF_UP };
    const struct nlattr *attribute;
    bool lower_is_elsewhere = false;
    NetworkState *state = userdata;

    mnl_attr_for_each(attribute, message, sizeof(*info))
        switch (mnl_attr_get_type(attribute)) {
        case IFLA_IFNAME:
            g_strlcpy(link.name, mnl_attr_get_str(attribute), sizeof(link.name));
            break;
        case IFLA_MASTER:
            link.master = (int) mnl_attr_get_u32(attribute);
            break;
        case IFLA_LINK:
            link.lower = (int) mnl_attr_get_u32(attribute);
            break;
        case IFLA_LINK_NETNSID: /* then IFLA_LINK counts in that namespace */
            lower_is_elsewhere = true;
            break;
        case IFLA_LINKINFO:
            link.lower = read_tunnel_lower(attribute) ?: link.lower;
            break;
        default:
            break;
        }
    if (lower_is_elsewhere || link.lower == link.index)
        link.lower = 0;
    g_array_append_val(state->links, link);
    return MNL_CB_OK;
}

static bool is_link_local(int family, const void *address)
{
    const unsigned char *bytes = address;

    return family == AF_INET ? bytes[0] == 169 && bytes[1] == 254
                             : bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
}

static bool is_multicast(int family, const void *address)
{
    const unsigned char *bytes = address;

    return family == AF_INET ? (bytes[0] & 0xf0) == 0xe0 : bytes[0] == 0xff;
}

static size_t address_size(int family)
{
    return family == AF_INET ? sizeof(struct in_addr) : family == AF_INET6 ? sizeof(struct in6_addr) : 0;
}

static int take_address(const struct nlmsghdr *message, void *userdata)
{
    const struct ifaddrmsg *info = mnl_nlmsg_get_payload(message);
    NetworkAddress address = { .index = (int) info->ifa_index };
    const struct nlattr *attribute, *chosen = NULL;
    size_t size = address_size(info->ifa_family);
    NetworkState *state = userdata;

    mnl_attr_for_each(attribute, message, sizeof(*info)) {
        unsigned type = mnl_attr_get_type(attribute);

        /* IFA_ADDRESS is the peer's on point-to-point links, IFA_LOCAL is ours. */
        if (type == IFA_LOCAL || (type == IFA_ADDRESS && !chosen))
            chosen = attribute;
    }
    if (size == 0 || !chosen || mnl_attr_get_payload_len(chosen) < size)
        return MNL_CB_OK;
    address.link_local = is_link_local(info->ifa_family, mnl_attr_get_payload(chosen));
    (void) inet_ntop(info->ifa_family, mnl_attr_get_payload(chosen), address.text, sizeof(address.text));
    g_array_append_val(state->addresses, address);
    return MNL_CB_OK;
}

static void add_next_hops(NetworkState *state, NetworkRoute route, const struct nlattr *multipath)
{
    const struct rtnexthop *hop = mnl_attr_get_payload(multipath);
    int left = mnl_attr_get_payload_len(multipath);

    for (; left >= (int) sizeof(*hop) && RTNH_OK(hop, left); left -= (int) RTNH_ALIGN(hop->rtnh_len), hop = RTNH_NEXT(hop)) {
        route.index = hop->rtnh_ifindex;
        g_array_append_val(state->routes, route);
    }
}

static int take_route(const struct nlmsghdr *message, void *userdata)
{
    const struct rtmsg *info = mnl_nlmsg_get_payload(message);
    NetworkRoute route = { .family = info->rtm_family, .is_default = info->rtm_dst_len == 0 };
    const struct nlattr *attribute, *multipath = NULL;
    size_t size = address_size(info->rtm_family);
    NetworkState *state = userdata;

    if (size == 0 || info->rtm_type != RTN_UNICAST || (info->rtm_flags & RTM_F_CLONED))
        return MNL_CB_OK;
    mnl_attr_for_each(attribute, message, sizeof(*info)) {
        const void *payload = mnl_attr_get_payload(attribute);

        switch (mnl_attr_get_type(attribute)) {
        case RTA_DST:
            if (mnl_attr_get_payload_len(attribute) >= size &&
                (is_link_local(info->rtm_family, payload) || is_multicast(info->rtm_family, payload)))
                return MNL_CB_OK;
            break;
        case RTA_OIF:
            route.index = (int) mnl_attr_get_u32(attribute);
            break;
        case RTA_MULTIPATH:
            multipath = attribute;
            break;
        default:
            break;
        }
    }
    if (multipath)
        add_next_hops(state, route, multipath);
    else
        g_array_append_val(state->routes, route);
    return MNL_CB_OK;
}

typedef struct Dump {
    mnl_cb_t take;
    NetworkState *state;
} Dump;

/* What cannot be understood must not pass for a machine without links. */
static int take_sound(const struct nlmsghdr *message, void *userdata)
{
    const Dump *dump = userdata;

    if (rtnetlink_message_is_sound(message))
        return dump->take(message, dump->state);
    errno = EBADMSG;
    return MNL_CB_ERROR;
}

/* Of a request's header the kernel reads the family only; struct ifinfomsg is the longest of the three that
 * it could be. */
static int ask(MnlSocket *socket, uint16_t type, unsigned char family, mnl_cb_t take, NetworkState *state)
{
    Dump dump = { .take = take, .state = state };
    unsigned sequence = type, port = mnl_socket_get_portid(socket);
    char buffer[32768];
    struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
    struct rtgenmsg *generic;
    ssize_t n;

    request->nlmsg_type = type;
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request->nlmsg_seq = sequence;
    generic = mnl_nlmsg_put_extra_header(request, sizeof(struct ifinfomsg));
    generic->rtgen_family = family;
    if (mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
        return -errno;
    for (;;) {
        int r;

        n = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
        if (n < 0)
            return -errno;
        r = mnl_cb_run(buffer, (size_t) n, sequence, port, take_sound, &dump);
        if (r == MNL_CB_STOP)
            return 0;
        if (r < 0)
            return -errno; /* EINTR: the dump is not of one moment (NLM_F_DUMP_INTR) */
    }
}

static int read_once(NetworkState **ret)
{
    g_autoptr(NetworkState) state = network_state_new();
    g_autoptr(MnlSocket) socket = NULL;
    int r;

    socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    if (!socket)
        return -errno;
    if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0)
        return -errno;
    r = ask(socket, RTM_GETLINK, AF_UNSPEC, take_link, state);
    if (r >= 0)
        r = ask(socket, RTM_GETADDR, AF_UNSPEC, take_address, state);
    if (r >= 0)
        r = ask(socket, RTM_GETROUTE, AF_INET, take_route, state);
    if (r >= 0)
        r = ask(socket, RTM_GETROUTE, AF_INET6, take_route, state);
    if (r < 0)
        return r;
    *ret = g_steal_pointer(&state);
    return 0;
}

int network_state_read(NetworkState **ret)
{
    for (unsigned i = 0; i < DUMP_ATTEMPTS; i++) {
        int r = read_once(ret);

        if (r != -EINTR)
            return r;
    }
    return -EAGAIN;
}
