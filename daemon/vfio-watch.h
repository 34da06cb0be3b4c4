/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-event.h>

/*
 * Tells that a program has let go of a VFIO group or device, for those who wait for the end of that use: the
 * last close of an open of a node in /dev/vfio or /dev/vfio/devices, seen by inotify(7) in those folders. A
 * device that was got through its group keeps the group open (drivers/vfio/container.c,
 * vfio_device_group_use_container()), and so do memory mapped from it and KVM: what is told is the end of
 * them all. The kernel lets go of the device just after that, which takes as long as the device's reset.
 *
 * Not told: the end of a device that was got through a group with iommufd in place of a container, if the
 * group was closed before it. Not listened to: /dev/vfio/vfio, the container, which any user may open, and
 * which owns nothing by itself.
 */
typedef struct VfioWatch VfioWatch;

typedef void (*VfioWatchCallback)(void *userdata);

/* Returns 0 with *ret owned by the caller, or -errno. */
int vfio_watch_new(sd_event *event, int root_fd, VfioWatchCallback callback, void *userdata,
                   VfioWatch **ret);

/* Watches those of the two folders that are there: they come with the first group and the first device under
 * a VFIO driver. To be called whenever somebody begins to wait; watching twice is once. */
void vfio_watch_look(VfioWatch *watch);

VfioWatch *vfio_watch_free(VfioWatch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfioWatch, vfio_watch_free)
