/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/*
 * What the manager tells the faces of the daemon; implemented by the bus files. Called once for everything
 * that one step of the loop has changed. What is named exists while the call lasts.
 */
typedef struct Manager Manager;
typedef struct ManagedGroup ManagedGroup;
typedef struct ManagedDevice ManagedDevice;

typedef struct BusCall BusCall;

typedef enum GroupProperty {
    GROUP_TYPE = 1 << 0,
    GROUP_WANTED_TYPE = 1 << 1,
    GROUP_WANTED_BY = 1 << 2,
    GROUP_STATE = 1 << 3,
    GROUP_PENDING_REASON = 1 << 4,
    GROUP_CONFLICT = 1 << 5,
    GROUP_STEP = 1 << 6,
    GROUP_DEVICES = 1 << 7,
    GROUP_SETTABLE_TYPES = 1 << 8,
    GROUP_LIVE_TYPES = 1 << 9,
    GROUP_RESERVED_REGIONS = 1 << 10,
    GROUP_LAST_RESULT = 1 << 11,
} GroupProperty;

typedef enum DeviceProperty {
    DEVICE_GROUP = 1 << 0,
    DEVICE_DRIVER = 1 << 1,
    DEVICE_MODEL_NAME = 1 << 2,
    DEVICE_DMA_MASK_BITS = 1 << 3,
    DEVICE_IOMMU = 1 << 4,
    DEVICE_MANAGES_DMA = 1 << 5,
    DEVICE_RULE_TYPE = 1 << 6,
    DEVICE_RULE_ORIGIN = 1 << 7,
} DeviceProperty;

typedef enum ManagerProperty {
    MANAGER_STATE = 1 << 0,
    MANAGER_RULE_FILES = 1 << 1,
    MANAGER_KERNEL_FEATURES = 1 << 2,
    MANAGER_PENDING = 1 << 3,
    MANAGER_IDENTITY = 1 << 4,
    MANAGER_FORBIDDEN = 1 << 5,
    MANAGER_UNTRANSLATED = 1 << 6,
    MANAGER_INITRAMFS_STALE = 1 << 7,
    MANAGER_ADDS_BEFORE_DRIVER = 1 << 8,
    MANAGER_ADDS_AFTER_DRIVER = 1 << 9,
} ManagerProperty;

/* PROPERTIES: bits of the enums above. */
void notify_manager_changed(Manager *manager, unsigned properties);
void notify_group_changed(Manager *manager, const ManagedGroup *group, unsigned properties);
void notify_device_changed(Manager *manager, const ManagedDevice *device, unsigned properties);

/* Something came (ADDED) or is about to be forgotten. */
void notify_group(Manager *manager, const ManagedGroup *group, bool added);
void notify_device(Manager *manager, const ManagedDevice *device, bool added);

/* The service stops: a call that still waits is told so, and forgotten. */
void notify_forget_call(BusCall *call);

/* The rule files have been read again. */
void notify_reloaded(Manager *manager, unsigned errors, unsigned warnings);
