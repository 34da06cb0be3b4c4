/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <errno.h>
#include <stdbool.h>

/*
 * The default domain type of an IOMMU group, as /sys/kernel/iommu_groups/N/type spells it.
 *
 * Only the first four can be written (Documentation/ABI/testing/sysfs-kernel-iommu_groups). `auto` is never
 * read back. The other three are only read: `unknown` is a group without a default domain or of a platform
 * type without a name (PPC64), and must never be written.
 */
typedef enum DomainType {
    DOMAIN_TYPE_DMA,       /* translated, strict invalidation */
    DOMAIN_TYPE_DMA_FQ,    /* translated, lazily flushed */
    DOMAIN_TYPE_IDENTITY,  /* not translated */
    DOMAIN_TYPE_AUTO,      /* the kernel's own choice; only ever written or wished */
    DOMAIN_TYPE_BLOCKED,
    DOMAIN_TYPE_UNMANAGED,
    DOMAIN_TYPE_UNKNOWN,
    _DOMAIN_TYPE_MAX,
    _DOMAIN_TYPE_INVALID = -EINVAL,
} DomainType;

/* A set of types, one bit each. */
typedef unsigned DomainTypeSet;
#define DOMAIN_TYPE_BIT(type) (1u << (type))

/* Returns the kernel's word for TYPE, or NULL if TYPE is not a type. */
const char *domain_type_to_string(DomainType type);

/* Returns the type that WORD names (exact spelling, as the kernel demands), or _DOMAIN_TYPE_INVALID. */
DomainType domain_type_from_string(const char *word);

/* True for DMA, DMA-FQ and identity: the types with a place in the order of strictness, and the only current
 * types over which `type` may be written. */
bool domain_type_is_switchable(DomainType type);

/* Returns 2 for DMA, 1 for DMA-FQ, 0 for identity, and -1 for the types that have no strictness. */
int domain_type_strictness(DomainType type);

/* True if TO is less strict than FROM, and, read the safe way, also if either has no strictness. */
bool domain_type_relaxes(DomainType from, DomainType to);

/* True if TO is stricter than FROM; false if TO has no strictness. */
bool domain_type_tightens(DomainType from, DomainType to);
