/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raw-walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cleanup.h"

static size_t raw_read(int dir_fd, const char *name)
{
    char buffer[4096];
    _cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, buffer, sizeof(buffer));

    return n < 0 ? 0 : (size_t) n;
}

size_t raw_walk(int root_fd)
{
    static const char *const names[] = { "vendor", "device",   "subsystem_vendor", "subsystem_device",
                                         "class",  "modalias", "dma_mask_bits" };
    _cleanup_close_ int groups_fd =
        openat(root_fd, "sys/kernel/iommu_groups", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    g_autoptr(DIR) groups = fdopendir(dup(groups_fd));
    size_t n_devices = 0;

    for (struct dirent *group; (group = readdir(groups));) {
        g_autoptr(DIR) members = NULL;
        char path[PATH_MAX];
        int members_fd;

        if (group->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/devices", group->d_name);
        members_fd = openat(groups_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        members = fdopendir(members_fd);
        for (struct dirent *member; (member = readdir(members));) {
            _cleanup_close_ int fd = -EBADF;

            if (member->d_name[0] == '.')
                continue;
            fd = openat(members_fd, member->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
            for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
                if (raw_read(fd, names[i]) == 0)
                    abort();
            if (readlinkat(fd, "driver", path, sizeof(path)) <= 0 && errno != ENOENT)
                abort();
            n_devices++;
        }
    }
    return n_devices;
}
