/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "type-watch.h"

#include <sys/inotify.h>

#include "file-watch.h"

struct TypeWatch {
    int root_fd;
    FileWatch *files;
    TypeWatchCallback callback;
    void *userdata;
};

static void on_written(void *file, uint32_t mask, void *userdata)
{
    const TypeWatch *watch = userdata;

    watch->callback(GPOINTER_TO_UINT(file), watch->userdata);
}

int type_watch_new(sd_event *event, int root_fd, TypeWatchCallback callback, void *userdata, TypeWatch **ret)
{
    g_autoptr(TypeWatch) watch = g_new0(TypeWatch, 1);
    int r;

    watch->root_fd = root_fd;
    watch->callback = callback;
    watch->userdata = userdata;
    r = file_watch_new(event, SD_EVENT_PRIORITY_NORMAL, on_written, watch, &watch->files);
    if (r < 0)
        return r;
    *ret = g_steal_pointer(&watch);
    return 0;
}

int type_watch_add(TypeWatch *watch, unsigned group)
{
    char path[64];
    int r;

    g_snprintf(path, sizeof path, "sys/kernel/iommu_groups/%u/type", group);
    r = file_watch_add(watch->files, watch->root_fd, path, IN_MODIFY, GUINT_TO_POINTER(group));
    return r < 0 ? r : 0;
}

TypeWatch *type_watch_free(TypeWatch *watch)
{
    if (!watch)
        return NULL;
    watch->files = file_watch_free(watch->files);
    g_free(watch);
    return NULL;
}
