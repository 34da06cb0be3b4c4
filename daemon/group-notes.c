/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "group-notes.h"

#include <inttypes.h>

#include "decision-trail.h"
#include "group.h"

#define CLASS_ISA_BRIDGE 0x0601u
/* What DMA of the ISA bus can reach: VT-d keeps it for each ISA bridge, for floppy disks
 * (drivers/iommu/intel/iommu.c, intel_iommu_get_resv_regions(), CONFIG_INTEL_IOMMU_FLOPPY_WA). */
#define ISA_END 0xffffffu

/* The first member that is an ISA bridge, or NULL. */
static const char *isa_bridge(const ManagedGroup *group)
{
    for (guint i = 0; i < group->members->len; i++) {
        const DeviceFacts *facts = ((const ManagedDevice *) group->members->pdata[i])->device->facts;

        if (facts->class_code != FACT_NO_ID && facts->class_code >> 8 == CLASS_ISA_BRIDGE)
            return facts->name;
    }
    return NULL;
}

/* include/linux/iommu.h, enum iommu_resv_type: `direct` sets require_direct, which keeps VFIO and iommufd
 * away; they pass over what is relaxable. Both are mapped whenever a group gets a translated type. */
static char *describe_region(const ManagedGroup *group, const ReservedRegion *region)
{
    const char *bridge = isa_bridge(group);
    g_autofree char *range = g_strdup_printf("%" PRIx64 "-%" PRIx64, region->start, region->end);

    if (g_str_equal(region->type, "direct"))
        return g_strdup_printf(
            "%s is reserved as direct: the firmware demands it mapped one to one, so VFIO and "
            "iommufd will not take this group; DMA, DMA-FQ and identity are no matter",
            range);
    if (!g_str_equal(region->type, "direct-relaxable"))
        return NULL;
    if (bridge && region->start == 0 && region->end == ISA_END)
        return g_strdup_printf(
            "%s is reserved as direct-relaxable for the ISA bridge %s: the first 16 MiB stay "
            "mapped one to one; VFIO and iommufd may take this group",
            range, bridge);
    return g_strdup_printf(
        "%s is reserved as direct-relaxable: mapped one to one for the kernel's own drivers; "
        "VFIO and iommufd may take this group",
        range);
}

static void add_regions(GPtrArray *trail, const ManagedGroup *group)
{
    for (guint i = 0; group->reserved && i < group->reserved->len; i++) {
        char *text = describe_region(group, &g_array_index(group->reserved, ReservedRegion, i));

        if (text)
            trail_add(trail, NULL, NULL, VERDICT_NOTE, text);
    }
}

/* As long as a device is not in identity, this is only what would be. */
static void add_mask(GPtrArray *trail, const ManagedGroup *group, const DeviceFacts *facts,
                     const MemberWish *wish, const HostFacts *host)
{
    bool is_told = wish->has_wish && !wish->keep && wish->type == DOMAIN_TYPE_IDENTITY;
    bool identity = group->type_known && group->type == DOMAIN_TYPE_IDENTITY;

    if (is_told || facts->dma_mask_bits == 0 || facts->dma_mask_bits >= host->memory_bits)
        return;
    trail_add(trail, facts->name, NULL, VERDICT_NOTE,
              g_strdup_printf(
                  "addresses %u bits and RAM needs %u: in identity its data %s through bounce buffers, "
                  "which is slower than DMA-FQ",
                  facts->dma_mask_bits, host->memory_bits, identity ? "goes" : "would go"));
}

void group_notes_add(Decision *decision, const ManagedGroup *group, const HostFacts *host)
{
    add_regions(decision->trail, group);
    for (guint i = 0; i < group->members->len; i++) {
        const ManagedDevice *managed = group->members->pdata[i];

        add_mask(decision->trail, group, managed->device->facts, decision->member_wishes->pdata[i], host);
    }
}
