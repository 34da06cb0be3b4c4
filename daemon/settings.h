/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "transaction.h"

/* What /etc/iommu-policy/daemon.conf sets, section [Daemon]. docs and units/daemon.conf name the same keys.
 */
typedef struct Settings {
    uint64_t settle_usec; /* SettleSec=: how long a device must have been without a use before a rule unbinds
                             it */
    ChangeLimits limits;  /* UnbindTimeoutSec= TypeTimeoutSec= BindTimeoutSec= ProbeSec= */
} Settings;

/* Fills SETTINGS with what holds without a file. */
void settings_set_defaults(Settings *settings);

/*
 * Reads the file below ROOT_FD over SETTINGS, which the caller has filled. A key or value that cannot be
 * used is appended to DIAGNOSTICS and leaves what was there. An absent file is no error. Returns 0 or -errno
 * of reading.
 */
int settings_load(int root_fd, Settings *settings, GPtrArray *diagnostics);
