/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "host.h"

/*
 * The type that the kernel gives a group by itself, at boot and for `auto`, where nothing is forced
 * (drivers/iommu/iommu.c, iommu_subsys_init()): from the kernel command line, the kernel's configuration,
 * and what IOMMU drivers make of it. Predicted, never assumed: what is written is read back.
 */

/*
 * Fills boot_default and auto_outcome of HOST, of which the rest has been read. A VT-d in caching mode and
 * an AMD-Vi with NpCache make the lazy default strict, for all IOMMUs (drivers/iommu/intel/iommu.c,
 * intel_iommu_init(); drivers/iommu/amd/init.c, iommu_init_pci(); seen on 6.1 and 6.12).
 */
void default_type_read(int root_fd, Host *host);

/*
 * The types that `auto` may end in for a device behind an IOMMU of FAMILY (NULL: none is known). DMA-FQ
 * becomes DMA where the driver cannot defer (drivers/iommu/dma-iommu.c, iommu_dma_init_domain()), which only
 * some families are known to do always.
 */
DomainTypeSet default_type_outcome(const Host *host, const char *family);
