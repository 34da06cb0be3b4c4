/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nvme-controller.h"

#include <errno.h>
#include <string.h>

#include "sysfs.h"

#define SUBSYSTEMS "sys/class/nvme-subsystem"

void nvme_controller_free(NvmeController *controller)
{
    if (!controller)
        return;
    g_free(controller->name);
    g_free(controller->subsystem);
    g_free(controller);
}

static bool is_below(const char *path, const char *syspath)
{
    size_t length = strlen(syspath);

    return strncmp(path, syspath, length) == 0 && path[length] == '/';
}

/* Appends the controllers of SUBSYSTEM, a directory without links in its path, that are below SYSPATH. */
static int read_subsystem(int root_fd, const char *subsystem, const char *syspath, GPtrArray *controllers)
{
    g_auto(GStrv) entries = NULL;
    unsigned all = 0, first = controllers->len;
    uint64_t inode;
    int r;

    r = sysfs_inode(root_fd, subsystem, &inode);
    if (r >= 0)
        r = sysfs_list(root_fd, subsystem, &entries);
    if (r < 0)
        return r == -ENOENT ? 0 : r; /* gone since it was listed */
    for (char **entry = entries; *entry; entry++) {
        g_autofree char *path = g_build_filename(subsystem, *entry, NULL);
        g_autofree char *target = NULL;
        NvmeController *controller;

        /* Beside them: disks with multipath, directories, and "subsystem", a link out of the devices. */
        if (sysfs_link_target(root_fd, path, &target) < 0 || !g_str_has_prefix(target, "sys/devices/"))
            continue;
        all++;
        if (!is_below(target, syspath))
            continue;
        controller = g_new0(NvmeController, 1);
        controller->name = g_strdup(*entry);
        controller->subsystem = g_strdup(subsystem);
        controller->inode = inode;
        g_ptr_array_add(controllers, controller);
    }
    for (guint i = first; i < controllers->len; i++)
        ((NvmeController *) g_ptr_array_index(controllers, i))->alone = all == controllers->len - first;
    return 0;
}

int nvme_controllers_read(int root_fd, const char *syspath, GPtrArray **ret)
{
    g_autoptr(GPtrArray) controllers = g_ptr_array_new_with_free_func((GDestroyNotify) nvme_controller_free);
    g_auto(GStrv) names = NULL;
    int r;

    r = sysfs_list(root_fd, SUBSYSTEMS, &names);
    if (r < 0 && r != -ENOENT)
        return r;
    for (char **name = names; name && *name; name++) {
        g_autofree char *link = g_build_filename(SUBSYSTEMS, *name, NULL);
        g_autofree char *subsystem = NULL;

        r = sysfs_link_target(root_fd, link, &subsystem);
        if (r >= 0)
            r = read_subsystem(root_fd, subsystem, syspath, controllers);
        if (r < 0 && r != -ENOENT)
            return r;
    }
    *ret = g_steal_pointer(&controllers);
    return 0;
}

bool nvme_controller_is_alive(int root_fd, const NvmeController *controller)
{
    g_autofree char *link = g_build_filename(controller->subsystem, controller->name, NULL);
    uint64_t inode;

    if (sysfs_inode(root_fd, controller->subsystem, &inode) < 0 || inode != controller->inode)
        return false;
    return controller->alone || sysfs_inode(root_fd, link, &inode) >= 0;
}
