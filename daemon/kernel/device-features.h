/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * What a device and its IOMMU can do, from the configuration space of the one, the registers of the other,
 * and the type of the group. docs/features.md says what each feature means for each family of IOMMUs.
 * Blocking: configuration space wakes the device, and the group's type takes its mutex: workers only.
 *
 * Returns 0 with a floating GVariant of type a{s(bb)}: for each of `ats pri pasid aux sva dirty-tracking
 * nested coherent snoop-control identity dma-fq` (the device and its IOMMU have it, it is enabled now).
 * -ENODEV: the device vanished; -errno.
 *
 * What nothing tells reads as false: see feature_is_told(). Whether sva, dirty-tracking and nested are in
 * use is never told. `aux` is always false: no kernel since 5.19 has it.
 */
int features_read(int root_fd, const char *syspath, GVariant **ret);

/*
 * Whether "no" to FEATURE is an answer behind an IOMMU of FAMILY (as iommu_family() gives it, "": none), or
 * only says that nothing tells.
 */
bool feature_is_told(const char *family, const char *feature);
