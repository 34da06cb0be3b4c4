/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "netlink-socket.h"
#include "network-route.h"
#include "network-state.h"
#include "rtnetlink-message.h"

/* A state in the making. */
typedef struct Reading {
    NetworkState *state;
    GHashTable *groups; /* id of a group of next hop objects -> GBytes: struct nexthop_grp of each member */
} Reading;

NetworkState *network_state_new(void)
{
    NetworkState *state = g_new0(NetworkState, 1);

    state->links = g_array_new(FALSE, TRUE, sizeof(NetworkLink));
    state->addresses = g_array_new(FALSE, TRUE, sizeof(NetworkAddress));
    state->routes = g_array_new(FALSE, TRUE, sizeof(NetworkRoute));
    state->next_hops =
        g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, (GDestroyNotify) g_array_unref);
    return state;
}

void network_state_free(NetworkState *state)
{
    if (!state)
        return;
    g_array_unref(state->links);
    g_array_unref(state->addresses);
    g_array_unref(state->routes);
    g_hash_table_unref(state->next_hops);
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

int network_state_find_name(const NetworkState *state, const char *name)
{
    for (unsigned i = 0; i < state->links->len; i++) {
        const NetworkLink *link = &g_array_index(state->links, NetworkLink, i);

        if (strcmp(link->name, name) == 0)
            return link->index;
    }
    return 0;
}

/* VXLAN and its like name the link that they use in their own attributes, not in IFLA_LINK. */
static void take_link_info(const struct nlattr *info, NetworkLink *link)
{
    const struct nlattr *attribute, *data = NULL;

    mnl_attr_for_each_nested(attribute, info) {
        if (mnl_attr_get_type(attribute) == IFLA_INFO_KIND &&
            mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
            g_strlcpy(link->kind, mnl_attr_get_str(attribute), sizeof(link->kind));
        else if (mnl_attr_get_type(attribute) == IFLA_INFO_DATA)
            data = attribute;
    }
    if (strcmp(link->kind, "vxlan") != 0 || !data)
        return;
    mnl_attr_for_each_nested(attribute, data)
        if (mnl_attr_get_type(attribute) == IFLA_VXLAN_LINK &&
            mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
            link->lower = (int) mnl_attr_get_u32(attribute);
}

static int take_link(const struct nlmsghdr *message, void *userdata)
{
    const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
    NetworkLink link = { .index = info->ifi_index,
                         .up = info->ifi_flags & IFF_UP,
                         .loopback = info->ifi_flags & IFF_LOOPBACK };
    bool lower_is_elsewhere = false, has_device = false;
    const struct nlattr *attribute;
    Reading *reading = userdata;

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
            take_link_info(attribute, &link);
            break;
        case IFLA_PARENT_DEV_NAME: /* IPoIB has a kind and a device */
            has_device = true;
            break;
        default:
            break;
        }
    if (lower_is_elsewhere || link.lower == link.index)
        link.lower = 0;
    if (has_device)
        link.kind[0] = '\0';
    g_array_append_val(reading->state->links, link);
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
    Reading *reading = userdata;

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
    g_array_append_val(reading->state->addresses, address);
    return MNL_CB_OK;
}

/* A next hop object: the links it leads to, or the objects that it is a group of (net/ipv4/nexthop.c). */
static int take_next_hop(const struct nlmsghdr *message, void *userdata)
{
    GArray *links = g_array_new(FALSE, FALSE, sizeof(int));
    const struct nlattr *attribute;
    Reading *reading = userdata;
    uint32_t id = 0;

    mnl_attr_for_each(attribute, message, sizeof(struct nhmsg)) {
        unsigned type = mnl_attr_get_type(attribute);

        if (type == NHA_ID && mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
            id = mnl_attr_get_u32(attribute);
        else if (type == NHA_OIF && mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
            g_array_append_vals(links, mnl_attr_get_payload(attribute), 1);
        else if (type == NHA_GROUP)
            g_hash_table_insert(reading->groups, GUINT_TO_POINTER(id),
                                g_bytes_new(mnl_attr_get_payload(attribute),
                                            mnl_attr_get_payload_len(attribute)));
    }
    g_hash_table_insert(reading->state->next_hops, GUINT_TO_POINTER(id), links);
    return MNL_CB_OK;
}

/* Groups hold no groups of more than one level (net/ipv4/nexthop.c, nh_check_attr_group()). */
static void resolve_group(gpointer id, gpointer value, gpointer userdata)
{
    Reading *reading = userdata;
    GArray *links = g_hash_table_lookup(reading->state->next_hops, id);
    gsize size;
    const struct nexthop_grp *entries = g_bytes_get_data(value, &size);

    for (size_t i = 0; i < size / sizeof(*entries); i++) {
        const GArray *hop = g_hash_table_lookup(reading->state->next_hops, GUINT_TO_POINTER(entries[i].id));

        if (links && hop && hop != links)
            g_array_append_vals(links, hop->data, hop->len);
    }
}

static void add_route(NetworkState *state, NetworkRoute route, int index)
{
    for (unsigned i = 0; i < state->routes->len; i++) {
        const NetworkRoute *known = &g_array_index(state->routes, NetworkRoute, i);

        if (known->index == index && known->family == route.family &&
            known->is_default == route.is_default)
            return;
    }
    route.index = index;
    g_array_append_val(state->routes, route);
}

static bool leads_to_others(int family, const struct nlattr *destination)
{
    const void *address = mnl_attr_get_payload(destination);

    return mnl_attr_get_payload_len(destination) < address_size(family) ||
           (!is_link_local(family, address) && !is_multicast(family, address));
}

static int take_route(const struct nlmsghdr *message, void *userdata)
{
    const struct rtmsg *info = mnl_nlmsg_get_payload(message);
    NetworkRoute route = { .family = info->rtm_family, .is_default = info->rtm_dst_len == 0 };
    g_autoptr(GArray) links = NULL;
    const struct nlattr *attribute;
    Reading *reading = userdata;

    if (address_size(info->rtm_family) == 0 || info->rtm_type != RTN_UNICAST ||
        (info->rtm_flags & RTM_F_CLONED))
        return MNL_CB_OK;
    mnl_attr_for_each(attribute, message, sizeof(*info))
        if (mnl_attr_get_type(attribute) == RTA_DST && !leads_to_others(info->rtm_family, attribute))
            return MNL_CB_OK;
    links = route_links(message, reading->state->next_hops);
    for (unsigned i = 0; i < links->len; i++)
        add_route(reading->state, route, g_array_index(links, int, i));
    return MNL_CB_OK;
}

typedef struct Dump {
    uint16_t type; /* of the messages that answer */
    mnl_cb_t take;
    Reading *reading;
} Dump;

/* What cannot be understood must not pass for a machine without links. */
static int take_sound(const struct nlmsghdr *message, void *userdata)
{
    const Dump *dump = userdata;

    if (message->nlmsg_type == dump->type && rtnetlink_message_is_sound(message))
        return dump->take(message, dump->reading);
    errno = EBADMSG;
    return MNL_CB_ERROR;
}

/* TYPE: of the messages to ask for, RTM_NEW...; the question's, RTM_GET..., is two more (rtnetlink(7)). */
static int dump(NetlinkSocket *socket, uint16_t type, unsigned char family, size_t header_size,
                mnl_cb_t take, Reading *reading)
{
    Dump answer = { .type = type, .take = take, .reading = reading };
    char buffer[NETLINK_REQUEST_SIZE];
    struct rtgenmsg *generic; /* the start of all these headers */
    struct nlmsghdr *request = netlink_request(buffer, type + 2, NLM_F_DUMP, header_size, &generic);

    generic->rtgen_family = family;
    return netlink_ask(socket, request, take_sound, &answer);
}

static int read_next_hops(NetlinkSocket *socket, Reading *reading)
{
    int r = dump(socket, RTM_NEWNEXTHOP, AF_UNSPEC, sizeof(struct nhmsg), take_next_hop, reading);

    g_hash_table_foreach(reading->groups, resolve_group, reading);
    return r == -EOPNOTSUPP ? 0 : r;
}

static int read_all(NetlinkSocket *socket, Reading *reading)
{
    int r;

    r = dump(socket, RTM_NEWLINK, AF_UNSPEC, sizeof(struct ifinfomsg), take_link, reading);
    if (r >= 0)
        r = dump(socket, RTM_NEWADDR, AF_UNSPEC, sizeof(struct ifaddrmsg), take_address, reading);
    if (r >= 0)
        r = read_next_hops(socket, reading);
    if (r >= 0)
        r = dump(socket, RTM_NEWROUTE, AF_INET, sizeof(struct rtmsg), take_route, reading);
    if (r >= 0)
        r = dump(socket, RTM_NEWROUTE, AF_INET6, sizeof(struct rtmsg), take_route, reading);
    return r;
}

static int read_once(void *ret)
{
    g_autoptr(GHashTable) groups =
        g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, (GDestroyNotify) g_bytes_unref);
    g_autoptr(NetworkState) state = network_state_new();
    g_autoptr(NetlinkSocket) socket = NULL;
    int r;

    r = netlink_open(NETLINK_ROUTE, &socket);
    if (r >= 0)
        r = read_all(socket, &(Reading){ .state = state, .groups = groups });
    if (r < 0)
        return r;
    *(NetworkState **) ret = g_steal_pointer(&state);
    return 0;
}

int network_state_read(NetworkState **ret)
{
    return netlink_read_steady(read_once, ret);
}
