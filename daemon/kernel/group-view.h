/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "device.h"
#include "domain-type.h"

/* One group with all its members, read at one moment. Reading `type` can block: workers only. */
typedef struct GroupView {
    unsigned id;
    DomainType type;     /* DOMAIN_TYPE_UNKNOWN also for a word we do not know */
    char *name;          /* NULL: it has none, as most, or its type can be changed, so that nobody asks */
    GPtrArray *devices;  /* Device, in the order of their sysfs paths */
    char *key;           /* of the first device: names lock and record; NULL for an empty group */
} GroupView;

/* Returns 0 with *ret; -ENOENT: no such group; -ENODEV: a member vanished while it was read; -errno. */
int group_view_read(int root_fd, unsigned id, GroupView **ret);

/* The same with the type that TYPE_FD shows, the opened `type` of that group, if it is not negative. */
int group_view_read_opened(int root_fd, unsigned id, int type_fd, GroupView **ret);

/* group_explain_unsupported() of VIEW; NULL: its type can be changed. The caller frees it. */
char *group_view_unsupported(const GroupView *view);

/* True if the group still has the members of VIEW, all of them and no other, and the type that TYPE_FD, its
 * opened `type`, shows. A driver that came meanwhile is not looked for: the kernel does that itself at the
 * write. Can block. */
bool group_view_is_current(int root_fd, int type_fd, const GroupView *view);
void group_view_free(GroupView *view);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GroupView, group_view_free)
