/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

/*
 * Reads what udev keeps about a device node: the properties ("E:" lines) of run/udev/data/bMAJOR:MINOR or
 * cMAJOR:MINOR (the format of systemd's device database, sd-device/device-private.c).
 *
 * Returns 0 with a table char* -> char* that the caller unrefs; -ENOENT if udev has not processed the
 * device; -errno of reading.
 */
int udev_data_read(int root_fd, bool block, dev_t number, GHashTable **ret);
