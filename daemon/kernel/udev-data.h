/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * Reads what udev keeps about the device ID: the properties ("E:" lines) of run/udev/data/ID, which is "bMAJOR:MINOR"
 * or "cMAJOR:MINOR" of a device node, "+SUBSYSTEM:NAME" of a device without one (the format of systemd's device
 * database, sd-device/device-private.c). Unlike libudev it does not read `uevent`, which can block.
 *
 * Returns 0 with a table char* -> char* that the caller unrefs; -ENOENT if udev has not processed the
 * device; -errno of reading.
 */
int udev_data_read(int root_fd, const char *id, GHashTable **ret);
