/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <libudev.h>
#include <stdbool.h>

#include "device.h"

/*
 * What udev knows of a device and of the interfaces and disks below it. With FULL false only its name for
 * people is taken: most machines have no rule that asks for more, and a thousand devices with all their
 * properties are megabytes.
 */

/* Takes what UDEV, which its database must know (udev_device_get_is_initialized()), says of DEVICE. */
void udev_facts_take(struct udev_device *udev, bool full, Device *device);

/*
 * The same from udev's database, for a device of which no event has come. Never reads the device's `uevent`: since
 * Linux 6.10 that waits for the device's lock, which an unbind that hangs holds (drivers/base/core.c, uevent_show()).
 * What the kernel puts there is known otherwise. Returns 0; -ENOENT: udev has not processed it; -errno.
 */
int udev_facts_read(int root_fd, bool full, Device *device);
