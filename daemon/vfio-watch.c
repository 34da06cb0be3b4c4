/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vfio-watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "cleanup.h"

struct VfioWatch {
    int root_fd;
    int inotify_fd;
    sd_event_source *source;
    VfioWatchCallback callback;
    void *userdata;
};

/* Each look at who uses what is a walk over all processes; what comes meanwhile stays in the queue. */
#define STORM_USEC (10 * G_GUINT64_CONSTANT(1000000))
#define STORM_LOOKS 5

static bool tells(const struct inotify_event *event)
{
    if (event->mask & IN_Q_OVERFLOW)
        return true;
    /* Of the folders themselves there is no name. */
    return event->mask & IN_CLOSE && event->len > 0 && strcmp(event->name, "vfio") != 0;
}

static int on_readable(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    VfioWatch *watch = userdata;
    bool told = false;
    ssize_t size;

    while ((size = read(fd, buffer, sizeof buffer)) > 0) {
        for (ssize_t at = 0; at < size;) {
            const struct inotify_event *event = (const struct inotify_event *) (buffer + at);

            told |= tells(event);
            at += sizeof *event + event->len;
        }
    }
    if (told)
        watch->callback(watch->userdata);
    return 0;
}

int vfio_watch_new(sd_event *event, int root_fd, VfioWatchCallback callback, void *userdata, VfioWatch **ret)
{
    g_autoptr(VfioWatch) watch = g_new0(VfioWatch, 1);
    int r;

    watch->root_fd = root_fd;
    watch->callback = callback;
    watch->userdata = userdata;
    watch->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (watch->inotify_fd < 0)
        return -errno;
    r = sd_event_add_io(event, &watch->source, watch->inotify_fd, EPOLLIN, on_readable, watch);
    if (r >= 0)
        r = sd_event_source_set_ratelimit(watch->source, STORM_USEC, STORM_LOOKS);
    if (r < 0)
        return r;
    *ret = g_steal_pointer(&watch);
    return 0;
}

/* The folder, not its nodes: a watch on a node asks whether the node may be opened, and the unit's
 * DevicePolicy= says no (fs/namei.c, inode_permission()). */
static void watch_folder(const VfioWatch *watch, const char *name)
{
    char path[64];
    _cleanup_close_ int fd = openat(watch->root_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return;
    g_snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    (void) inotify_add_watch(watch->inotify_fd, path, IN_CLOSE | IN_ONLYDIR);
}

void vfio_watch_look(VfioWatch *watch)
{
    watch_folder(watch, "dev/vfio");
    watch_folder(watch, "dev/vfio/devices");
}

VfioWatch *vfio_watch_free(VfioWatch *watch)
{
    if (!watch)
        return NULL;
    CLEAR_SOURCE(watch->source);
    (void) safe_close(watch->inotify_fd);
    g_free(watch);
    return NULL;
}
