/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#include "mount-table.h"

typedef struct BlockDevice {
    char *name;    /* "dm-0" */
    char *title;   /* what people call it: "vg0-srv" of a device mapper device, else the name */
    char *parent;  /* the disk, if this is a partition, or NULL */
    char *backing; /* of a loop device and of a zram device with write-back: the path it is backed by, or
                      NULL */
    dev_t lower;   /* the block device at `backing`; 0: none, a file */
    dev_t number;
} BlockDevice;

typedef struct BtrfsDevices {
    char *uuid;
    char **names; /* block devices of a mounted btrfs: "nvme0n1p2" */
} BtrfsDevices;

/* All block devices of the system and who uses which: swap, resume, loop devices and file systems of several
 * devices. Nothing is opened. */
typedef struct BlockTable {
    GPtrArray *devices; /* BlockDevice */
    GPtrArray *btrfs;   /* BtrfsDevices */
    GArray *swaps;      /* dev_t of swap devices in use; swap on a file lies on a mounted file system */
    dev_t resume;       /* 0: none */
    char *unread;       /* what could not be read ("/proc/swaps: Permission denied"), or NULL */
} BlockTable;

/* Reads the table; gaps are told in `unread`. */
BlockTable *block_table_read(int root_fd);

void block_table_free(BlockTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BlockTable, block_table_free)

/* Returns the device, or NULL. */
const BlockDevice *block_table_find(const BlockTable *table, const char *name);

/* Finds the number of the block device that PATH ("/dev/mapper/vg0-srv", "/dev/disk/by-id/...") names, by
 * the node's status or, where the node is not there, by name. Returns false if it is none. */
bool block_table_resolve(const BlockTable *table, int root_fd, const char *path, dev_t *ret);

/* Returns the devices stacked on NAME: its holders in sysfs; loop devices and zram devices backed by it,
 * which are nobody's holders. List of borrowed BlockDevice; NULL if holders cannot be read. */
GPtrArray *block_table_holders(const BlockTable *table, int root_fd, const char *name);

/* Returns the partitions of DISK: list of borrowed BlockDevice. */
GPtrArray *block_table_partitions(const BlockTable *table, const char *disk);

/* Returns the btrfs that NAME is part of, or NULL. */
const BtrfsDevices *block_table_find_btrfs(const BlockTable *table, const char *name);

/* True if MOUNT is on the device NAME with NUMBER. */
bool block_table_mount_is_on(const BlockTable *table, int root_fd, const Mount *mount, const char *name,
                             dev_t number);
