/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "device.h"

/*
 * A physical function (SR-IOV) and its virtual functions, drivers/pci/iov.c. FD is its folder in sysfs, as
 * device_open() opens it: it stays that device's, and says -ENODEV or -ENOENT once that is gone.
 *
 * Of the files there only sriov_numvfs takes the device's lock, for reading and for writing; and whoever
 * writes it has that lock until the last virtual function is there, or gone.
 */

#define PHYSICAL_FUNCTION_NUMVFS "sriov_numvfs"
#define PHYSICAL_FUNCTION_AUTOPROBE "sriov_drivers_autoprobe"

/*
 * What is known of a virtual function of DEVICE before it is there: its ids, the class of its physical
 * function, the same IOMMU and trust. Returns 0 with *ret owned by the caller; -ENOENT: DEVICE has no
 * virtual functions; -errno. Does not block.
 */
int physical_function_foresee(int fd, const Device *device, DeviceFacts **ret);

/* Names of the virtual functions that are there, sorted; the caller frees. Does not block. */
int physical_function_list(int fd, char ***ret);

/* Whether drivers are bound to virtual functions as these appear: 0 or 1, or -errno. Does not block. */
int physical_function_autoprobe(int fd);

/* Sets that; it holds for those that appear, and for any later try to bind a driver (pci_device_can_probe(),
 * drivers/pci/pci-driver.c). Returns 0 or -errno. Does not block. */
int physical_function_set_autoprobe(int fd, bool probe);

/* Returns when nobody is about to change the number of virtual functions. Blocks until then: worker
 * processes only. NUMVFS_FD is PHYSICAL_FUNCTION_NUMVFS, open for reading. Returns 0 or -errno. */
int physical_function_settle(int numvfs_fd);

/* The inode of the virtual function NAME, which tells it from a successor. -ENODEV: there is none;
 * -errno. Does not block. */
int virtual_function_inode(int root_fd, const char *name, uint64_t *ret);

/*
 * Lets the kernel look for a driver of the virtual function NAME, if it has none and nobody has said by
 * driver_override which it is to be. Blocks for the driver's probe: worker processes only. Returns 0,
 * also if there is no driver for it; -ENODEV: it is gone; -errno.
 */
int virtual_function_probe(int root_fd, const char *name);
