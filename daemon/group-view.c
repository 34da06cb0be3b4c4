/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "group-view.h"

#include <errno.h>

#include "group.h"
#include "record.h"
#include "sysfs.h"

void group_view_free(GroupView *view)
{
    if (!view)
        return;
    g_clear_pointer(&view->devices, g_ptr_array_unref);
    g_free(view->key);
    g_free(view);
}

int group_view_read(int root_fd, unsigned id, GroupView **ret)
{
    g_autoptr(GroupView) view = g_new0(GroupView, 1);
    g_auto(GStrv) paths = NULL;
    int r;

    view->id = id;
    view->devices = g_ptr_array_new_with_free_func((GDestroyNotify) device_free);
    r = group_list_members(root_fd, id, &paths);
    if (r < 0)
        return r;
    for (char **path = paths; *path; path++) {
        Device *device;

        r = device_read(root_fd, *path, NULL, &device);
        if (r < 0)
            return r == -ENOENT ? -ENODEV : r;
        g_ptr_array_add(view->devices, device);
    }
    r = group_read_type(root_fd, id, &view->type);
    if (r == -EBADMSG)
        view->type = DOMAIN_TYPE_UNKNOWN;
    else if (r < 0)
        return r;
    if (view->devices->len > 0) {
        const Device *first = g_ptr_array_index(view->devices, 0);

        view->key = record_key(first->facts->bus, first->facts->name);
    }
    *ret = g_steal_pointer(&view);
    return 0;
}

static bool is_member(int root_fd, const char *path, const GPtrArray *members)
{
    uint64_t inode;

    for (guint i = 0; i < members->len; i++) {
        const ChangeMember *member = g_ptr_array_index(members, i);

        if (g_str_equal(member->syspath, path))
            return sysfs_inode(root_fd, path, &inode) >= 0 && inode == member->inode;
    }
    return false;
}

bool group_has_members(int root_fd, unsigned id, const GPtrArray *members)
{
    g_auto(GStrv) paths = NULL;

    if (group_list_members(root_fd, id, &paths) < 0 || g_strv_length(paths) != members->len)
        return false;
    for (char **path = paths; *path; path++)
        if (!is_member(root_fd, *path, members))
            return false;
    return true;
}
