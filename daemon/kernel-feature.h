/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "managed-device.h"
#include "managed-group.h"
#include "transaction.h"

/*
 * What the running kernel has shown that it can do: by a type that a group reads, by a change that
 * succeeded, by a group that appeared. Never by its version, as distributions port single changes back; so a
 * feature that has not been seen may be there all the same, and one that has been seen stays.
 */
typedef enum KernelFeature {
    KERNEL_LIVE_FQ,           /* DMA becomes DMA-FQ with the driver bound: since a group reads DMA-FQ, which
                               * came with it (Linux 5.15) */
    KERNEL_MULTI_DEVICE,      /* the type of a group of several devices was written (Linux 6.4) */
    KERNEL_MANAGED_STAYS_BOUND, /* a type was written while a member kept a driver that manages DMA itself:
                                 * pcieport, vfio-pci (Linux 6.4) */
    KERNEL_GROUPS_AT_PROBE,   /* a device got its group when a driver was bound to it, not when it appeared
                               * (Arm and virtio before the rework of 2025) */
    _KERNEL_FEATURE_MAX,
} KernelFeature;

#define KERNEL_FEATURE_BIT(feature) (1u << (feature))

/* Returns "live-fq", ..., as KernelFeatures says it. */
const char *kernel_feature_to_string(KernelFeature feature);

/* Bits of what is shown by TYPE, which a group reads. */
unsigned kernel_features_of_type(DomainType type);

/* ... by a change of GROUP, which had the type FROM, that ended with RESULT. */
unsigned kernel_features_of_change(const ManagedGroup *group, DomainType from, const ChangeResult *result);

/* ... by a device that was BEFORE and is NOW. */
unsigned kernel_features_of_device(const Device *before, const Device *now);
