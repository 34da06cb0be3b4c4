/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The type that the kernel gives by itself: words, configuration, and what the IOMMUs make of it. The
 * registers are those of machines that were booted (docs/kernel-notes.md); what they had given stands
 * beside. */
#include "default-type.h"
#include "tree.h"
#include "unit.h"

#define DMA DOMAIN_TYPE_BIT(DOMAIN_TYPE_DMA)
#define DMA_FQ DOMAIN_TYPE_BIT(DOMAIN_TYPE_DMA_FQ)
#define IDENTITY DOMAIN_TYPE_BIT(DOMAIN_TYPE_IDENTITY)
#define ANY (DMA | DMA_FQ | IDENTITY)
#define NONE _DOMAIN_TYPE_INVALID

#define LAZY "CONFIG_IOMMU_DEFAULT_DMA_LAZY=y"
#define STRICT "CONFIG_IOMMU_DEFAULT_DMA_STRICT=y"
#define PASSTHROUGH "CONFIG_IOMMU_DEFAULT_PASSTHROUGH=y"

/* VT-d of QEMU; with caching-mode=on; in scalable mode with caching-mode=on. AMD-Vi of QEMU, which has
 * NpCache; and without. */
#define VTD "dmar0", "d2008c22260206", "f00f4a"
#define VTD_CACHING "dmar0", "d2008c22260286", "f00f4a"
#define VTD_SCALABLE "dmar0", "d2008c22260286", "29d0f80f00f5e"
#define VTD_BLIND "dmar0", NULL, NULL
#define AMD "ivhd0", "1f03000f", "0:29d3"
#define AMD_REAL "ivhd0", "1b03000f", "246577efa2254afa:0"
#define SMMU "smmu3.0x0000000009050000", NULL, NULL
#define NO_UNIT NULL, NULL, NULL

static const struct {
    const char *words, *config; /* the line of the kernel's configuration, or NULL */
    const char *unit, *cap, *second;
    DomainType boot_default;
    DomainTypeSet outcome;
} defaults[] = {
    { "quiet", NULL, NO_UNIT, NONE, ANY },
    { "iommu=pt", NULL, NO_UNIT, DOMAIN_TYPE_IDENTITY, IDENTITY },
    { "iommu.passthrough=1 iommu.strict=1", NULL, NO_UNIT, DOMAIN_TYPE_IDENTITY, IDENTITY },
    { "iommu.passthrough=0 iommu.strict=1", NULL, NO_UNIT, DOMAIN_TYPE_DMA, DMA },
    { "iommu.passthrough=0 iommu.strict=0", NULL, NO_UNIT, DOMAIN_TYPE_DMA_FQ, DMA_FQ },
    { "iommu=pt iommu.passthrough=0", NULL, NO_UNIT, NONE, DMA | DMA_FQ },
    { "iommu.passthrough=", NULL, NO_UNIT, NONE, ANY },
    { "quiet", LAZY, NO_UNIT, DOMAIN_TYPE_DMA_FQ, DMA_FQ },
    { "quiet", STRICT, NO_UNIT, DOMAIN_TYPE_DMA, DMA },
    { "iommu.strict=1", LAZY, NO_UNIT, DOMAIN_TYPE_DMA, DMA },
    { "iommu=pt", STRICT, NO_UNIT, DOMAIN_TYPE_IDENTITY, IDENTITY },
    /* Lists of words. */
    { "intel_iommu=on,strict", LAZY, VTD, DOMAIN_TYPE_DMA, DMA },
    { "intel_iommu=on,sm_on", LAZY, VTD, DOMAIN_TYPE_DMA_FQ, DMA_FQ },
    { "amd_iommu=pgtbl_v2,fullflush", LAZY, AMD_REAL, DOMAIN_TYPE_DMA, DMA },
    { "iommu=soft,pt", LAZY, VTD, DOMAIN_TYPE_IDENTITY, IDENTITY },
    { "iommu=pt,nopt", LAZY, VTD, DOMAIN_TYPE_DMA_FQ, DMA_FQ },
    /* Memory encryption takes a configured pass-through away, not one that was asked for. */
    { "quiet", PASSTHROUGH, NO_UNIT, NONE, DMA_FQ | IDENTITY },
    { "mem_encrypt=on iommu.strict=1", PASSTHROUGH, NO_UNIT, DOMAIN_TYPE_DMA, DMA },
    { "mem_encrypt=on iommu=pt", PASSTHROUGH, NO_UNIT, DOMAIN_TYPE_IDENTITY, IDENTITY },
    /* What the IOMMUs make of it. */
    { "intel_iommu=on", LAZY, VTD, DOMAIN_TYPE_DMA_FQ, DMA_FQ },
    { "intel_iommu=on", LAZY, VTD_CACHING, DOMAIN_TYPE_DMA, DMA },
    { "intel_iommu=on iommu.strict=0", LAZY, VTD_CACHING, DOMAIN_TYPE_DMA, DMA },
    { "intel_iommu=on iommu=pt", LAZY, VTD_CACHING, DOMAIN_TYPE_IDENTITY, IDENTITY },
    { "intel_iommu=on,sm_on", LAZY, VTD_SCALABLE, NONE, DMA | DMA_FQ },
    { "intel_iommu=on,sm_off", LAZY, VTD_SCALABLE, DOMAIN_TYPE_DMA, DMA },
    { "intel_iommu=on", LAZY, VTD_BLIND, NONE, DMA | DMA_FQ },
    { "intel_iommu=on iommu.strict=1", LAZY, VTD_BLIND, DOMAIN_TYPE_DMA, DMA },
    { "quiet", LAZY, AMD, DOMAIN_TYPE_DMA, DMA },
    { "quiet", LAZY, AMD_REAL, DOMAIN_TYPE_DMA_FQ, DMA_FQ },
    { "iommu=pt", LAZY, AMD, DOMAIN_TYPE_IDENTITY, IDENTITY },
    { "quiet", LAZY, SMMU, DOMAIN_TYPE_DMA_FQ, DMA_FQ },
    { "quiet", STRICT, SMMU, DOMAIN_TYPE_DMA, DMA },
};

static void add_attribute(Tree *tree, const char *unit, const char *name, const char *text)
{
    g_autofree char *path = g_strdup_printf("sys/devices/virtual/iommu/%s/%s", unit, name);
    g_autofree char *line = text ? g_strdup_printf("%s\n", text) : NULL;

    if (line)
        tree_write(tree, path, line);
}

static void add_unit(Tree *tree, const char *unit, const char *cap, const char *second)
{
    g_autofree char *path = g_strdup_printf("sys/devices/virtual/iommu/%s", unit);
    g_autofree char *link = g_strdup_printf("sys/class/iommu/%s", unit);

    tree_mkdir(tree, path);
    tree_link(tree, link, path);
    if (g_str_has_prefix(unit, "dmar")) {
        add_attribute(tree, unit, "intel-iommu/cap", cap);
        add_attribute(tree, unit, "intel-iommu/ecap", second);
    } else if (g_str_has_prefix(unit, "ivhd")) {
        add_attribute(tree, unit, "amd-iommu/cap", cap);
        add_attribute(tree, unit, "amd-iommu/features", second);
    }
}

static Host *read_host(Tree *tree, const char *words, const char *config)
{
    g_autofree char *text = g_strdup_printf("# CONFIG_IOMMU_DEFAULT_X is not set\n%s\n", config ?: "");
    Host *host;

    tree_write(tree, "proc/cmdline", words);
    if (config) {
        tree_write(tree, "proc/sys/kernel/osrelease", "6.12.1\n");
        tree_write(tree, "boot/config-6.12.1", text);
    }
    ck_assert_int_eq(host_read(tree->fd, &host), 0);
    return host;
}

START_TEST(default_type)
{
    g_autoptr(Tree) tree = tree_new();
    g_autoptr(Host) host = NULL;

    if (defaults[_i].unit)
        add_unit(tree, defaults[_i].unit, defaults[_i].cap, defaults[_i].second);
    host = read_host(tree, defaults[_i].words, defaults[_i].config);
    ck_assert_msg(host->boot_default == defaults[_i].boot_default, "%d: %d", _i, host->boot_default);
    ck_assert_msg(host->auto_outcome == defaults[_i].outcome, "%d: %x", _i, host->auto_outcome);
    ck_assert_ptr_null(host->disabled);
}
END_TEST

/* The service does not see /boot. */
START_TEST(configuration_is_handed_over)
{
    static const char copy[] = "run/credentials/iommu-policyd.service/kernel-config";
    g_autoptr(Tree) tree = tree_new();
    g_autoptr(Host) known = NULL, unknown = NULL;

    tree_write(tree, "proc/cmdline", "quiet");
    tree_write(tree, "proc/sys/kernel/osrelease", "6.12.1\n");
    tree_write(tree, copy, "CONFIG_IOMMU_DEFAULT_DMA_STRICT=y\n");
    ck_assert_int_eq(host_read(tree->fd, &known), 0);
    ck_assert_int_eq(known->boot_default, DOMAIN_TYPE_DMA);

    tree_write(tree, copy, "unknown");
    ck_assert_int_eq(host_read(tree->fd, &unknown), 0);
    ck_assert_int_eq(unknown->boot_default, _DOMAIN_TYPE_INVALID);
}
END_TEST

/* One in caching mode is enough for all. */
START_TEST(several_units)
{
    g_autoptr(Tree) tree = tree_new();
    g_autoptr(Host) host = NULL;

    add_unit(tree, VTD);
    add_unit(tree, "dmar1", "d2008c22260286", "f00f4a");
    add_unit(tree, "dmar2", "d2008c22260206", "f00f4a");
    host = read_host(tree, "quiet", LAZY);
    ck_assert_int_eq(host->boot_default, DOMAIN_TYPE_DMA);
}
END_TEST

/* Whether its graphics may use the IOMMU only its driver knows. */
START_TEST(ironlake)
{
    g_autoptr(Tree) tree = tree_new();
    g_autoptr(Host) host = NULL;

    add_unit(tree, VTD);
    tree_write(tree, "sys/bus/pci/devices/0000:00:00.0/device", "0x0044\n");
    host = read_host(tree, "quiet", LAZY);
    ck_assert_int_eq(host->boot_default, NONE);
    ck_assert_uint_eq(host->auto_outcome, DMA | DMA_FQ);
}
END_TEST

/* DMA-FQ that a driver may not have ends in DMA. */
START_TEST(outcome_by_family)
{
    static const struct {
        const char *family;
        DomainTypeSet lazy;
    } families[] = {
        { "intel", DMA_FQ }, { "amd", DMA_FQ }, { "smmu-v3", DMA_FQ }, { "smmu", DMA_FQ },
        { "virtio", DMA_FQ | DMA }, { "rockchip", DMA_FQ | DMA }, { NULL, DMA_FQ | DMA },
    };
    g_autoptr(Tree) tree = tree_new();
    g_autoptr(Host) lazy = read_host(tree, "quiet", LAZY), strict = read_host(tree, "iommu.strict=1", LAZY);

    for (size_t i = 0; i < G_N_ELEMENTS(families); i++) {
        ck_assert_uint_eq(default_type_outcome(lazy, families[i].family), families[i].lazy);
        ck_assert_uint_eq(default_type_outcome(strict, families[i].family), DMA);
    }
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("default-type");

    tcase_add_loop_test(cases, default_type, 0, G_N_ELEMENTS(defaults));
    tcase_add_test(cases, configuration_is_handed_over);
    tcase_add_test(cases, several_units);
    tcase_add_test(cases, ironlake);
    tcase_add_test(cases, outcome_by_family);
    return unit_run("default-type", cases);
}
