/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "facts.h"

/*
 * What an IOMMU can do, as far as its folder below /sys/class/iommu tells: the registers of VT-d and AMD-Vi,
 * the device tree of an SMMU, and else what is true of every IOMMU of its family because its driver is
 * written so. docs/features.md has each bit with its source. What nothing tells is unknown, not absent.
 */
typedef struct IommuUnit {
    Tristate ats, pri, pasid; /* takes translated requests, answers page requests, tells address spaces of a
                               * device apart */
    Tristate sva;             /* the processor's page tables can be a device's */
    Tristate dirty_tracking, nested, snoop_control;
    Tristate coherent;        /* as it is used now, it sees what the processor has written to its tables
                               * without a flush */
    Tristate identity;        /* can let DMA pass untranslated */
    Tristate caching;         /* it is emulated and wants to be told of new entries, too (VT-d: caching mode,
                               * AMD: NpCache): the kernel's lazy default then becomes strict */
    bool always_snoops;       /* all that it translates is snooped, whatever the device asks for */
} IommuUnit;

/*
 * Reads the unit whose folder is UNIT_FD (sys/class/iommu/NAME, or `iommu` of a device behind it), of FAMILY
 * as iommu_family() gives it. SCALABLE: whether the kernel uses VT-d's scalable mode where there is one.
 * Never fails: what cannot be read is unknown. Does not block: the kernel keeps copies of the registers
 * (drivers/iommu/intel/iommu.c, drivers/iommu/amd/init.c).
 */
void iommu_unit_read(int unit_fd, const char *family, Tristate scalable, IommuUnit *ret);

/* What is known of FAMILY ("": no IOMMU at all, which can do nothing) before anything is read. */
void iommu_unit_of_family(const char *family, IommuUnit *ret);

/*
 * Whether the kernel uses scalable mode where an IOMMU offers it: the last sm_on or sm_off of intel_iommu=
 * on its command line, else its configuration. No file shows whether it really does.
 */
Tristate iommu_kernel_scalable(int root_fd);

/* The texts of `cap` and `ecap` of VT-d. Either may be NULL: it could not be read. */
void iommu_unit_parse_intel(const char *cap, const char *ecap, Tristate scalable, IommuUnit *ret);

/* The texts of `cap` and `features` of AMD-Vi. Either may be NULL. */
void iommu_unit_parse_amd(const char *cap, const char *features, IommuUnit *ret);

/* The registers in `features` of AMD-Vi. */
typedef struct AmdFeatures {
    guint64 efr, efr2;
    bool has_efr2; /* old kernels do not show it */
} AmdFeatures;

/*
 * Three formats (drivers/iommu/amd/init.c, amd_iommu_show_features()): "EFR", "EFR2:EFR" (seen on 6.1),
 * "EFR:EFR2" (6.8 and later). The order is told by the bits that only EFR has. Returns 0; -EBADMSG: none of
 * these; -ENOTUNIQ: which is which cannot be told.
 */
int iommu_unit_parse_amd_features(const char *text, AmdFeatures *ret);
