/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "decision.h"
#include "device.h"
#include "host.h"

/*
 * The types that the kernel forces on a device, whatever is written (drivers/iommu/iommu.c,
 * iommu_get_default_domain_type(), and each driver's def_domain_type operation), as far as they can be known
 * before anything is tried. A type that is shown outweighs what should be: the kernel that forces one never
 * shows another, but for DMA-FQ, which kernels since 6.4 let through, live, wherever DMA is. Never by its
 * version.
 *
 * docs/kernel-notes.md has the table.
 */

/* What the group of a device shows. */
typedef struct ShownType {
    DomainType type;  /* _DOMAIN_TYPE_INVALID: it has not been read */
    bool as_found;    /* nobody is known to have written it since the kernel made it */
} ShownType;

/* Fills what a decision asks of DEVICE, whose group shows SHOWN, as a member of it; DEVICE is borrowed by
 * it. */
void forced_type_member(const Host *host, const Device *device, const ShownType *shown, DecisionMember *ret);

/* The types that `auto` may end in for a group of these members. */
DomainTypeSet forced_type_outcome(const Host *host, const DecisionMember *members, size_t n);

/*
 * Whether AMD's driver would look for PASID on the device, so that device->pasid is worth to be read: behind
 * an AMD-Vi, in a group that shows identity.
 */
bool forced_type_asks_pasid(const char *iommu_family, DomainType shown);

/*
 * Blocking, and it wakes the device. Whether the PCI function at SYSPATH, or the physical function of a
 * virtual one, has PASID (drivers/iommu/amd/iommu.c, pdev_get_caps()). What cannot be read is unknown.
 */
Tristate forced_type_read_pasid(int root_fd, const char *syspath);
