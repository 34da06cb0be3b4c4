/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libudev.h>
#include <stdbool.h>

#include "device.h"
#include "device-watch.h"

/*
 * What udev knows of a device and of the interfaces and disks below it. With FULL false only its name for
 * people is taken: most machines have no rule that asks for more, and a thousand devices with all their
 * properties are megabytes.
 */

/* Takes what the database says of the device at SYSPATH. Returns false if udev has not processed it: nothing
 * is changed. */
bool udev_facts_look_up(DeviceWatch *watch, const char *syspath, bool full, Device *device);

/* The same from an event. */
void udev_facts_take(struct udev_device *udev, bool full, Device *device);
