/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-event.h>

/*
 * Tells of writes to the `type` files of groups. The kernel sends no event when a type changes
 * (drivers/iommu/iommu.c has no kobject_uevent), but inotify sees the write(2) of anybody, our own workers
 * included.
 */
typedef struct TypeWatch TypeWatch;

typedef void (*TypeWatchCallback)(unsigned group, void *userdata);

/* Returns 0 with *ret owned by the caller, or -errno. */
int type_watch_new(sd_event *event, int root_fd, TypeWatchCallback callback, void *userdata,
                   TypeWatch **ret);

/* Begins to watch GROUP; once is enough. The watch ends by itself when the group goes away. Returns 0 or
 * -errno. */
int type_watch_add(TypeWatch *watch, unsigned group);

TypeWatch *type_watch_free(TypeWatch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TypeWatch, type_watch_free)
