/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "domain-type.h"
#include "facts.h"

/* What is true of this host until it is booted again. */
typedef struct Host {
    HostFacts *facts;
    char *disabled;             /* why nothing may be applied here (kdump, kernel command line), or NULL */
    DomainType boot_default;    /* what the kernel gives by itself; _DOMAIN_TYPE_INVALID: cannot be told */
    DomainTypeSet auto_outcome; /* the types that `auto` may end in */
} Host;

/* Reads it below ROOT_FD: /proc/cmdline, /proc/vmcore, /proc/iomem, the kernel's configuration in /boot.
 * Returns 0 with *ret owned by the caller; -errno if the kernel command line cannot be read. */
int host_read(int root_fd, Host **ret);

void host_free(Host *host);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Host, host_free)
