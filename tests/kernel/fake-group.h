/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "machine.h"

struct Device;

/* IOMMUs and groups; `type` answers in the order of drivers/iommu/iommu.c, iommu_group_store_type(), of 6.1
 * and of 6.12. */
typedef struct Iommu {
    char *name;
    Node *node;
    bool no_fq;                 /* no IOMMU_CAP_DEFERRED_FLUSH */
    bool no_identity;           /* no identity domain */
} Iommu;

typedef enum VfioState {
    VFIO_NONE,
    VFIO_OPEN,                  /* somebody has the group file open */
    VFIO_OWNED,                 /* and a container or iommufd attached */
} VfioState;

typedef struct Group {
    Machine *machine;
    unsigned id;
    const char *type;           /* of the default domain, as type_word() gives it; NULL: there is none */
    bool static_domain;         /* but one of the IOMMU driver's own, which is always the same */
    Node *node;
    GPtrArray *members;         /* Device */
    VfioState vfio;
} Group;

/* The one copy of a type's word ("DMA", "DMA-FQ", "identity", "auto", "blocked"), or NULL if there is no
 * such. */
const char *type_word(const char *text);

/* `iommu NAME ...`, WORDS without the first. Returns 0 or -EINVAL. */
int iommu_add(Machine *machine, char *const *words);

void iommu_free(Machine *machine);

Group *group_get(Machine *machine, unsigned id);
/* The group with this number, made if there is none. TYPE may be NULL: the boot default. */
Group *group_make(Machine *machine, unsigned id, const char *type);
/* The lowest number without a group, as the kernel's ida gives it. */
unsigned group_free_id(Machine *machine);

/* DEVICE's links to its group, and back; a new group takes a type that is forced on DEVICE. */
void group_join(Group *group, struct Device *device);
/* Undoes it; a group that has lost its last member goes away. */
void group_leave(Group *group, struct Device *device);

/* How many hold the group's DMA: members with a driver that does not manage DMA itself, and VFIO. */
unsigned group_owners(const Group *group);

/* Sets the state, and lets the unbinds that wait for it go on. */
void group_set_vfio(Group *group, VfioState state);
/* Ends all use by VFIO. */
void groups_forget_users(Machine *machine);
void groups_free(Machine *machine);
