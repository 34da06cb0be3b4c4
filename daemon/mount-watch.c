/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mount-watch.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>

#include "cleanup.h"

static const char *const files[] = { "proc/self/mountinfo", "proc/swaps" };

struct MountWatch {
    int fds[G_N_ELEMENTS(files)];
    sd_event_source *sources[G_N_ELEMENTS(files)];
    MountWatchCallback callback;
    void *userdata;
};

/* Mounts come in storms, and each look at who uses what is a walk over all processes. */
#define STORM_USEC (10 * G_GUINT64_CONSTANT(1000000))
#define STORM_LOOKS 5

/* Polling itself marks the change as seen: fs/proc_namespace.c, mounts_poll(). */
static int on_change(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    MountWatch *watch = userdata;

    watch->callback(watch->userdata);
    return 0;
}

int mount_watch_new(sd_event *event, int root_fd, MountWatchCallback callback, void *userdata,
                    MountWatch **ret)
{
    g_autoptr(MountWatch) watch = g_new0(MountWatch, 1);
    int r;

    for (unsigned i = 0; i < G_N_ELEMENTS(files); i++)
        watch->fds[i] = -EBADF;
    watch->callback = callback;
    watch->userdata = userdata;
    for (unsigned i = 0; i < G_N_ELEMENTS(files); i++) {
        watch->fds[i] = openat(root_fd, files[i], O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (watch->fds[i] < 0)
            return -errno;
        r = sd_event_add_io(event, &watch->sources[i], watch->fds[i], EPOLLPRI, on_change, watch);
        if (r >= 0)
            r = sd_event_source_set_ratelimit(watch->sources[i], STORM_USEC, STORM_LOOKS);
        if (r < 0)
            return r;
    }
    *ret = g_steal_pointer(&watch);
    return 0;
}

MountWatch *mount_watch_free(MountWatch *watch)
{
    if (!watch)
        return NULL;
    for (unsigned i = 0; i < G_N_ELEMENTS(files); i++) {
        CLEAR_SOURCE(watch->sources[i]);
        (void) safe_close(watch->fds[i]);
    }
    g_free(watch);
    return NULL;
}
