/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libmnl/libmnl.h>
#include <stdbool.h>

/*
 * True if MESSAGE, of the types that answer RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE and RTM_GETNEXTHOP, has
 * the fixed part of its type, and those of its attributes that are read as numbers and names are as long as
 * that (rtnetlink(7), libmnl's mnl_attr_validate()). libmnl itself looks only that no attribute is longer
 * than the message.
 */
bool rtnetlink_message_is_sound(const struct nlmsghdr *message);
