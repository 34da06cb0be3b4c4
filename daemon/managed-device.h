/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "decision.h"
#include "device.h"
#include "notify.h"

/* A device as the daemon knows it: what was read last, and what the rules wish for it. */
struct ManagedDevice {
    char *key;         /* "pci:0000:00:04.0" */
    char *syspath;     /* "sys/devices/..." */
    Device *device;    /* never NULL */
    DomainType rule_type; /* _DOMAIN_TYPE_INVALID: no wish */
    char *rule_origin; /* "file:line", or NULL */
    unsigned changed;  /* DeviceProperty bits that nobody was told of yet */
};

/* Takes DEVICE over; SYSPATH is copied. */
ManagedDevice *managed_device_new(Device *device, const char *syspath);
void managed_device_free(ManagedDevice *managed);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ManagedDevice, managed_device_free)

/* Replaces what was read (takes DEVICE over) and notes in `changed` what differs. */
void managed_device_set(ManagedDevice *managed, Device *device);

/* Takes the wish of a decision, NULL for none, and notes what differs. */
void managed_device_set_wish(ManagedDevice *managed, const MemberWish *wish);

/* A change would unbind it: it is bound, and to a driver that does not manage DMA itself. */
bool managed_device_unbinds(const ManagedDevice *managed);

/* Names of its physical function, and of the devices that supply it or consume from it (device links,
 * Documentation/ABI/testing/sysfs-devices-supplier). The caller frees it with g_strfreev(). */
char **managed_device_relatives(const ManagedDevice *managed, int root_fd);

/* NAME is the device or below it in sysfs. */
bool syspath_is_below(const char *name, const char *ancestor);
