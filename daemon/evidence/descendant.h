/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

/* A device of any kind below a member: its disk, network interface, SCSI host, ... */
typedef struct Descendant {
    char *path;       /* "sys/devices/..." */
    const char *name; /* last component, within PATH */
    char *subsystem;  /* name of its bus or class; NULL: none */
    char *driver;     /* bound to it, or NULL */
    dev_t number;     /* of its node, 0: none (a hidden disk has none) */
    bool partition;
    char **consumers; /* its links to devices that need it: "consumer:pci:0000:00:05.0"; NULL: none */
} Descendant;

/*
 * Lists all devices below SYSPATH, parents before children, without SYSPATH itself. Heads of NVMe multipath
 * disks, which lie below sys/devices/virtual/nvme-subsystem (drivers/nvme/host/multipath.c), are included
 * with their subsystem if one of its controllers is below SYSPATH. Does not block. Devices that vanish while
 * we look are left out. Returns 0 with a list that owns its Descendants; -ENODEV if SYSPATH is gone; -errno
 * of reading.
 */
int descendants_read(int root_fd, const char *syspath, GPtrArray **ret);

/* True if the device is a block device with a node. */
bool descendant_is_disk_node(const Descendant *descendant);

/* True if the descendant belongs to SUBSYSTEM. */
bool descendant_is(const Descendant *descendant, const char *subsystem);

/* True if one of DESCENDANTS belongs to SUBSYSTEM. */
bool descendants_have(const GPtrArray *descendants, const char *subsystem);
