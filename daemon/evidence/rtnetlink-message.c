/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rtnetlink-message.h"

#include <glib.h>
#include <linux/if_link.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>

static const struct {
    uint16_t message, attribute;
    enum mnl_attr_data_type type;
} attributes[] = {
    { RTM_NEWLINK, IFLA_IFNAME, MNL_TYPE_NUL_STRING },
    { RTM_NEWLINK, IFLA_MASTER, MNL_TYPE_U32 },
    { RTM_NEWLINK, IFLA_LINK, MNL_TYPE_U32 },
    { RTM_NEWROUTE, RTA_OIF, MNL_TYPE_U32 },
    { RTM_NEWROUTE, RTA_NH_ID, MNL_TYPE_U32 },
};

static bool attribute_is_sound(uint16_t message, const struct nlattr *attribute)
{
    for (size_t i = 0; i < G_N_ELEMENTS(attributes); i++)
        if (attributes[i].message == message && attributes[i].attribute == mnl_attr_get_type(attribute))
            return mnl_attr_validate(attribute, attributes[i].type) >= 0;
    return true;
}

/* 0: not a message that is asked for. */
static size_t header_size(uint16_t message)
{
    switch (message) {
    case RTM_NEWLINK:
        return sizeof(struct ifinfomsg);
    case RTM_NEWADDR:
        return sizeof(struct ifaddrmsg);
    case RTM_NEWROUTE:
        return sizeof(struct rtmsg);
    case RTM_NEWNEXTHOP:
        return sizeof(struct nhmsg);
    default:
        return 0;
    }
}

/* libmnl lets the last attribute reach to the next multiple of four (mnl_nlmsg_get_payload_tail()). */
static bool is_within(const struct nlmsghdr *message, const struct nlattr *attribute)
{
    return (const char *) attribute + attribute->nla_len <= (const char *) message + message->nlmsg_len;
}

bool rtnetlink_message_is_sound(const struct nlmsghdr *message)
{
    size_t size = header_size(message->nlmsg_type);
    const struct nlattr *attribute;

    if (size == 0 || mnl_nlmsg_get_payload_len(message) < size)
        return false;
    mnl_attr_for_each(attribute, message, size)
        if (!is_within(message, attribute) || !attribute_is_sound(message->nlmsg_type, attribute))
            return false;
    return true;
}
