/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * What a device and its IOMMU can do, from PCI capability lists and the registers below /sys/class/iommu.
 * Reading config space wakes the device, and the group's type takes its mutex: workers only.
 *
 * Returns 0 with a floating GVariant of type a{s(bb)}: for each of `ats pri pasid aux sva dirty-tracking
 * nested coherent snoop-control identity dma-fq` (the device and its IOMMU have it, it is enabled now).
 * -ENODEV: the device vanished.
 *
 * What sysfs does not tell reads as false: the registers of any IOMMU but VT-d's, and whether sva,
 * dirty-tracking, nested and snoop-control are in use. `coherent`: the IOMMU snoops caches when it walks its
 * tables. `aux` is always false: no kernel since 6.1 has it. Config space is read here and not by libpci,
 * which opens by path and cannot tell a vanished device from one without capabilities.
 */
int features_read(int root_fd, const char *syspath, GVariant **ret);
