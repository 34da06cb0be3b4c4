/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "iommu-policy-names.h"
#include "kernel-config.h"
#include "sysfs.h"

static int open_file(int root_fd, const char *path, FILE **ret)
{
    int fd = openat(root_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    FILE *file;

    if (fd < 0)
        return -errno;
    file = fdopen(fd, "re");
    if (!file) {
        int r = -errno;

        (void) safe_close(fd);
        return r;
    }
    *ret = file;
    return 0;
}

static int open_config(int root_fd, FILE **ret)
{
    g_autofree char *release = NULL, *path = NULL;
    int r;

    r = sysfs_read(root_fd, "proc/sys/kernel/osrelease", &release);
    if (r < 0)
        return r;
    path = g_strdup_printf("boot/config-%s", release);
    r = open_file(root_fd, path, ret);
    return r == -ENOENT ? open_file(root_fd, IOMMU_POLICY_KERNEL_CONFIG, ret) : r;
}

int kernel_config_find(int root_fd, const char *prefix, char **ret)
{
    g_autoptr(FILE) file = NULL;
    bool any = false;
    char line[256];
    int r;

    r = open_config(root_fd, &file);
    if (r < 0)
        return r;
    while (fgets(line, sizeof(line), file)) {
        any = any || strstr(line, "CONFIG_");
        if (g_str_has_prefix(line, prefix)) {
            *ret = g_strndup(line, strcspn(line, "\n"));
            return 0;
        }
    }
    if (ferror(file))
        return -EIO;
    return any ? -ENXIO : -ENOENT;
}
