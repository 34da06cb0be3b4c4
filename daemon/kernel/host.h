/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "domain-type.h"
#include "facts.h"
#include "iommu-unit.h"

/* An IOMMU of this host. */
typedef struct HostUnit {
    char *family;   /* as iommu_family() gives it */
    IommuUnit unit; /* read without asking whether the kernel uses VT-d's scalable mode */
} HostUnit;

/* What is true of this host until it is booted again. */
typedef struct Host {
    HostFacts *facts;
    char *disabled;             /* why nothing may be applied here (kdump, kernel command line), or NULL */
    GHashTable *units;          /* name below /sys/class/iommu -> HostUnit */
    Tristate encrypts_memory;   /* all of RAM (SME, SEV), so that a device without that bit has to be
                                 * translated */
    DomainType boot_default;    /* what the kernel gives by itself; _DOMAIN_TYPE_INVALID: cannot be told */
    DomainTypeSet auto_outcome; /* the types that `auto` may end in where nothing is forced, on any IOMMU
                                 * here */
} Host;

/* Reads it below ROOT_FD: /proc/cmdline, /proc/vmcore, /proc/iomem, /proc/cpuinfo, the registers below
 * /sys/class/iommu, the kernel's configuration in /boot. Does not block for long: nothing of a device is
 * read. Returns 0 with *ret owned by the caller; -errno if the kernel command line cannot be read. */
int host_read(int root_fd, Host **ret);

/* The IOMMU NAME (or NULL), or NULL if it was not there when the host was read. */
const HostUnit *host_unit(const Host *host, const char *name);

/* True if the kernel command line has a word KEY=...,VALUE,... */
bool host_has_word(const Host *host, const char *key, const char *value);

void host_free(Host *host);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Host, host_free)
