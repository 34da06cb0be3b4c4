/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* The device that a path leads to, as somebody else has named it: a loop device's backing file, a target's
 * device_path. It is known by the number of its node; the text proves nothing. */
typedef struct DeviceNode {
    bool block; /* else a character device */
    dev_t number;
} DeviceNode;

/*
 * Looks at the node that PATH ("/dev/disk/by-id/nvme-X") leads to, links followed, without opening it. A
 * file system is not asked for what it has cached (AT_STATX_DONT_SYNC, statx(2)).
 *
 * Returns 0 with *ret; -ENOTBLK if PATH is there but no device; -EINVAL if it is not absolute; -errno, with
 * -ENOENT if there is nothing.
 */
int device_node_find(int root_fd, const char *path, DeviceNode *ret);

/* Returns the name that a node has or would have at the end of the links of PATH ("nvme0n1"), also if it is
 * not there. The caller frees it. */
char *device_node_name(int root_fd, const char *path);
