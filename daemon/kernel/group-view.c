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
    g_free(view->name);
    g_free(view->key);
    g_free(view);
}

int group_view_read(int root_fd, unsigned id, GroupView **ret)
{
    return group_view_read_opened(root_fd, id, -EBADF, ret);
}

int group_view_read_opened(int root_fd, unsigned id, int type_fd, GroupView **ret)
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
    r = type_fd < 0 ? group_read_type(root_fd, id, &view->type) : group_read_open_type(type_fd, &view->type);
    if (r == -EBADMSG)
        view->type = DOMAIN_TYPE_UNKNOWN;
    else if (r < 0)
        return r;
    r = domain_type_is_switchable(view->type) ? 0 : group_read_name(root_fd, id, &view->name);
    if (r < 0 && r != -ENOENT)
        return r;
    if (view->devices->len > 0) {
        const Device *first = g_ptr_array_index(view->devices, 0);

        view->key = record_key(first->facts->bus, first->facts->name);
    }
    *ret = g_steal_pointer(&view);
    return 0;
}

char *group_view_unsupported(const GroupView *view)
{
    const Device *first = view->devices->len > 0 ? view->devices->pdata[0] : NULL;

    return group_explain_unsupported(view->type, view->name, first ? first->facts->iommu : NULL);
}

static bool device_is_current(int root_fd, const char *syspath, const Device *device)
{
    uint64_t inode;

    return g_str_has_suffix(syspath, device->facts->path) && sysfs_inode(root_fd, syspath, &inode) >= 0 &&
           inode == device->inode;
}

bool group_view_is_current(int root_fd, int type_fd, const GroupView *view)
{
    g_auto(GStrv) paths = NULL;
    DomainType type;

    if (group_list_members(root_fd, view->id, &paths) < 0 || g_strv_length(paths) != view->devices->len)
        return false;
    for (guint i = 0; i < view->devices->len; i++)
        if (!device_is_current(root_fd, paths[i], view->devices->pdata[i]))
            return false;
    return group_read_open_type(type_fd, &type) >= 0 && type == view->type;
}
