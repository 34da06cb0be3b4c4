/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * What a device and its IOMMU can do, from PCI capability lists (libpci) and the registers below /sys/class/iommu. Reading config space wakes the
 * device: workers only.
 *
 * Returns 0 with a floating GVariant of type a{s(bb)}: for each of `ats pri pasid aux sva dirty-tracking nested coherent snoop-control identity dma-fq`
 * (the device and its IOMMU have it, it is enabled now). -ENODEV: the device vanished.
 */
int features_read(int root_fd, const char *syspath, GVariant **ret);
