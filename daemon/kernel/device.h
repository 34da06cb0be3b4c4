/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "facts.h"

/*
 * A device that can be in an IOMMU group, as sysfs shows it. Reading it takes only what does not block:
 * links, names, ids, class, modalias, removable, dma_mask_bits. (driver_override, sriov_* and
 * config take locks or wake the device: workers read those.) facts->bridge is true for PCI bridges with a
 * bus behind them: classes 0604, 0607 and 0609. facts->subsystem_* are FACT_NO_ID where both read 0.
 */
typedef struct Device {
    DeviceFacts *facts;   /* early keys, driver, bridge, manages_dma; device_set_udev() fills udev's part */
    uint64_t inode;       /* of its sysfs directory: identity */
    char *driver;         /* bound now, or NULL */
    bool unbindable;      /* the driver has bind and unbind files */
    int group;            /* number of its IOMMU group, -1: none */
    char *physical_function; /* name of the PF of a virtual function, or NULL */
    char *iommu;          /* name below /sys/class/iommu ("dmar0"), or NULL */
    bool is_iommu;        /* it is an IOMMU's own function */
    Tristate pasid;       /* PCI: has that capability; unknown until forced_type_read_pasid() has been
                           * asked */
    char *model_name;     /* from the hardware database, filled by device_set_udev(); or NULL */
} Device;

/*
 * Reads the device at SYSPATH ("sys/devices/pci0000:00/0000:00:04.0"). Returns 0 with *ret owned by the
 * caller; -ENODEV if it vanished between two reads, is not a device of a bus, or is a virtual function that
 * is not whole yet (the kernel says "change" when it is); -EINVAL if SYSPATH is not of this form; -errno
 * otherwise. PREVIOUS (may be NULL) is what was known of it: if the inode is the same, late facts and the
 * last driver are carried over.
 */
int device_read(int root_fd, const char *syspath, const Device *previous, Device **ret);

/* True for the classes of PCI bridges with a bus behind them, as above; CLASS_CODE may be FACT_NO_ID. */
bool class_is_bridge(uint32_t class_code);

/*
 * Finds a device by bus and name through sys/bus/BUS/devices/NAME and returns its SYSPATH as above. -ENODEV:
 * none.
 */
int device_find(int root_fd, const char *bus, const char *name, char **ret_syspath);

/*
 * Opens the directory of the device at SYSPATH, if it is still the one with this INODE. Returns the
 * descriptor, the caller's; -ENODEV: gone, or another device has the name by now; -errno.
 */
int device_open(int root_fd, const char *syspath, uint64_t inode);

/*
 * Reads driver_override in the directory DIR_FD: NULL if it is not set, which the kernel shows as "(null)";
 * written, that would be a driver's name. The caller frees *ret. Blocks on the device's lock. -ENOENT: its
 * bus has no such attribute.
 */
int device_read_override(int dir_fd, char **ret);

/*
 * Takes what udev knows into the late facts (properties, permanent MAC addresses and serials of children are
 * properties of children: pass them in). PROPERTIES char*->char* is copied; MACS and SERIALS may be NULL.
 */
void device_set_udev(Device *device, GHashTable *properties, char **macs, char **serials);

/* "pci:0000:00:04.0": bus and name, the key of the device everywhere. The caller frees it. */
char *device_key(const Device *device);

/* The same device: bus, name and inode. */
bool device_same(const Device *a, const Device *b);

/*
 * True for drivers that manage DMA themselves and need no unbind since Linux 6.4 (struct
 * pci_driver.driver_managed_dma: pcieport, pci-stub, vfio-pci and its variants, vfio-platform, ...).
 */
bool driver_manages_dma(const char *driver);

/* True for a driver of the VFIO family. */
bool driver_is_vfio(const char *driver);

/* True if a change with unbinding takes DEVICE from its driver: bridges and drivers that manage DMA
 * themselves stay. */
bool device_unbinds(const Device *device);

/* True if the IOMMU of DEVICE is known to flush lazily. DMA-FQ elsewhere can end in a NULL call in the
 * kernel (drivers/iommu/dma-iommu.c, fq_flush_iotlb()). */
bool device_has_dma_fq(const Device *device);

void device_free(Device *device);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Device, device_free)

/*
 * Family of an IOMMU from its name below /sys/class/iommu and its parent: "intel" "amd" "smmu-v3" "smmu"
 * "virtio" "s390" "riscv" "apple" "ppc64", or the raw name if unknown. The caller frees it.
 */
char *iommu_family(int root_fd, const char *name);

/*
 * True if the family is known to flush lazily (IOMMU_CAP_DEFERRED_FLUSH): DMA-FQ may be asked for, live too.
 */
bool iommu_family_has_dma_fq(const char *family);
