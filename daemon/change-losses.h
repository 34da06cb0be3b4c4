/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "change-sequence.h"
#include "network-state.h"

/*
 * What the users of devices lose by a change: disks and interfaces come back under other names, and the kernel
 * makes an interface anew, down, without addresses, routes and whatever was built on it (net/core/dev.c,
 * unregister_netdevice_many()). Said, not repaired: what belongs above the device (names in fstab, addresses) is
 * not ours. Who configures the network may set it again, later, and is not waited for.
 */

/* Looks at the network before HELD (array of HeldDevice, with their children) are unbound. Returns what
 * change_losses_report() is given; NULL if none of them has an interface, or, with a note, if it cannot be read. */
NetworkState *change_losses_look(const Sequence *sequence, const GPtrArray *held);

/* Compares, and notes what is lost. The moment is when HELD are bound and each interface has its name again, or
 * udev has had its time to give it: after change_give_back(). BEFORE may be NULL. */
void change_losses_report(const Sequence *sequence, const GPtrArray *held, const NetworkState *before);

/* An interface, by the name that it had and the one that it has now (NULL: it has not come back). */
typedef struct LossyInterface {
    const char *before, *now;
} LossyInterface;

/* Appends a sentence (char *) to NOTES for each address (but link-local ones), default route, bond or bridge
 * membership, and link built on one of INTERFACES that was there BEFORE and is not NOW. */
void change_losses_compare(const NetworkState *before, const NetworkState *now,
                           const LossyInterface *interfaces, size_t n_interfaces, GPtrArray *notes);
