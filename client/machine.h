/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <libudev.h>

#include "decision.h"
#include "device.h"
#include "host.h"

/* The groups and devices of a machine, read once and without the daemon, to try rules on them. */

typedef struct MachineGroup {
    unsigned id;
    DomainType type;    /* _DOMAIN_TYPE_INVALID: could not be read */
    char *unsupported;  /* why its type can never be changed, or NULL */
    GPtrArray *devices; /* Device */
} MachineGroup;

typedef struct Machine {
    Host *host;
    GPtrArray *groups; /* MachineGroup, by number */
} Machine;

/*
 * Reads what stands below ROOT_FD, and what udev knows of it: UDEV is NULL for the tree of another machine.
 * What vanishes meanwhile is left out. Returns 0 with *ret owned by the caller; -errno if the groups or the
 * kernel command line cannot be read.
 */
int machine_read(int root_fd, struct udev *udev, Machine **ret);

/* What RULES want for GROUP. What the kernel forces is known as far as the devices tell it; late keys are
 * not, but for a bound driver. */
Decision *machine_decide(const Machine *machine, const MachineGroup *group, const RuleSet *rules);

void machine_free(Machine *machine);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Machine, machine_free)
