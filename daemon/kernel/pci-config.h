/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <linux/pci_regs.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The configuration space of a PCI function, as the file `config` of its folder in sysfs gives it, and the
 * capabilities in it that translation is about. Bits and offsets are those of include/uapi/linux/pci_regs.h.
 *
 * It is walked here and not by libpci, which opens a file by a name of its own making where we hold the
 * folder of the device that was asked for; docs/features.md says more. The tests compare the two.
 */
typedef struct PciConfig {
    uint8_t bytes[PCI_CFG_SPACE_EXP_SIZE];
    size_t size; /* 4096; 256 without PCI Express; 64 if we may not see the rest; 0: no such space */
} PciConfig;

/* Something that can be there, and that can be turned on. */
typedef struct Feature {
    bool has, enabled;
} Feature;

/*
 * Blocking: it wakes the device (drivers/pci/pci-sysfs.c, pci_read_config()). Reads PATH below DIR_FD.
 * Returns 0 with *ret; -ENOENT: no such file, the device is not PCI; -errno.
 */
int pci_config_read(int dir_fd, const char *path, PciConfig *ret);

/*
 * Returns the offset of the extended capability ID, of which 12 bytes are there, or 0 if there is none.
 * Lists that link in circles or outside end.
 */
size_t pci_config_find_extended(const PciConfig *config, uint16_t id);

/* Whether the capability is there, and its Enable bit (PCI Express Base Specification, 10.5 and 7.8.8). A
 * virtual function has an ATS of its own, and uses the PRI and PASID of its physical function. */
Feature pci_config_ats(const PciConfig *config);
Feature pci_config_pri(const PciConfig *config);
Feature pci_config_pasid(const PciConfig *config);
