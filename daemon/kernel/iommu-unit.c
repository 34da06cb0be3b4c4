/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "iommu-unit.h"
#include "kernel-config.h"
#include "sysfs.h"

/* Bits of VT-d's capability and extended capability registers (drivers/iommu/intel/iommu.h). */
#define CAP_CACHING_MODE (1ull << 7)
#define ECAP_COHERENT (1ull << 0)
#define ECAP_DEVICE_TLB (1ull << 2)
#define ECAP_PASS_THROUGH (1ull << 6)
#define ECAP_SNOOP_CONTROL (1ull << 7)
#define ECAP_NESTED (1ull << 26)
#define ECAP_PAGE_REQUEST (1ull << 29)
#define ECAP_PASID (1ull << 40)
#define ECAP_SCALABLE_MODE (1ull << 43)
#define ECAP_DIRTY_TRACKING (1ull << 45)
#define ECAP_FIRST_STAGE (1ull << 47)
#define ECAP_SCALABLE_COHERENT (1ull << 48)

/* Bits of AMD-Vi's capability header and of its two extended feature registers
 * (drivers/iommu/amd/amd_iommu_types.h). */
#define AMD_CAP_IOTLB (1ull << 24)
#define AMD_CAP_NOT_PRESENT_CACHE (1ull << 26)
#define EFR_PAGE_REQUEST (1ull << 1)
#define EFR_GUEST_TRANSLATION (1ull << 4)
#define EFR_GUEST_IO (1ull << 48)
#define EFR_DIRTY_TRACKING (1ull << 52)
#define EFR2_GUEST_TABLE_IN_DEVICE_TABLE (1ull << 3)

/* Nodes between a device and the root of a device tree. */
#define DEVICE_TREE_DEPTH 16

static Tristate yes_if(bool condition)
{
    return condition ? TRISTATE_YES : TRISTATE_NO;
}

static Tristate both(Tristate a, Tristate b)
{
    if (a == TRISTATE_NO || b == TRISTATE_NO)
        return TRISTATE_NO;
    return a == TRISTATE_YES ? b : a;
}

static void set_all_to(IommuUnit *unit, Tristate value)
{
    *unit = (IommuUnit) {
        .ats = value, .pri = value, .pasid = value, .sva = value, .dirty_tracking = value, .nested = value,
        .snoop_control = value, .coherent = value, .identity = value, .caching = value,
    };
}

/* --- families */

/* AMD-Vi: the driver turns on coherent accesses for all units (init.c, iommu_init_flags()), makes its
 * identity domain without any feature, and sets FC in every entry (iommu.c,
 * amd_iommu_enforce_cache_coherency()). */
static void set_amd(IommuUnit *unit)
{
    unit->coherent = unit->identity = unit->snoop_control = TRISTATE_YES;
    unit->always_snoops = true;
}

/* virtio-iommu: what its driver does not use nobody can have; it takes no device that does not snoop
 * (drivers/iommu/virtio-iommu.c, viommu_capable()). */
static void set_virtio(IommuUnit *unit)
{
    set_all_to(unit, TRISTATE_NO);
    unit->coherent = unit->identity = TRISTATE_YES;
    unit->caching = TRISTATE_UNKNOWN;
}

/* SMMUv2: its driver knows none of what came with the next (drivers/iommu/arm/arm-smmu/arm-smmu.c). */
static void set_smmu(IommuUnit *unit)
{
    set_all_to(unit, TRISTATE_NO);
    unit->coherent = TRISTATE_UNKNOWN;
    unit->identity = TRISTATE_YES;
}

/* PowerPC: one domain of its own, nothing to be chosen (arch/powerpc/kernel/iommu.c). */
static void set_ppc64(IommuUnit *unit)
{
    set_all_to(unit, TRISTATE_NO);
    unit->coherent = TRISTATE_YES;
}

void iommu_unit_of_family(const char *family, IommuUnit *ret)
{
    IommuUnit unit;

    set_all_to(&unit, *family ? TRISTATE_UNKNOWN : TRISTATE_NO);
    if (g_str_equal(family, "amd"))
        set_amd(&unit);
    else if (g_str_equal(family, "virtio"))
        set_virtio(&unit);
    else if (g_str_equal(family, "smmu"))
        set_smmu(&unit);
    else if (g_str_equal(family, "smmu-v3"))
        unit.identity = TRISTATE_YES;
    else if (g_str_equal(family, "ppc64"))
        set_ppc64(&unit);
    *ret = unit;
}

/* --- VT-d */

static bool parse_hex(const char *text, guint64 *ret)
{
    return text && g_ascii_string_to_unsigned(text, 16, 0, G_MAXUINT64, ret, NULL);
}

/* Scalable mode has a bit of its own (iommu.c, iommu_paging_structure_coherency()). */
static Tristate intel_coherent(guint64 ecap, Tristate scalable)
{
    Tristate legacy = yes_if(ecap & ECAP_COHERENT), in_scalable = yes_if(ecap & ECAP_SCALABLE_COHERENT);

    if (!(ecap & ECAP_SCALABLE_MODE) || scalable == TRISTATE_NO)
        return legacy;
    if (scalable == TRISTATE_YES || legacy == in_scalable)
        return in_scalable;
    return TRISTATE_UNKNOWN;
}

void iommu_unit_parse_intel(const char *cap_text, const char *ecap_text, Tristate scalable, IommuUnit *ret)
{
    guint64 cap, ecap;
    bool has_scalable;

    set_all_to(ret, TRISTATE_UNKNOWN);
    ret->always_snoops = false;
    if (parse_hex(cap_text, &cap))
        ret->caching = yes_if(cap & CAP_CACHING_MODE);
    if (!parse_hex(ecap_text, &ecap))
        return;
    has_scalable = ecap & ECAP_SCALABLE_MODE;
    ret->ats = yes_if(ecap & ECAP_DEVICE_TLB);
    ret->pri = yes_if(has_scalable && (ecap & ECAP_PAGE_REQUEST));
    ret->pasid = yes_if(has_scalable && (ecap & ECAP_PASID));
    ret->sva = both(ret->pasid, both(ret->ats, yes_if(ecap & ECAP_FIRST_STAGE)));
    /* Never without coherence (iommu.h, ssads_supported()). */
    ret->dirty_tracking =
        yes_if(has_scalable && (ecap & ECAP_DIRTY_TRACKING) && (ecap & ECAP_SCALABLE_COHERENT));
    ret->nested = yes_if(has_scalable && (ecap & ECAP_NESTED));
    ret->coherent = intel_coherent(ecap, scalable);
    ret->snoop_control = yes_if(ecap & ECAP_SNOOP_CONTROL);
    ret->identity = yes_if(ecap & ECAP_PASS_THROUGH);
}

/* As intel_iommu_setup() reads it (drivers/iommu/intel/iommu.c): words that begin so, the last one wins. */
static void read_scalable_words(const char *value, Tristate *scalable)
{
    g_auto(GStrv) words = g_strsplit(value, ",", -1);

    for (char **word = words; *word; word++) {
        if (g_str_has_prefix(*word, "sm_on"))
            *scalable = TRISTATE_YES;
        else if (g_str_has_prefix(*word, "sm_off"))
            *scalable = TRISTATE_NO;
    }
}

Tristate iommu_kernel_scalable(int root_fd)
{
    g_autofree char *command_line = NULL, *line = NULL;
    g_auto(GStrv) words = NULL;
    Tristate scalable = TRISTATE_UNKNOWN;

    if (sysfs_read(root_fd, "proc/cmdline", &command_line) < 0)
        return TRISTATE_UNKNOWN;
    words = g_strsplit_set(command_line, " \n", -1);
    for (char **word = words; *word; word++)
        if (g_str_has_prefix(*word, "intel_iommu="))
            read_scalable_words(strchr(*word, '=') + 1, &scalable);
    if (scalable != TRISTATE_UNKNOWN)
        return scalable;
    switch (kernel_config_find(root_fd, "CONFIG_INTEL_IOMMU_SCALABLE_MODE_DEFAULT_ON=y", &line)) {
    case 0:
        return TRISTATE_YES;
    case -ENXIO:
        return TRISTATE_NO;
    default:
        return TRISTATE_UNKNOWN;
    }
}

/* --- AMD-Vi */

/* Which of two words is EFR: 2 if one has bits above 31, as only EFR does; 1 if it has some above 13. */
static unsigned weight(guint64 word)
{
    return word >> 32 ? 2 : word >> 14 ? 1 : 0;
}

static int sort_amd_words(guint64 first, guint64 second, AmdFeatures *ret)
{
    bool swapped;

    if (first == 0 || second == 0)
        swapped = first == 0; /* no IOMMU has features in EFR2 alone: it belongs to EFR */
    else if (weight(first) != weight(second))
        swapped = weight(first) < weight(second);
    else
        return -ENOTUNIQ;
    *ret =
        (AmdFeatures){.efr = swapped ? second : first, .efr2 = swapped ? first : second, .has_efr2 = true};
    return 0;
}

int iommu_unit_parse_amd_features(const char *text, AmdFeatures *ret)
{
    g_auto(GStrv) words = g_strsplit(text, ":", 3);
    guint n = g_strv_length(words);
    guint64 first, second;

    if (n < 1 || n > 2 || !parse_hex(words[0], &first))
        return -EBADMSG;
    if (n == 1) {
        *ret = (AmdFeatures) { .efr = first };
        return 0;
    }
    return parse_hex(words[1], &second) ? sort_amd_words(first, second, ret) : -EBADMSG;
}

/* What a guest's table below the host's takes: two stages, and the guest's in the device table
 * (drivers/iommu/amd/iommu.c, is_nest_parent_supported()). */
static Tristate amd_nested(const AmdFeatures *features)
{
    const guint64 needed = EFR_GUEST_TRANSLATION | EFR_GUEST_IO;

    if ((features->efr & needed) != needed)
        return TRISTATE_NO;
    return features->has_efr2 ? yes_if(features->efr2 & EFR2_GUEST_TABLE_IN_DEVICE_TABLE) : TRISTATE_UNKNOWN;
}

void iommu_unit_parse_amd(const char *cap_text, const char *features_text, IommuUnit *ret)
{
    AmdFeatures features;
    guint64 cap;

    iommu_unit_of_family("amd", ret);
    if (parse_hex(cap_text, &cap)) {
        ret->ats = yes_if(cap & AMD_CAP_IOTLB);
        ret->caching = yes_if(cap & AMD_CAP_NOT_PRESENT_CACHE);
    }
    if (!features_text || iommu_unit_parse_amd_features(features_text, &features) < 0)
        return;
    ret->pri = yes_if(features.efr & EFR_PAGE_REQUEST);
    ret->pasid = yes_if(features.efr & EFR_GUEST_TRANSLATION);
    ret->sva = both(ret->ats, both(ret->pri, ret->pasid));
    ret->dirty_tracking = yes_if(features.efr & EFR_DIRTY_TRACKING);
    ret->nested = amd_nested(&features);
}

/* --- SMMU */

/*
 * What the firmware says of it outweighs the SMMU's own register (arm-smmu-v3.c,
 * arm_smmu_device_hw_probe()); in a device tree that is "dma-coherent" of its node or of the nearest one
 * above that says anything (drivers/of/address.c, of_dma_is_coherent()). ACPI's table is not read.
 */
static Tristate device_tree_coherent(int unit_fd)
{
    _cleanup_close_ int node_fd = sysfs_open_dir(unit_fd, "device/of_node");

    for (unsigned depth = 0; node_fd >= 0 && depth < DEVICE_TREE_DEPTH; depth++) {
        int parent_fd;

        if (faccessat(node_fd, "dma-coherent", F_OK, 0) >= 0)
            return TRISTATE_YES;
        if (faccessat(node_fd, "dma-noncoherent", F_OK, 0) >= 0 ||
            faccessat(node_fd, "name", F_OK, 0) < 0) /* each node has a name: above the root */
            return TRISTATE_NO;
        parent_fd = sysfs_open_dir(node_fd, "..");
        (void) safe_close(node_fd);
        node_fd = parent_fd;
    }
    return TRISTATE_UNKNOWN;
}

static char *read_text(int dir_fd, const char *path)
{
    char *text;

    return sysfs_read(dir_fd, path, &text) < 0 ? NULL : text;
}

void iommu_unit_read(int unit_fd, const char *family, Tristate scalable, IommuUnit *ret)
{
    iommu_unit_of_family(family, ret);
    if (g_str_equal(family, "intel")) {
        g_autofree char *cap = read_text(unit_fd, "intel-iommu/cap");
        g_autofree char *ecap = read_text(unit_fd, "intel-iommu/ecap");

        iommu_unit_parse_intel(cap, ecap, scalable, ret);
    } else if (g_str_equal(family, "amd")) {
        g_autofree char *cap = read_text(unit_fd, "amd-iommu/cap");
        g_autofree char *features = read_text(unit_fd, "amd-iommu/features");

        iommu_unit_parse_amd(cap, features, ret);
    } else if (g_str_has_prefix(family, "smmu")) {
        ret->coherent = device_tree_coherent(unit_fd);
    }
}
