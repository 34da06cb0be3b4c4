/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "device-node.h"
#include "sysfs.h"

/* As many as the kernel follows (include/linux/namei.h, MAXSYMLINKS). */
#define LINKS_MAX 40

int device_node_find(int root_fd, const char *path, DeviceNode *ret)
{
    struct statx st;

    if (*path != '/')
        return -EINVAL;
    if (statx(root_fd, path + 1, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE, &st) < 0)
        return -errno;
    if (!S_ISBLK(st.stx_mode) && !S_ISCHR(st.stx_mode))
        return -ENOTBLK;
    *ret = (DeviceNode){
        .block = S_ISBLK(st.stx_mode),
        .number = makedev(st.stx_rdev_major, st.stx_rdev_minor),
    };
    return 0;
}

char *device_node_name(int root_fd, const char *path)
{
    g_autofree char *at = g_strdup(path);

    for (unsigned i = 0; i < LINKS_MAX && *at == '/'; i++) {
        g_autofree char *text = NULL, *folder = g_path_get_dirname(at), *next = NULL;

        if (sysfs_read_link(root_fd, at + 1, &text) < 0)
            break;
        next = g_canonicalize_filename(text, folder);
        g_free(at);
        at = g_steal_pointer(&next);
    }
    return g_path_get_basename(at);
}
