/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-event.h>

/*
 * Tells that a mount or a swap area has come or gone, for those who wait for the end of a use. What is
 * mounted in other mount namespaces only is not told. proc_pid_mountinfo(5); mm/swapfile.c, swaps_poll().
 */
typedef struct MountWatch MountWatch;

typedef void (*MountWatchCallback)(void *userdata);

/* Returns 0 with *ret owned by the caller, or -errno: -ENOENT or -EPERM where /proc is not
 * the kernel's. */
int mount_watch_new(sd_event *event, int root_fd, MountWatchCallback callback, void *userdata,
                    MountWatch **ret);

MountWatch *mount_watch_free(MountWatch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MountWatch, mount_watch_free)
