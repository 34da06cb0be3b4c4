/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "managed-group.h"
#include "record.h"

/*
 * What calls have asked for and what outranks `Type=` of rules while it lasts: until the members change,
 * another call comes, or reboot. Kept in memory and, for a restart of the daemon, in /run/iommu-policy/call.
 */
typedef struct CallStore CallStore;

/* Loads what an earlier daemon left; what is of another boot or cannot be read is told in DIAGNOSTICS (array
 * of char *) and removed. Returns 0 with *ret owned by the caller, or -errno. */
int call_store_new(int root_fd, GPtrArray *diagnostics, CallStore **ret);

/* What a call wants for GROUP, borrowed; NULL for nothing. A call whose members are not those of GROUP any
 * more is dropped. */
const CallRecord *call_store_find(CallStore *store, const ManagedGroup *group);

/* Keeps TYPE for GROUP, asked for by ORIGIN ("call:uid=0"); REASON may be NULL. Returns 0 or -errno of
 * writing. */
int call_store_put(CallStore *store, const ManagedGroup *group, DomainType type, const char *origin,
                   const char *reason);

/* Forgets what a call wants for the group with the first member KEY; none is no error. Returns 0 or -errno.
 */
int call_store_drop(CallStore *store, const char *key);

CallStore *call_store_free(CallStore *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CallStore, call_store_free)
