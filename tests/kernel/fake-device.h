/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "fake-bus.h"
#include "fake-group.h"

struct Request;

/* A device on a bus: its nodes, its driver, and what its driver makes below it. */
typedef struct Device {
    Machine *machine;
    Bus *bus;
    char *name;
    char **words;               /* the description it was added by */
    struct Device *parent;
    struct Functions *functions; /* of a physical function, or NULL */
    struct Device *physical;    /* function of a virtual one, or NULL */
    Node *node;
    Driver *driver;
    Group *group;
    char *override;
    unsigned vendor, product, subsystem_vendor, subsystem_product, class;
    unsigned mask_bits;         /* dma_mask_bits: 32 until a driver has set it, and then for ever */
    bool untrusted;
    const char *forced;
    char *reserved;
    char *child;                /* KIND:NAME of what the driver makes at the next bind, or NULL */
    GPtrArray *children;        /* Child: there now */
    GQueue waiting;             /* Request: for the device lock */
    struct Request *unbinding;  /* waits until the user of vfio-pci has gone; the lock is held */
    sd_event_source *probing;   /* the asynchronous rest of a probe */
} Device;

/* `device BUS NAME ...` without the first word. Adds the device, sends `add`, probes. 0, -EINVAL, -EEXIST,
 * or -ENOENT for a parent or bus that is not there. */
int device_add(Machine *machine, char *const *words);
/* Unplugs DEVICE and what is below it; they stay known to devices_rescan(). */
void device_remove(Device *device);
void devices_rescan(Machine *machine);
Device *device_get(Machine *machine, const char *name);

/* Probes DRIVER on an unbound device: 0 or a negative errno, which on the older kernel an asynchronous
 * driver keeps to itself. */
int device_probe(Device *device, Driver *driver);
/* Takes the driver away. REQUEST may be NULL. Returns 0, or 1 if REQUEST waits for a user of vfio-pci. */
int device_unbind(Device *device, struct Request *request);
/* VFIO's user has gone: a waiting unbind ends. */
void device_user_gone(Device *device);

/* A kernel uevent for DEVICE. */
void device_event(const Device *device, const char *action);

bool device_is_locked(const Device *device);
/* Keeps REQUEST until the lock is free and does its work then. Returns 1. */
int device_wait_lock(Device *device, struct Request *request);
/* The lock is free: what waits for it goes on. */
void device_unlock(Device *device);

void devices_probe_driver(Driver *driver);
void devices_detach_driver(Driver *driver);
void devices_free(Machine *machine);

/* `probe DEVICE ...` without the first word: 0 or -EINVAL. */
int probe_fault_add(Machine *machine, char *const *words);
