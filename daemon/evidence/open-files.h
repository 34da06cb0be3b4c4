/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

/*
 * Who has which device open, from one walk over /proc/PID/fd. Nothing is opened but /proc, and file systems
 * are not asked (AT_STATX_DONT_SYNC), so a dead NFS server does not hold the walk up. It needs
 * CAP_SYS_PTRACE (proc(5)).
 *
 * A descriptor made with O_PATH is left out: it is a name, no use of the device (open(2)).
 *
 * Devices registered with an io_uring count as open, if the ring is not busy while it is asked. Out of sight
 * are descriptors in flight over a socket, files registered with KVM alone, and those of a thread that has
 * left its process's table (unshare(CLONE_FILES)).
 */
typedef struct OpenFile {
    pid_t pid;
    bool is_device; /* then `number` and `block` are those of its node */
    bool block;
    bool locks_shared; /* holds a shared flock(2) on it, as udev does while it looks at a disk */
    dev_t number;
    char *link;    /* its text ("/dev/vfio/7", "anon_inode:[vfio-device]"); NULL for common devices */
    char *syspath; /* "sys/devices/...": what a VFIO descriptor is for, if the kernel tells; or NULL */
} OpenFile;

typedef struct OpenFiles {
    GPtrArray *files;      /* OpenFile */
    unsigned n_unreadable; /* processes whose descriptors could not be read */
    int error;             /* the first -errno of those */
} OpenFiles;

/* Walks. Returns 0 with *ret (n_unreadable tells of gaps), or -errno if the list of processes cannot be
 * read. */
int open_files_read(int root_fd, OpenFiles **ret);

void open_files_free(OpenFiles *files);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(OpenFiles, open_files_free)

/* Returns the processes that have the node NUMBER open, but EXCEPT (0: nobody): GArray of pid_t, perhaps
 * empty. */
GArray *open_files_holders(const OpenFiles *files, dev_t number, bool block, pid_t except);

/* Returns the processes that hold a shared lock on the block device NUMBER: GArray of pid_t. */
GArray *open_files_lockers(const OpenFiles *files, dev_t number);
