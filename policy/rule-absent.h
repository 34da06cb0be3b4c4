/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "facts.h"
#include "rule.h"

/* One name in a rule that no device has: a device has moved, is gone, or was never here. */
typedef struct AbsentName {
    char *text;      /* as the file has it: "Address=0000:3b:00.0" */
    bool place;      /* Address or Path, one device each; else Id, which a file for many hosts may list */
} AbsentName;

/*
 * The exact names in RULE, one for each Address= and Path= and one for each Id=, that none of the DEVICES
 * has, or none that has the section's other exact names as well. Globs and negated lists name nothing, nor
 * does a section that is for another HOST. Returns an array of AbsentName, which the caller frees.
 */
GPtrArray *rule_absent(const Rule *rule, const HostFacts *host, const DeviceFacts *const *devices,
                       size_t n_devices);
