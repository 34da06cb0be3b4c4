/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "device.h"
#include "record.h"

/*
 * Before the rework of 2025 the IOMMU drivers of Arm and virtio learn of a device only when a driver first
 * probes it, and its group is made within that probe (drivers/base/dd.c, really_probe(), calls the bus's
 * dma_configure()): there is no moment between the group and its driver. So the device is lent to another
 * driver first: pci-stub, made to hold devices, does nothing with it and manages DMA itself. It is lent by
 * driver_override, which makes a driver match without a look at ids, so no other driver than this is ever
 * named: it crashes what it does not know. The group stays when pci-stub lets go.
 *
 * A record (record.h, LENT) is written before driver_override is: whoever finds it takes the device back.
 * All of this blocks on the device's lock: not on a loop.
 */

/*
 * Returns 1 with *ret_family (caller frees) if the machine has an IOMMU that may make groups that late:
 * which family it is of, NULL if there are several such; 0: none; -errno. VT-d, AMD-Vi, and the IOMMUs of
 * s390 and PPC64 make them when a device appears.
 */
int stub_probe_is_needed(int root_fd, char **ret_family);

/* True if DEVICE is one that may be lent: an unbound PCI function without a group, no bridge, no virtual
 * function, not an IOMMU itself. */
bool stub_probe_fits(const Device *device);

/* Asks for pci-stub's module, with the program that the kernel itself would ask, unless it is there.
 * -ENOENT: it did not come; -errno. */
int stub_probe_load(int root_fd);

/*
 * Lends DEVICE to pci-stub and takes it back. Returns 0: it has a group now, its driver_override is as it
 * was, and its record awaits stub_probe_end(). On an error nothing is left behind, or the record if that
 * could not be done: -EBUSY: somebody is at work on it, or it has a driver; -EEXIST: somebody else has set
 * its driver_override; -ENODEV: it is gone; -ENXIO: it was probed and has no group, so no IOMMU serves it;
 * -errno.
 */
int stub_probe_lend(int root_fd, const Device *device, DomainType wanted, const char *origin);

/*
 * Takes back what RECORD says was lent, as far as that was not done: from pci-stub, and driver_override as
 * recorded, unless somebody else has set it since. Returns 0 also if the device is gone; -errno.
 */
int stub_probe_take_back(int root_fd, const Record *record);

/*
 * The same; then the kernel is asked to find the device a driver, as a module that was loaded meanwhile did
 * not match, and the record KEY is removed. The caller holds its lock. Returns 0; -errno: the record stays.
 */
int stub_probe_end(int root_fd, const char *key, const Record *record);
