/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "device.h"
#include "tree.h"
#include "unit.h"

static const TreeDevice nvme = {
    .name = "0000:01:00.0",
    .parent = "pci0000:00/0000:00:05.0",
    .vendor = 0x144d,
    .device = 0xa808,
    .subsystem_vendor = 0x144d,
    .subsystem_device = 0xa801,
    .class_code = 0x010802,
    .driver = "nvme",
    .group = 7,
    .iommu = "dmar0",
};

static const TreeDevice port = {
    .name = "0000:00:05.0",
    .vendor = 0x8086,
    .device = 0x3420,
    .class_code = 0x060400,
    .driver = "pcieport",
    .group = 3,
    .iommu = "dmar0",
};

static Device *read_device(Tree *tree, const TreeDevice *what, const Device *previous)
{
    g_autofree char *syspath = tree_add_device(tree, what);
    Device *device = NULL;

    ck_assert_int_eq(device_read(tree->fd, syspath, previous, &device), 0);
    return device;
}

START_TEST(reads_a_pci_device)
{
    g_autoptr(Tree) tree = tree_new();
    g_autoptr(Device) bridge = read_device(tree, &port, NULL), device = read_device(tree, &nvme, NULL);
    g_autofree char *key = device_key(device);

    ck_assert_str_eq(device->facts->bus, "pci");
    ck_assert_str_eq(device->facts->name, "0000:01:00.0");
    ck_assert_str_eq(device->facts->path, "pci0000:00/0000:00:05.0/0000:01:00.0");
    ck_assert_str_eq(key, "pci:0000:01:00.0");
    ck_assert_uint_eq(device->facts->vendor, 0x144d);
    ck_assert_uint_eq(device->facts->device, 0xa808);
    ck_assert_uint_eq(device->facts->subsystem_vendor, 0x144d);
    ck_assert_uint_eq(device->facts->subsystem_device, 0xa801);
    ck_assert_uint_eq(device->facts->class_code, 0x010802);
    ck_assert_str_eq(device->facts->modalias, "pci:v0000144Dd0000A808sv0000144Dsd0000A801bc01sc08i02");
    ck_assert_str_eq(device->facts->iommu, "intel");
    ck_assert_str_eq(device->iommu, "dmar0");
    ck_assert_int_eq(device->group, 7);
    ck_assert_str_eq(device->driver, "nvme");
    ck_assert_str_eq(device->facts->driver, "nvme");
    ck_assert(device->facts->driver_known);
    ck_assert(device->unbindable);
    ck_assert(!device->is_iommu);
    ck_assert(!device->facts->bridge);
    ck_assert(!device->facts->manages_dma);
    ck_assert(!device->facts->udev_known);
    ck_assert_int_eq(device->facts->untrusted, TRISTATE_NO);
    ck_assert_int_eq(device->facts->virtual_function, TRISTATE_NO);
    ck_assert_int_eq(device->facts->reserved_direct, TRISTATE_UNKNOWN);
    ck_assert_uint_eq(device->facts->dma_mask_bits, 64);

    ck_assert(bridge->facts->bridge);
    ck_assert(bridge->facts->manages_dma);
    ck_assert_uint_eq(bridge->facts->subsystem_vendor, FACT_NO_ID);
}
END_TEST

START_TEST(ids_without_modalias)
{
    g_autoptr(Tree) tree = tree_new();
    g_autofree char *syspath = tree_add_device(tree, &nvme),
                    *modalias = g_strconcat(syspath, "/modalias", NULL);
    g_autoptr(Device) device = NULL;

    tree_write(tree, modalias, "pci:v0000144Dd0000A8\n");
    ck_assert_int_eq(device_read(tree->fd, syspath, NULL, &device), 0);
    ck_assert_uint_eq(device->facts->device, 0xa808);
    ck_assert_uint_eq(device->facts->subsystem_device, 0xa801);
    ck_assert_uint_eq(device->facts->class_code, 0x010802);
}
END_TEST

START_TEST(garbage_attributes_are_absent)
{
    static const char *const names[] = { "modalias",      "vendor",    "device",          "class",
                                         "dma_mask_bits", "subsystem_vendor" };
    g_autoptr(Tree) tree = tree_new();
    g_autofree char *syspath = tree_add_device(tree, &nvme);
    g_autoptr(Device) device = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_strconcat(syspath, "/", names[i], NULL);

        tree_write_bytes(tree, path, "\xff\0zz99999999999999999999999999\n", 32);
    }
    ck_assert_int_eq(device_read(tree->fd, syspath, NULL, &device), 0);
    ck_assert_uint_eq(device->facts->vendor, FACT_NO_ID);
    ck_assert_uint_eq(device->facts->class_code, FACT_NO_ID);
    ck_assert_uint_eq(device->facts->dma_mask_bits, 0);
    ck_assert_ptr_null(device->facts->modalias);
    ck_assert(!device->facts->bridge);
}
END_TEST

START_TEST(reads_a_platform_device)
{
    g_autoptr(Tree) tree = tree_new();
    g_autoptr(Device) device = read_device(tree,
                                           &(TreeDevice){ .bus = "platform",
                                                          .name = "8804000.mmc",
                                                          .parent = "platform/soc@0",
                                                          .group = 2,
                                                          .iommu = "smmu.0x15000000" },
                                           NULL);

    ck_assert_str_eq(device->facts->bus, "platform");
    ck_assert_str_eq(device->facts->path, "platform/soc@0/8804000.mmc");
    ck_assert_uint_eq(device->facts->vendor, FACT_NO_ID);
    ck_assert_uint_eq(device->facts->class_code, FACT_NO_ID);
    ck_assert_str_eq(device->facts->modalias, "platform:8804000.mmc");
    ck_assert_str_eq(device->facts->iommu, "smmu");
    ck_assert_ptr_null(device->driver);
    ck_assert(!device->facts->driver_known);
    ck_assert(!device->unbindable);
    ck_assert(!device->facts->bridge);
}
END_TEST

START_TEST(reads_driver_override)
{
    static const struct { const char *text, *wanted; } table[] = {
        { "(null)\n", NULL }, { "\n", NULL }, { "vfio-pci\n", "vfio-pci" }, { NULL, NULL },
    };
    g_autoptr(Tree) tree = tree_new();
    g_autofree char *syspath = tree_add_device(tree, &(TreeDevice){ .name = "0000:00:04.0", .group = 7 });
    g_autofree char *path = g_strconcat(syspath, "/driver_override", NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
        g_autofree char *override = NULL;
        _cleanup_close_ int fd = openat(tree->fd, syspath, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (table[i].text)
            tree_write(tree, path, table[i].text);
        else
            tree_remove(tree, path);
        ck_assert_int_eq(device_read_override(fd, &override), table[i].text ? 0 : -ENOENT);
        ck_assert_pstr_eq(override, table[i].wanted);
    }
}
END_TEST

START_TEST(reads_a_virtual_function)
{
    g_autoptr(Tree) tree = tree_new();
    g_autofree char *physical = tree_add_device(tree, &nvme);
    g_autoptr(Device) device = read_device(tree,
                                           &(TreeDevice){ .name = "0000:01:00.1",
                                                          .parent = "pci0000:00/0000:00:05.0",
                                                          .vendor = 0x144d,
                                                          .device = 0xa80a,
                                                          .class_code = 0x010802,
                                                          .group = 8,
                                                          .physfn = physical },
                                           NULL);

    ck_assert_int_eq(device->facts->virtual_function, TRISTATE_YES);
    ck_assert_str_eq(device->physical_function, "0000:01:00.0");
    ck_assert_uint_eq(device->facts->pf_vendor, 0x144d);
    ck_assert_uint_eq(device->facts->pf_device, 0xa808);
    ck_assert_int_eq(device->facts->untrusted, TRISTATE_NO);
}
END_TEST

/* Where a word stands, and whether it makes the member untrusted. */
static const struct {
    const char *path, *text;
    Tristate untrusted;
    const char *iommu;
} trust[] = {
    { "sys/devices/pci0000:00/0000:00:05.0/0000:01:00.1/removable", "removable\n", TRISTATE_YES },
    { "sys/devices/pci0000:00/0000:00:05.0/0000:01:00.1/removable", "fixed\n", TRISTATE_NO },
    { "sys/devices/pci0000:00/0000:00:05.0/0000:01:00.1/removable", "unknown\n", TRISTATE_NO },
    { "sys/devices/pci0000:00/0000:00:05.0/0000:01:00.0/removable", "removable\n", TRISTATE_YES }, /* PF */
    { "sys/devices/pci0000:00/0000:00:05.0/removable", "removable\n", TRISTATE_YES },
    { "sys/devices/pci0000:00/removable", "removable\n", TRISTATE_YES },
    { "sys/devices/removable", "removable\n", TRISTATE_NO },
    { "sys/devices/pci0000:00/0000:00:05.0/of_node/external-facing", "", TRISTATE_YES },
    { "sys/devices/pci0000:00/0000:00:05.0/of_node/external-facing", "", TRISTATE_YES, "smmu3.0x8050000" },
    { "sys/devices/pci0000:00/0000:00:05.0/of_node/external-facing", "", TRISTATE_NO, "dmar0" },
    { "sys/devices/pci0000:00/0000:00:05.0/removable", "removable\n", TRISTATE_YES, "dmar0" },
    { "sys/devices/pci0000:00/0000:00:05.0/0000:01:00.1/of_node/external-facing", "", TRISTATE_NO },
    { "sys/devices/pci0000:00/0000:00:05.0/removable",
      "a text that is far too long to be any word the kernel uses\n", TRISTATE_UNKNOWN },
};

START_TEST(judges_trust)
{
    g_autoptr(Tree) tree = tree_new();
    g_autofree char *physical = tree_add_device(tree, &nvme);
    g_autoptr(Device) device = NULL;

    tree_write(tree, trust[_i].path, trust[_i].text);
    device = read_device(
        tree,
        &(TreeDevice){
            .name = "0000:01:00.1", .parent = "pci0000:00/0000:00:05.0", .group = 8, .physfn = physical,
            .iommu = trust[_i].iommu },
        NULL);
    ck_assert_int_eq(device->facts->untrusted, trust[_i].untrusted);
}
END_TEST

START_TEST(an_iommu_is_told_by_its_folder)
{
    g_autoptr(Tree) tree = tree_new();
    g_autofree char *syspath =
        tree_add_device(tree, &(TreeDevice){ .name = "0000:00:01.0", .class_code = 0x080600, .group = -1 });
    g_autoptr(Device) device = NULL;

    tree_mkdir(tree, "sys/devices/pci0000:00/0000:00:01.0/iommu/ivhd0");
    ck_assert_int_eq(device_read(tree->fd, syspath, NULL, &device), 0);
    ck_assert(device->is_iommu);
    ck_assert_ptr_null(device->iommu);
    ck_assert_ptr_null(device->facts->iommu);
    ck_assert_int_eq(device->group, -1);
}
END_TEST

START_TEST(what_is_no_device)
{
    static const struct {
        const char *syspath;
        int result;
    } cases[] = {
        { "sys/devices/pci0000:00/0000:00:09.0", -ENODEV },
        { "sys/devices/pci0000:00", -ENODEV },
        { "sys/devices/pci0000:00/0000:01:00.0/uevent", -ENODEV },
        { "sys/bus/pci/devices/0000:01:00.0", -EINVAL },
        { "sys/devices/../kernel", -EINVAL },
        { "sys/devices/", -EINVAL },
        { "sys/devices/a//b", -EINVAL },
        { "/sys/devices/a", -EINVAL },
        { "sys/devices/a/.", -EINVAL },
        { "sys/devices/a/", -EINVAL },
        { "sys/devices/virtual/net/lo", -ENODEV },
    };
    g_autoptr(Tree) tree = tree_new();
    g_autoptr(Device) there = read_device(tree, &nvme, NULL);
    Device *device = NULL;
    ck_assert_ptr_nonnull(there);
    tree_link(tree, "sys/devices/virtual/net/lo/subsystem", "sys/class/net");
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        ck_assert_msg(device_read(tree->fd, cases[i].syspath, NULL, &device) == cases[i].result, "%s",
                      cases[i].syspath);
    ck_assert_ptr_null(device);
}
END_TEST

/* The kernel removes `uevent` first: what is left of the attributes must not be believed. */
START_TEST(a_device_that_is_going_is_gone)
{
    g_autoptr(Tree) tree = tree_new();
    g_autofree char *syspath = tree_add_device(tree, &nvme), *uevent = g_strconcat(syspath, "/uevent", NULL);
    Device *device = NULL;

    tree_remove(tree, uevent);
    ck_assert_int_eq(device_read(tree->fd, syspath, NULL, &device), -ENODEV);
    ck_assert_ptr_null(device);
}
END_TEST

static void give_udev_facts(Device *device)
{
    g_autoptr(GHashTable) properties = g_hash_table_new(g_str_hash, g_str_equal);
    char *macs[] = { (char *) "52:54:00:AB:cd:EF", NULL }, *serials[] = { (char *) "S1", NULL };

    g_hash_table_insert(properties, (gpointer) "ID_MODEL_FROM_DATABASE", (gpointer) "Model X");
    device_set_udev(device, properties, macs, serials);
}

START_TEST(udev_facts)
{
    g_autoptr(Tree) tree = tree_new();
    g_autoptr(Device) device = read_device(tree, &nvme, NULL);

    give_udev_facts(device);
    ck_assert(device->facts->udev_known);
    ck_assert_str_eq(device->model_name, "Model X");
    ck_assert_str_eq(device->facts->mac_addresses[0], "52:54:00:ab:cd:ef");
    ck_assert_str_eq(device->facts->serials[0], "S1");

    device_set_udev(device, NULL, NULL, NULL);
    ck_assert(device->facts->udev_known);
    ck_assert_ptr_null(device->model_name);
    ck_assert_ptr_null(device->facts->properties);
    ck_assert_ptr_null(device->facts->mac_addresses);
}
END_TEST

/* The bus carries text alone, and udev's files are anybody's. */
START_TEST(model_name_is_text)
{
    g_autoptr(GHashTable) properties = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(Tree) tree = tree_new();
    g_autoptr(Device) device = read_device(tree, &nvme, NULL);

    g_hash_table_insert(properties, (gpointer) "ID_MODEL_FROM_DATABASE", (gpointer) "Model\xff");
    device_set_udev(device, properties, NULL, NULL);
    ck_assert_str_eq(device->model_name, "Model\xef\xbf\xbd");
}
END_TEST

START_TEST(late_facts_follow_the_inode)
{
    g_autoptr(Tree) tree = tree_new();
    g_autofree char *syspath = tree_add_device(tree, &nvme);
    g_autoptr(Device) bound = NULL, unbound = NULL, other = NULL, successor = NULL;

    ck_assert_int_eq(device_read(tree->fd, syspath, NULL, &bound), 0);
    give_udev_facts(bound);
    bound->facts->reserved_direct = TRISTATE_YES;
    tree_bind(tree, syspath, NULL);

    ck_assert_int_eq(device_read(tree->fd, syspath, bound, &unbound), 0);
    ck_assert(device_same(bound, unbound));
    ck_assert_ptr_null(unbound->driver);
    ck_assert(unbound->facts->driver_known);
    ck_assert_str_eq(unbound->facts->driver, "nvme");
    ck_assert(!unbound->facts->manages_dma);
    ck_assert_int_eq(unbound->facts->reserved_direct, TRISTATE_YES);
    ck_assert_str_eq(g_hash_table_lookup(unbound->facts->properties, "ID_MODEL_FROM_DATABASE"), "Model X");
    ck_assert_str_eq(unbound->model_name, "Model X");

    tree_bind(tree, syspath, "vfio-pci");
    ck_assert_int_eq(device_read(tree->fd, syspath, unbound, &other), 0);
    ck_assert_str_eq(other->facts->driver, "vfio-pci");
    ck_assert(other->facts->manages_dma);

    bound->inode++;
    tree_bind(tree, syspath, NULL);
    ck_assert_int_eq(device_read(tree->fd, syspath, bound, &successor), 0);
    ck_assert(!device_same(bound, successor));
    ck_assert(!successor->facts->driver_known);
    ck_assert(!successor->facts->udev_known);
    ck_assert_int_eq(successor->facts->reserved_direct, TRISTATE_UNKNOWN);
}
END_TEST

START_TEST(finds_by_name)
{
    g_autoptr(Tree) tree = tree_new();
    g_autofree char *syspath = tree_add_device(tree, &nvme), *found = NULL;

    ck_assert_int_eq(device_find(tree->fd, "pci", "0000:01:00.0", &found), 0);
    ck_assert_str_eq(found, syspath);
    g_clear_pointer(&found, g_free);
    ck_assert_int_eq(device_find(tree->fd, "pci", "0000:01:00.9", &found), -ENODEV);
    ck_assert_int_eq(device_find(tree->fd, "usb", "0000:01:00.0", &found), -ENODEV);
    ck_assert_int_eq(device_find(tree->fd, "pci", "../devices/0000:01:00.0", &found), -ENODEV);
    ck_assert_int_eq(device_find(tree->fd, "..", "x", &found), -ENODEV);
    ck_assert_int_eq(device_find(tree->fd, "", "", &found), -ENODEV);
    ck_assert_int_eq(symlinkat("../../../../etc", tree->fd, "sys/bus/pci/devices/evil"), 0);
    ck_assert_int_eq(device_find(tree->fd, "pci", "evil", &found), -ENODEV);
    ck_assert_ptr_null(found);
}
END_TEST

static const struct {
    const char *driver;
    bool manages_dma, vfio;
} drivers[] = {
    { "pcieport", true, false },
    { "pci-stub", true, false },
    { "vfio-pci", true, true },
    { "mlx5_vfio_pci", true, true },
    { "vfio-platform", true, true },
    { "vfio-amba", true, true },
    { "hisi-acc-vfio-pci", true, true },
    { "xe-vfio-pci", true, true },
    { "vfio-fsl-mc", true, true },
    { "nvgrace_gpu_vfio_pci", true, true },
    { "nvme", false, false },
    { "uio_pci_generic", false, false },
    { "shpchp", false, false },
    { "pciback", false, false },
    { "", false, false },
    { "notvfio", false, false },
};

START_TEST(knows_drivers)
{
    ck_assert_int_eq(driver_manages_dma(drivers[_i].driver), drivers[_i].manages_dma);
    ck_assert_int_eq(driver_is_vfio(drivers[_i].driver), drivers[_i].vfio);
}
END_TEST

static const struct {
    const char *name, *family;
    bool dma_fq;
} iommus[] = {
    { "dmar0", "intel", true },
    { "ivhd1", "amd", true },
    { "smmu3.0x0000000009050000", "smmu-v3", true },
    { "smmu.0x15000000", "smmu", true },
    { "0000:00:01.0", "virtio", true },
    { "riscv-iommu@0000:00:01.0", "riscv", true },
    { "s390-iommu.00000123", "s390", true },
    { "apple-dart.382f00000.iommu", "apple", false },
    { "iommu-phb0000", "ppc64", false },
    { "ff373f00.iommu", "ff373f00.iommu", false },
    { "../dmar0", "../dmar0", false },
};

START_TEST(knows_iommu_families)
{
    g_autoptr(Tree) tree = tree_new();
    g_autofree char *family = NULL;

    tree_link(tree, "sys/class/iommu/0000:00:01.0",
              "sys/devices/pci0000:00/0000:00:01.0/virtio0/iommu/0000:00:01.0");
    tree_link(tree, "sys/class/iommu/ff373f00.iommu",
              "sys/devices/platform/ff373f00.iommu/iommu/ff373f00.iommu");
    family = iommu_family(tree->fd, iommus[_i].name);
    ck_assert_str_eq(family, iommus[_i].family);
    ck_assert_int_eq(iommu_family_has_dma_fq(family), iommus[_i].dma_fq);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("device");

    tcase_add_test(cases, reads_a_pci_device);
    tcase_add_test(cases, ids_without_modalias);
    tcase_add_test(cases, garbage_attributes_are_absent);
    tcase_add_test(cases, reads_a_platform_device);
    tcase_add_test(cases, reads_driver_override);
    tcase_add_test(cases, reads_a_virtual_function);
    tcase_add_loop_test(cases, judges_trust, 0, G_N_ELEMENTS(trust));
    tcase_add_test(cases, an_iommu_is_told_by_its_folder);
    tcase_add_test(cases, what_is_no_device);
    tcase_add_test(cases, a_device_that_is_going_is_gone);
    tcase_add_test(cases, udev_facts);
    tcase_add_test(cases, model_name_is_text);
    tcase_add_test(cases, late_facts_follow_the_inode);
    tcase_add_test(cases, finds_by_name);
    tcase_add_loop_test(cases, knows_drivers, 0, G_N_ELEMENTS(drivers));
    tcase_add_loop_test(cases, knows_iommu_families, 0, G_N_ELEMENTS(iommus));
    return unit_run("device", cases);
}
