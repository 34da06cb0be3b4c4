/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-event.h>

#include "domain-type.h"

/*
 * Reads `type` and `reserved_regions` of groups, in a worker: both can block behind a long attach. A group
 * whose file does not answer in time is told as such and the others are read by another worker.
 */
typedef struct Scanner Scanner;

typedef struct ScannedGroup {
    unsigned id;
    int error; /* 0; -errno of the read; -ETIMEDOUT: no answer in time; -EBUSY: somebody changes it just now
                */
    DomainType type;  /* with error 0 */
    const char *name; /* with error 0; "": it has none */
    const char *const *pasid; /* with error 0: SYSPATHs of members that have PASID, as far as it was asked */
    GArray *reserved; /* ReservedRegion, with error 0; borrowed */
} ScannedGroup;

/* Called once for each group asked for, if it still exists or not. */
typedef void (*ScannerCallback)(const ScannedGroup *group, void *userdata);

Scanner *scanner_new(sd_event *event, int root_fd, ScannerCallback callback, void *userdata);

/* Asks for the groups IDS (GArray of unsigned). Those that are being read now are read once more after that.
 */
void scanner_read(Scanner *scanner, const GArray *ids);

Scanner *scanner_free(Scanner *scanner);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Scanner, scanner_free)
