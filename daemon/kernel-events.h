/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

/*
 * Waiting for the kernel's own device events (netlink KOBJECT_UEVENT, group 1), in a worker that has no
 * loop. Events only wake: what has happened is read from sysfs, so that a lost or a foreign event does no
 * harm.
 */

/* Returns a socket that receives all kernel events from now on, or -errno. The caller closes it. */
int kernel_events_open(void);

/*
 * Waits until an event about SYSPATH ("sys/devices/...") or something below it has come, or DEADLINE
 * (CLOCK_MONOTONIC, µs) has passed. FD may be negative: then only the deadline ends it. Returns 0: look
 * again; -ETIMEDOUT; -errno.
 */
int kernel_events_wait(int fd, const char *syspath, uint64_t deadline);
