/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "table.h"

/* A table of the members of GROUPS (inventory.h), each below the one that it is connected behind, with what
 * is known of its group; devices without a group stand in none of it. */
Table *device_tree(GHashTable *objects, const GPtrArray *groups);
