/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "domain-type.h"

/*
 * An IOMMU group as sysfs shows it. Listing groups and their members does not block; `type` and
 * `reserved_regions` take the group's mutex and can block behind a long attach: workers read those.
 */

typedef struct ReservedRegion {
    uint64_t start, end;   /* inclusive */
    char type[24];         /* "direct", "direct-relaxable", "reserved", "msi" */
} ReservedRegion;

/*
 * Lists group numbers below sys/kernel/iommu_groups, ascending: GArray of unsigned. An absent directory is
 * an empty list.
 */
int group_list(int root_fd, GArray **ret);

/* The keys of BY_ID, which are GUINT_TO_POINTER() of group numbers, ascending: GArray of unsigned. */
GArray *group_ids_of(GHashTable *by_id);

/*
 * Lists the members of group ID as SYSPATHs ("sys/devices/..."), sorted by strcmp. -ENOENT: no such group.
 * An empty list is possible.
 */
int group_list_members(int root_fd, unsigned id, char ***ret_syspaths);

/*
 * The texts of the two attributes without their last newline, as group_read_type() and
 * group_read_reserved_regions() read them: drivers/iommu/iommu.c, iommu_group_show_type() and
 * iommu_group_show_resv_regions(). 0 or -EBADMSG.
 */
int group_parse_type(const char *text, DomainType *ret);
int group_parse_reserved_regions(const char *text, GArray **ret);

/* Blocking. Reads `type`. -EBADMSG: not a word the kernel uses; -ENOENT: no such group. */
int group_read_type(int root_fd, unsigned id, DomainType *ret);

/*
 * Blocking. Reads `reserved_regions`: GArray of ReservedRegion; -EBADMSG on a line that is not "start end
 * type".
 */
int group_read_reserved_regions(int root_fd, unsigned id, GArray **ret);

/*
 * Reads `name`, which few groups have (iommu_group_set_name()): -ENOENT without. It is worth a look only
 * where the type cannot be changed: a group of VFIO without an IOMMU has no default domain, so its type
 * reads unknown (drivers/vfio/group.c, vfio_noiommu_group_alloc()). The caller frees *ret.
 */
int group_read_name(int root_fd, unsigned id, char **ret);

/*
 * Why the type of a group can never be changed, for people, or NULL if it can: TYPE as it reads, NAME as
 * group_read_name() gives it (or NULL), FAMILY of the IOMMU that serves its members (or NULL). Without a
 * default domain a write is EINVAL, and Linux 5.15 dereferences NULL (drivers/iommu/iommu.c,
 * iommu_group_store_type()). The caller frees it.
 */
char *group_explain_unsupported(DomainType type, const char *name, const char *family);

/* True if one of REGIONS (as group_read_reserved_regions() gives them, or NULL) is `direct`: the
 * firmware's, mapped one to one. */
bool group_has_direct_region(const GArray *regions);

/* Opens `type` for group_write_type() and group_read_open_type(). Returns the descriptor, the caller's, or
 * -errno; -ENOENT: no such group. */
int group_open_type(int root_fd, unsigned id);

/* Blocking. group_read_type() of the group that was opened; -ENOENT: it is gone, whatever has its number
 * now. */
int group_read_open_type(int type_fd, DomainType *ret);

/*
 * Blocking. Reads `type`, and where that is DMA, DMA-FQ or identity writes it once: every write of a type
 * goes through here. Returns 0 or the kernel's -errno untranslated (drivers/iommu/iommu.c,
 * iommu_group_store_type()); -ENODEV: the group that was opened is gone, whatever has its number now;
 * -ENOTSUP: it reads something else, and nothing was written.
 */
int group_write_type(int type_fd, DomainType type);
