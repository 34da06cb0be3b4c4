/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * The devices that stand behind what a person calls them by: a path in /sys, a node in /dev, the name of a
 * network interface, or a mount point. Only links, names and /proc are read: a mount point is never touched,
 * its server may be gone.
 *
 * Returns 0 with *ret, paths "sys/devices/..." of the thing itself; for what lies on other block devices
 * (partitions, device mapper, md, NVMe with multipath) of all devices below it. NULL-terminated, never
 * empty; the caller frees it. -ENODEV: nothing of that name.
 */
int device_lookup(int root_fd, const char *name, char ***ret);
