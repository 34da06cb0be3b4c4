/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "machine.h"

/*
 * Events of the fake kernel as the kernel itself sends them. A message to port 0 of NETLINK_KOBJECT_UEVENT
 * is broadcast by the kernel in the sender's network namespace with a SEQNUM of its own
 * (lib/kobject_uevent.c, uevent_net_rcv_skb), if the sender has CAP_SYS_ADMIN in the user namespace that
 * owns it.
 */

/* Opens the socket. Returns 0 or a negative errno of socket(2). Until then events go nowhere. */
int uevent_open(Machine *machine);

/* Sends ACTION for the object at NODE with the lines of PROPERTIES (KEY=VALUE, or NULL). SUBSYSTEM may not
 * be NULL. */
void uevent_send(Machine *machine, const char *action, const Node *node, const char *subsystem,
                 const char *properties);

/* What a write of VALUE (`ACTION [UUID]`) to the uevent file of NODE does: the same with SYNTH_UUID, as
 * Documentation/ABI/testing/sysfs-uevent says. Returns 0 or -EINVAL. */
int uevent_synthesize(Machine *machine, const char *value, const Node *node, const char *subsystem,
                      const char *properties);
