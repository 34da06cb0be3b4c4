/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "type-watch.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "cleanup.h"

struct TypeWatch {
    int root_fd;
    int inotify_fd;
    sd_event_source *source;
    GHashTable *groups; /* watch descriptor -> group */
    TypeWatchCallback callback;
    void *userdata;
};

static void tell_all(TypeWatch *watch)
{
    GHashTableIter iter;
    gpointer group;

    g_hash_table_iter_init(&iter, watch->groups);
    while (g_hash_table_iter_next(&iter, NULL, &group))
        watch->callback(GPOINTER_TO_UINT(group), watch->userdata);
}

static void dispatch(TypeWatch *watch, const struct inotify_event *event)
{
    gpointer group;

    if (event->mask & IN_Q_OVERFLOW)
        tell_all(watch);
    else if (event->mask & IN_IGNORED)
        g_hash_table_remove(watch->groups, GINT_TO_POINTER(event->wd));
    else if (g_hash_table_lookup_extended(watch->groups, GINT_TO_POINTER(event->wd), NULL, &group))
        watch->callback(GPOINTER_TO_UINT(group), watch->userdata);
}

static int on_readable(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t size = read(fd, buffer, sizeof buffer);

    for (ssize_t at = 0; at < size;) {
        const struct inotify_event *event = (const struct inotify_event *) (buffer + at);

        dispatch(userdata, event);
        at += sizeof *event + event->len;
    }
    return 0;
}

int type_watch_new(sd_event *event, int root_fd, TypeWatchCallback callback, void *userdata, TypeWatch **ret)
{
    g_autoptr(TypeWatch) watch = g_new0(TypeWatch, 1);
    int r;

    watch->root_fd = root_fd;
    watch->callback = callback;
    watch->userdata = userdata;
    watch->groups = g_hash_table_new(NULL, NULL);
    watch->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (watch->inotify_fd < 0)
        return -errno;
    r = sd_event_add_io(event, &watch->source, watch->inotify_fd, EPOLLIN, on_readable, watch);
    if (r < 0)
        return r;
    *ret = g_steal_pointer(&watch);
    return 0;
}

int type_watch_add(TypeWatch *watch, unsigned group)
{
    char path[64];
    _cleanup_close_ int fd = -EBADF;
    int wd;

    g_snprintf(path, sizeof path, "sys/kernel/iommu_groups/%u/type", group);
    fd = openat(watch->root_fd, path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    g_snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    wd = inotify_add_watch(watch->inotify_fd, path, IN_MODIFY);
    if (wd < 0)
        return -errno;
    g_hash_table_insert(watch->groups, GINT_TO_POINTER(wd), GUINT_TO_POINTER(group));
    return 0;
}

TypeWatch *type_watch_free(TypeWatch *watch)
{
    if (!watch)
        return NULL;
    CLEAR_SOURCE(watch->source);
    (void) safe_close(watch->inotify_fd);
    g_hash_table_unref(watch->groups);
    g_free(watch);
    return NULL;
}
