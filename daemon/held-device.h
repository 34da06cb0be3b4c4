/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "change-sequence.h"

/*
 * One device that is taken from its driver for a while and given back to the same driver. Knows which device
 * it is (by the inode of its sysfs directory, which a re-plug renews), what its driver_override said, and
 * what hung below it.
 */
typedef struct HeldDevice {
    char *bus, *name, *syspath;
    uint64_t inode;
    uint32_t vendor, device, class_code; /* FACT_NO_ID: none */
    char *driver;            /* the only driver it may ever be given to */
    bool has_driver_override; /* as held_device_read_override() has found */
    char *driver_override;   /* what it said before; NULL: unset */
    bool given_back;         /* held_device_bind() has succeeded since the last unbind */
    int dir_fd;              /* its sysfs directory; -EBADF until held_device_open() */
    GPtrArray *children;     /* disks and interfaces before the unbind; NULL: not known (after a crash) */
    GPtrArray *children_now; /* the same as last seen by held_device_settle(), or NULL */
    GArray *nodes;           /* NodeNumber of its device nodes before the unbind, or NULL */
    GPtrArray *controllers;  /* NvmeController before the unbind, or NULL */
    char **entries;          /* entries of its directory that went with the unbind; NULL: not asked */
} HeldDevice;

HeldDevice *held_device_new(const char *bus, const char *name, const char *syspath);
void held_device_free(HeldDevice *held);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HeldDevice, held_device_free)

/* Opens the directory. Returns 0; -ENODEV: gone, or another device has the name by now; -errno. */
int held_device_open(int root_fd, HeldDevice *held);

/* True if the device that was opened still has its name. */
bool held_device_is_present(int root_fd, const HeldDevice *held);

/* Returns 0 with the name of the driver that is bound now, NULL for none; -errno. */
int held_device_driver(const HeldDevice *held, char **ret);

/* True if the device is bound to its own driver; false also if that cannot be told. */
bool held_device_has_driver(const HeldDevice *held);

/* Reads driver_override into the device, where its bus has one: our own token, left behind, counts as unset.
 * Blocks on the device's lock. Returns 0; -EBUSY with *ret_other (caller frees): it names another driver
 * than the one that is bound; -errno. */
int held_device_read_override(HeldDevice *held, char **ret_other);

/*
 * Unbinds the device from its driver, with driver_override held by our token where nobody else uses it.
 * Blocks for as long as the driver likes. Returns 0; -ENODEV: it is another device by now; -ESTALE: it has
 * another driver, or none; -errno of the write.
 */
int held_device_unbind(const Sequence *sequence, HeldDevice *held);

/*
 * Binds the device to its driver: nothing is done if it has it. What the kernel asks to try again is tried
 * again; a driver whose module went away is asked for with a synthetic `add` event, and EVENTS
 * (kernel_events_open(), or negative) tells when it came. Returns 0 once the link says so; -ENODEV: the
 * device is gone; -EEXIST: somebody else gave it another driver, or says in driver_override that it is to
 * have one, which the kernel was then asked to bind; -errno.
 */
int held_device_bind(const Sequence *sequence, HeldDevice *held, int events);

/*
 * Waits until the probe has shown how it ends; see the comment at the function. Returns 0: it has its driver
 * and works as far as can be seen (a note is added if something is missing); -EIO: the driver let go of it;
 * -ENODEV: it is gone; -errno.
 */
int held_device_settle(const Sequence *sequence, HeldDevice *held, int events);

/* Gives driver_override back. What is neither our token nor our driver's name was set by somebody else
 * and stays. Returns 0 or -errno. */
int held_device_restore_override(const Sequence *sequence, const HeldDevice *held);
