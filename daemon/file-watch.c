/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "file-watch.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "cleanup.h"

struct FileWatch {
    int fd;
    sd_event_source *source;
    GHashTable *files; /* watch descriptor -> file */
    FileWatchCallback callback;
    void *userdata;
};

static void tell(const FileWatch *watch, void *number, uint32_t mask)
{
    void *file;

    if (g_hash_table_lookup_extended(watch->files, number, NULL, &file))
        watch->callback(file, mask, watch->userdata);
}

/* From a copy, as what is told may add and remove watches. */
static void tell_all(const FileWatch *watch)
{
    g_autoptr(GList) numbers = g_hash_table_get_keys(watch->files);

    for (const GList *number = numbers; number; number = number->next)
        tell(watch, number->data, IN_Q_OVERFLOW);
}

static void dispatch(const FileWatch *watch, const struct inotify_event *event)
{
    if (event->mask & IN_Q_OVERFLOW)
        tell_all(watch);
    else if (event->mask & IN_IGNORED)
        g_hash_table_remove(watch->files, GINT_TO_POINTER(event->wd));
    else
        tell(watch, GINT_TO_POINTER(event->wd), event->mask);
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

int file_watch_new(sd_event *event, int64_t priority, FileWatchCallback callback, void *userdata,
                   FileWatch **ret)
{
    g_autoptr(FileWatch) watch = g_new0(FileWatch, 1);
    int r;

    watch->callback = callback;
    watch->userdata = userdata;
    watch->files = g_hash_table_new(NULL, NULL);
    watch->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (watch->fd < 0)
        return -errno;
    r = sd_event_add_io(event, &watch->source, watch->fd, EPOLLIN, on_readable, watch);
    if (r >= 0)
        r = sd_event_source_set_priority(watch->source, priority);
    if (r < 0)
        return r;
    *ret = g_steal_pointer(&watch);
    return 0;
}

int file_watch_add(FileWatch *watch, int dir_fd, const char *path, uint32_t mask, void *file)
{
    _cleanup_close_ int fd = openat(dir_fd, path, O_PATH | O_CLOEXEC);
    char opened[64];
    int number;

    if (fd < 0)
        return -errno;
    g_snprintf(opened, sizeof opened, "/proc/self/fd/%d", fd);
    number = inotify_add_watch(watch->fd, opened, mask);
    if (number < 0)
        return -errno;
    g_hash_table_insert(watch->files, GINT_TO_POINTER(number), file);
    return number;
}

void file_watch_remove(FileWatch *watch, int number)
{
    if (g_hash_table_remove(watch->files, GINT_TO_POINTER(number)))
        (void) inotify_rm_watch(watch->fd, number);
}

FileWatch *file_watch_free(FileWatch *watch)
{
    if (!watch)
        return NULL;
    CLEAR_SOURCE(watch->source);
    (void) safe_close(watch->fd);
    g_hash_table_unref(watch->files);
    g_free(watch);
    return NULL;
}
