/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "client.h"
#include "facts.h"

/* What client_objects() gave, in order: groups, their members, and what is shown of them. */

/* The groups of OBJECTS by number: array of borrowed a{sv}. */
GPtrArray *inventory_groups(GHashTable *objects);

/* The members of GROUP: array of borrowed a{sv}. */
GPtrArray *inventory_members(GHashTable *objects, GVariant *group);

/* One property of all MEMBERS, those without it left out: "nvme, e1000e"; "-" if none has it. The caller
 * frees it. */
char *inventory_join(const GPtrArray *members, const char *name);

/* Where the device with these properties is below /sys/devices, as Path= of a rule has it; borrowed. */
const char *inventory_path(GVariant *device);

/* What the bus tells of the device with these properties, as a rule file names it: bus, name, path, ids,
 * bridge. */
DeviceFacts *inventory_facts(GVariant *device);

/* "settled", "pending (in-use)", "changing (write type)"; the caller frees it. */
char *group_state_text(GVariant *group);

/* The colour of that (terminal.h), NULL for none. */
const char *group_state_colour(GVariant *group);

/* TEXT, or "-" if it is empty. */
const char *or_dash(const char *text);
