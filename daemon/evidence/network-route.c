/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <linux/rtnetlink.h>

#include "network-route.h"
#include "rtnetlink-message.h"

typedef struct Answer {
    GHashTable *next_hops;
    GArray *links;
    bool own;
} Answer;

static void add_next_hops(GArray *links, const struct nlattr *multipath)
{
    const struct rtnexthop *hop = mnl_attr_get_payload(multipath);
    int left = mnl_attr_get_payload_len(multipath);

    for (; left >= (int) sizeof(*hop) && RTNH_OK(hop, left);
         left -= (int) RTNH_ALIGN(hop->rtnh_len), hop = RTNH_NEXT(hop))
        g_array_append_val(links, hop->rtnh_ifindex);
}

static void add_next_hop_object(GArray *links, GHashTable *next_hops, uint32_t id)
{
    const GArray *of_object = g_hash_table_lookup(next_hops, GUINT_TO_POINTER(id));
    int unknown = 0;

    if (of_object && of_object->len > 0)
        g_array_append_vals(links, of_object->data, of_object->len);
    else
        g_array_append_val(links, unknown);
}

GArray *route_links(const struct nlmsghdr *message, GHashTable *next_hops)
{
    GArray *links = g_array_new(FALSE, FALSE, sizeof(int));
    const struct nlattr *attribute, *multipath = NULL;
    uint32_t next_hop = 0;
    int index = 0;

    mnl_attr_for_each(attribute, message, sizeof(struct rtmsg))
        switch (mnl_attr_get_type(attribute)) {
        case RTA_OIF:
            index = (int) netlink_u32(attribute);
            break;
        case RTA_MULTIPATH:
            multipath = attribute;
            break;
        case RTA_NH_ID:
            next_hop = netlink_u32(attribute);
            break;
        default:
            break;
        }
    if (multipath)
        add_next_hops(links, multipath);
    else if (index)
        g_array_append_val(links, index);
    else
        add_next_hop_object(links, next_hops, next_hop);
    return links;
}

static int take_answer(const struct nlmsghdr *message, void *userdata)
{
    const struct rtmsg *info = mnl_nlmsg_get_payload(message);
    Answer *answer = userdata;

    if (message->nlmsg_type != RTM_NEWROUTE || !rtnetlink_message_is_sound(message))
        return MNL_CB_OK;
    answer->own = info->rtm_type == RTN_LOCAL;
    g_clear_pointer(&answer->links, g_array_unref);
    answer->links = route_links(message, answer->next_hops);
    return MNL_CB_OK;
}

int route_find(NetlinkSocket *socket, GHashTable *next_hops, const RouteQuestion *question, GArray **ret)
{
    size_t size = ip_address_size(question->to.family);
    Answer answer = { .next_hops = next_hops };
    char buffer[NETLINK_REQUEST_SIZE];
    struct nlmsghdr *request;
    struct rtmsg *info;
    int r;

    request = netlink_request(buffer, RTM_GETROUTE, 0, sizeof(*info), &info);
    info->rtm_family = (unsigned char) question->to.family;
    info->rtm_dst_len = (unsigned char) (8 * size);
    info->rtm_flags = RTM_F_FIB_MATCH;
    mnl_attr_put(request, RTA_DST, size, question->to.bytes);
    if (question->from.family == question->to.family) {
        info->rtm_src_len = (unsigned char) (8 * size);
        mnl_attr_put(request, RTA_SRC, size, question->from.bytes);
    }
    if (question->link)
        mnl_attr_put_u32(request, RTA_OIF, (uint32_t) question->link);
    r = netlink_ask(socket, request, take_answer, &answer);
    if (r >= 0 && !answer.links)
        r = -ENETUNREACH;
    if (r < 0 || answer.own) {
        g_clear_pointer(&answer.links, g_array_unref);
        return r < 0 ? r : 1;
    }
    *ret = answer.links;
    return 0;
}
