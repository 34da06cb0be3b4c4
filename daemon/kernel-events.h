/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Waiting for the kernel's own device events (netlink KOBJECT_UEVENT, group 1), in a worker that has no
 * loop. Events only wake: what has happened is read from sysfs, so that a lost or a foreign event does no
 * harm.
 */

/* The buses whose devices can be in an IOMMU group; ends with NULL. */
extern const char *const kernel_events_buses[];

/* Returns a socket that receives all kernel events from now on, or -errno. The caller closes it. */
int kernel_events_open(void);

/*
 * Waits until an event about SYSPATH ("sys/devices/...") or something below it has come, or DEADLINE
 * (CLOCK_MONOTONIC, µs) has passed. FD may be negative: then only the deadline ends it. Returns 0: look
 * again; -ETIMEDOUT; -errno.
 */
int kernel_events_wait(int fd, const char *syspath, uint64_t deadline);

/*
 * Returns a socket that receives the kernel's events of added things and no others, or -errno. Reading it
 * blocks; where several processes read, each event goes to one of them (an exclusive wait:
 * net/core/datagram.c, __skb_wait_for_more_packets()). The caller closes it.
 */
int kernel_events_open_adds(void);

/*
 * Blocking. Waits for the next device that is added to one of those buses, with *ret_syspath
 * ("sys/devices/...", the caller frees it). What somebody has only asked the kernel to tell again (`udevadm
 * trigger`) is passed over. Returns 0; -ENOBUFS: events were lost; -errno.
 */
int kernel_events_next_add(int fd, char **ret_syspath);

/* Whether MESSAGE of SIZE bytes is such an event; *ret_devpath points into it. The kernel
 * marks an event that was asked for with SYNTH_UUID= (Documentation/ABI/testing/sysfs-uevent). */
bool kernel_events_parse_add(const char *message, size_t size, const char **ret_devpath);
