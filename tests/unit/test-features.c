/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>

#include "device-features.h"
#include "tree.h"
#include "unit.h"

#define SYSPATH "sys/devices/pci0000:00/0000:00:04.0"

static const TreeDevice nvme = { .name = "0000:00:04.0",
                                 .vendor = 0x1b36,
                                 .device = 0x10,
                                 .class_code = 0x010802,
                                 .driver = "nvme",
                                 .group = 1,
                                 .iommu = "dmar0" };

static uint8_t config[4096];

static void put16(size_t offset, uint16_t value)
{
    config[offset] = (uint8_t) value;
    config[offset + 1] = (uint8_t) (value >> 8);
}

/* Writes the header of capability ID at OFFSET. */
static void put_capability(size_t offset, uint16_t id, uint16_t next)
{
    put16(offset, id);
    put16(offset + 2, (uint16_t) (1 | next << 4));
}

static void put_all(void)
{
    memset(config, 0, sizeof(config));
    put_capability(0x100, PCI_EXT_CAP_ID_ATS, 0x140);
    put16(0x100 + PCI_ATS_CTRL, PCI_ATS_CTRL_ENABLE);
    put_capability(0x140, PCI_EXT_CAP_ID_PRI, 0x180);
    put_capability(0x180, PCI_EXT_CAP_ID_PASID, 0);
    put16(0x180 + PCI_PASID_CTRL, PCI_PASID_CTRL_ENABLE);
}

static Tree *make_tree(const TreeDevice *device, size_t config_size, const char *ecap)
{
    Tree *tree = tree_new();

    g_free(tree_add_device(tree, device));
    tree_write_bytes(tree, SYSPATH "/config", config, config_size);
    if (ecap)
        tree_write(tree, "sys/devices/virtual/iommu/dmar0/intel-iommu/ecap", ecap);
    return tree;
}

/* "ats+ pri sva-" and so on: has and enabled, has, neither is left out, enabled only is "!". */
static char *read_features(Tree *tree)
{
    GString *text = g_string_new(NULL);
    g_autoptr(GVariant) features = NULL;
    GVariantIter iter;
    const char *name;
    gboolean has, enabled;
    unsigned n = 0;

    ck_assert_int_eq(features_read(tree->fd, SYSPATH, &features), 0);
    g_variant_ref_sink(features);
    g_variant_iter_init(&iter, features);
    while (g_variant_iter_next(&iter, "{&s(bb)}", &name, &has, &enabled)) {
        n++;
        if (has || enabled)
            g_string_append_printf(text, "%s%s ", name, !has ? "!" : enabled ? "+" : "");
    }
    ck_assert_uint_eq(n, 11);
    return g_string_free(text, FALSE);
}

static const struct {
    const char *iommu, *ecap, *type, *features;
} units[] = {
    { "dmar0", "f00f4a\n", "DMA", "ats+ pasid+ identity dma-fq " }, /* what QEMU's VT-d shows */
    { "dmar0", "0\n", "DMA", "ats+ pasid+ dma-fq " },
    { "dmar0", "garbage\n", "DMA-FQ", "ats+ pasid+ dma-fq+ " },
    { "dmar0", NULL, "identity", "ats+ pasid+ identity+ dma-fq " },
    { "dmar0", "ffffffffffffffff\n", "DMA",
      "ats+ pri pasid+ sva dirty-tracking nested coherent+ snoop-control identity dma-fq " },
    /* All but scalable mode, which page requests need, too. */
    { "dmar0", "fffff7ffffffffff\n", "DMA", "ats+ pasid+ coherent+ snoop-control identity dma-fq " },
    /* Everything that AMD-Vi translates is snooped. */
    { "ivhd0", NULL, "DMA", "ats+ pasid+ coherent+ snoop-control+ identity dma-fq " },
    { "ivhd0", NULL, "identity", "ats+ pasid+ coherent+ snoop-control identity+ dma-fq " },
    { "smmu3.0x0000000009050000", NULL, "DMA-FQ", "ats+ pasid+ identity dma-fq+ " },
    { "iommu-phb0000", NULL, "unknown", "ats+ pasid+ coherent+ " },
    { "apple-dart.x", NULL, "DMA", "ats+ pasid+ " },
    { NULL, NULL, "unknown", "ats+ pasid+ " },
};

START_TEST(device_and_unit)
{
    TreeDevice device = nvme;
    g_autoptr(Tree) tree = NULL;
    g_autofree char *features = NULL;

    device.iommu = units[_i].iommu;
    put_all();
    tree = make_tree(&device, sizeof(config), units[_i].ecap);
    tree_set_group(tree, 1, units[_i].type, NULL);
    features = read_features(tree);
    ck_assert_str_eq(features, units[_i].features);
}
END_TEST

/* Each ends the walk, and none reads beyond what there is. */
static const struct {
    const char *what;
    size_t offset;
    uint16_t id, next;
    size_t size;
} odd[] = {
    { "nothing", 0x100, 0, 0, 4096 },
    { "all ones", 0x100, 0xffff, 0xfff, 4096 },
    { "itself", 0x100, 0x1, 0x100, 4096 },
    { "back into the header", 0x100, 0x1, 0x40, 4096 },
    { "the last bytes", 0x100, 0x1, 0xffc, 4096 },
    { "beyond a short file", 0x100, 0x1, 0x400, 1024 },
    { "PCI without Express", 0x100, PCI_EXT_CAP_ID_ATS, 0, 256 },
    { "what an unprivileged reader gets", 0x100, PCI_EXT_CAP_ID_ATS, 0, 64 },
    { "an empty file", 0x100, PCI_EXT_CAP_ID_ATS, 0, 0 },
};

START_TEST(odd_lists_end)
{
    g_autoptr(Tree) tree = NULL;
    g_autofree char *features = NULL;

    memset(config, 0, sizeof(config));
    put_capability(odd[_i].offset, odd[_i].id, odd[_i].next);
    if (odd[_i].id == 0xffff)
        memset(config, 0xff, sizeof(config));
    if (odd[_i].next == 0xffc)
        put16(0xffc, PCI_EXT_CAP_ID_ATS);
    tree = make_tree(&nvme, odd[_i].size, "ffffffffffffffff\n");
    features = read_features(tree);
    ck_assert_str_eq(features, "dirty-tracking nested coherent+ snoop-control identity dma-fq ");
}
END_TEST

START_TEST(a_circle_of_two_ends)
{
    g_autoptr(Tree) tree = NULL;
    g_autofree char *features = NULL;

    memset(config, 0, sizeof(config));
    put_capability(0x100, 1, 0x140);
    put_capability(0x140, 2, 0x100);
    tree = make_tree(&nvme, sizeof(config), "0\n");
    features = read_features(tree);
    ck_assert_str_eq(features, "dma-fq ");
}
END_TEST

START_TEST(a_virtual_function_uses_its_physical_ones)
{
    TreeDevice virtual_function = nvme;
    g_autoptr(Tree) tree = NULL;
    g_autofree char *features = NULL, *physical = NULL;

    virtual_function.physfn = "sys/devices/pci0000:00/0000:00:05.0";
    memset(config, 0, sizeof(config));
    put_capability(0x100, PCI_EXT_CAP_ID_ATS, 0);
    tree = make_tree(&virtual_function, sizeof(config), "ffffffffffffffff\n");
    physical = tree_add_device(tree, &(TreeDevice){ .name = "0000:00:05.0", .group = -1 });
    put_all();
    tree_write_bytes(tree, "sys/devices/pci0000:00/0000:00:05.0/config", config, sizeof(config));
    features = read_features(tree);
    ck_assert_str_eq(features,
                     "ats pri pasid+ sva dirty-tracking nested coherent+ snoop-control identity dma-fq ");
}
END_TEST

START_TEST(without_config_space)
{
    g_autoptr(Tree) tree = make_tree(&nvme, 0, "40\n");
    g_autofree char *features = NULL;
    GVariant *none = NULL;

    tree_remove(tree, SYSPATH "/config");
    features = read_features(tree);
    ck_assert_str_eq(features, "identity dma-fq ");
    ck_assert_int_eq(features_read(tree->fd, "sys/devices/pci0000:00/0000:00:09.0", &none), -ENODEV);
    ck_assert_ptr_null(none);
}
END_TEST

/* A device behind an SMMU that is no PCI function. */
START_TEST(a_platform_device_answers)
{
    g_autoptr(Tree) tree = tree_new();
    g_autofree char *syspath = tree_add_device(tree, &(TreeDevice){ .bus = "amba",
                                                                    .name = "9010000.pl031",
                                                                    .driver = "rtc-pl031",
                                                                    .group = 3,
                                                                    .iommu = "smmu3.0x0000000009050000" });
    g_autofree char *features = NULL;
    GVariant *answer = NULL;

    ck_assert_int_eq(features_read(tree->fd, syspath, &answer), 0);
    features = g_variant_print(g_variant_ref_sink(answer), FALSE);
    ck_assert_ptr_nonnull(strstr(features, "'ats': (false, false)"));
    ck_assert_ptr_nonnull(strstr(features, "'identity': (true, false)"));
    ck_assert_ptr_nonnull(strstr(features, "'dma-fq': (true, false)"));
    g_variant_unref(answer);
}
END_TEST

static const struct {
    const char *family, *feature;
    bool told;
} told[] = {
    { "intel", "nested", true },      { "amd", "pasid", true },         { "smmu-v3", "ats", false },
    { "smmu-v3", "identity", true },  { "smmu-v3", "coherent", false }, { "smmu-v3", "dma-fq", true },
    { "smmu-v3", "aux", true },       { "smmu", "pasid", true },        { "smmu", "coherent", false },
    { "virtio", "nested", true },     { "ppc64", "identity", true },    { "apple", "identity", false },
    { "riscv", "dma-fq", true },      { "", "ats", true },              { "tegra-smmu", "ats", false },
};

START_TEST(what_is_told)
{
    ck_assert_int_eq(feature_is_told(told[_i].family, told[_i].feature), told[_i].told);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("features");

    tcase_add_loop_test(cases, device_and_unit, 0, G_N_ELEMENTS(units));
    tcase_add_loop_test(cases, odd_lists_end, 0, G_N_ELEMENTS(odd));
    tcase_add_test(cases, a_circle_of_two_ends);
    tcase_add_test(cases, a_virtual_function_uses_its_physical_ones);
    tcase_add_test(cases, without_config_space);
    tcase_add_test(cases, a_platform_device_answers);
    tcase_add_loop_test(cases, what_is_told, 0, G_N_ELEMENTS(told));
    return unit_run("features", cases);
}
