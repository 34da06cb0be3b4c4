/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

/* One mount of a file system that may lie on a block device. */
typedef struct Mount {
    dev_t number; /* as mountinfo says; its major is 0 for btrfs, overlay, ZFS: no device of their own */
    char *source; /* "/dev/nvme0n1p1", as its mounter named it */
    char *target;
    char *type;   /* "ext4" */
    pid_t pid;    /* a process that sees it */
    bool of_init; /* process 1 sees it */
} Mount;

/* One mount of a file system on another machine, which its option addr= names (NFS, CIFS). */
typedef struct NetworkMount {
    char *address; /* "192.0.2.1" */
    char *target;
} NetworkMount;

/* Mounts of all mount namespaces that have a process. What is mounted nowhere any more (lazy unmount) is
 * seen by claims only. */
typedef struct MountTable {
    GPtrArray *mounts;     /* Mount; each device and mount point once, those of process 1 first */
    GPtrArray *network;    /* NetworkMount; each address and mount point once */
    unsigned n_unreadable; /* processes whose namespace could not be read */
    int error;             /* the first -errno of those */
} MountTable;

/*
 * Reads proc/PID/mountinfo once for each mount namespace and root directory (a chroot hides what lies
 * outside of it, see proc(5)). Returns 0 with *ret (n_unreadable tells of gaps), or -errno if the list of
 * processes or the mounts of process 1 cannot be read.
 */
int mount_table_read(int root_fd, MountTable **ret);

void mount_table_free(MountTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MountTable, mount_table_free)
