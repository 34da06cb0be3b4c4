/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "client.h"

/* What a person types to name a group: its number, or anything that leads to one of its devices. */

typedef enum TargetKind {
    TARGET_GROUP,  /* a number */
    TARGET_DEVICE, /* PCI address, bus:name, interface, /dev node, sysfs path, mount point: the daemon knows
                      which */
    TARGET_INVALID,
} TargetKind;

/*
 * Tells what TEXT is. For a number *ret_group is set; otherwise *ret_name, what to ask the daemon for (the
 * caller frees): TEXT itself, but a PCI address without its domain, as lspci prints it, gets domain 0000.
 */
TargetKind target_parse(const char *text, guint32 *ret_group, char **ret_name);

/* Object path of the group that TEXT names: 0 with *ret_path (the caller frees); -errno. */
int target_find_group(Client *client, const char *text, char **ret_path);

/* Object paths of the devices that TEXT names, NULL-terminated: all members of a group, or the one device. 0
 * with *ret_paths (free with g_strfreev()); -errno. */
int target_find_devices(Client *client, const char *text, char ***ret_paths);
