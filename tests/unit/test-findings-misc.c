/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>

#include "scene.h"
#include "unit.h"

static Tree *tree;

static void set_up(void)
{
    tree = scene_new();
}

static void tear_down(void)
{
    g_clear_pointer(&tree, tree_free);
}

static char *add(uint32_t class_code, const char *driver)
{
    return tree_add_device(tree, &(TreeDevice){ .name = "0000:00:06.0",
                                                .vendor = 0x8086,
                                                .device = 0x1234,
                                                .class_code = class_code,
                                                .driver = driver,
                                                .group = 7 });
}

static void expect(const char *syspath, const char *ids)
{
    scene_expect_ids(tree, syspath, FINDINGS_ALL, ids);
}

START_TEST(virtual_functions)
{
    g_autofree char *device = scene_add_nvme(tree), *link = g_strconcat(device, "/virtfn0", NULL);
    g_autofree char *none = g_strconcat(device, "/sriov_numvfs", NULL);
    g_autoptr(GPtrArray) after = NULL;

    tree_write(tree, none, "0\n");
    expect(device, "");
    tree_link(tree, link, "sys/devices/pci0000:00/0000:00:06.0");
    after = scene_expect(tree, device, FINDINGS_ALL, "vf:0000:00:04.0@0000:00:04.0");
    ck_assert_int_eq(((Finding *) after->pdata[0])->severity, FINDING_ABSOLUTE);
}
END_TEST

#define LINKS "sys/devices/virtual/devlink/"

/* Makes CONSUMER, of the PCI bus, need SUPPLIER, as the kernel shows it. */
static void add_consumer(const char *supplier, const char *consumer)
{
    g_autofree char *one = g_path_get_basename(supplier), *other = g_path_get_basename(consumer);
    g_autofree char *link = g_strdup_printf(LINKS "pci:%s--pci:%s", one, other);
    g_autofree char *to_consumer = g_strconcat(link, "/consumer", NULL);
    g_autofree char *to_supplier = g_strconcat(link, "/supplier", NULL);
    g_autofree char *from = g_strdup_printf("%s/consumer:pci:%s", supplier, other);
    g_autofree char *back = g_strdup_printf("%s/supplier:pci:%s", consumer, one);

    tree_link(tree, to_consumer, consumer);
    tree_link(tree, to_supplier, supplier);
    tree_link(tree, from, link);
    tree_link(tree, back, link);
}

START_TEST(consumers)
{
    g_autofree char *device = scene_add_nvme(tree), *consumer = add(0x0c0330, NULL);
    g_autofree char *link = g_strconcat(device, "/consumer:pci:0000:00:06.0", NULL);
    char *both[] = { device, consumer, NULL };
    g_autoptr(GPtrArray) findings = NULL, of_both = NULL;

    add_consumer(device, consumer);
    expect(device, "");   /* nobody drives the consumer */
    expect(consumer, ""); /* and what it needs itself is no matter */
    tree_bind(tree, consumer, "vfio-pci");
    findings = scene_expect(tree, device, FINDINGS_ALL, "consumer:pci:0000:00:06.0@0000:00:04.0");
    ck_assert_int_eq(((Finding *) findings->pdata[0])->severity, FINDING_ABSOLUTE);
    ck_assert_ptr_nonnull(strstr(((Finding *) findings->pdata[0])->text, "vfio-pci"));
    /* Both are unbound by the change. */
    ck_assert_int_eq(findings_collect(tree->fd, both, FINDINGS_ALL, &of_both), 0);
    ck_assert_uint_eq(of_both->len, 0);
    /* A link that is none does not count as read. */
    tree_remove(tree, link);
    tree_write(tree, link, "");
    expect(device, "unknown:/sys/devices/pci0000:00/0000:00:04.0/consumer:pci:0000:00:06.0@0000:00:04.0");
}
END_TEST

/* The disks of one host need each other; another device needs one of them. */
START_TEST(consumers_below)
{
    g_autofree char *device = scene_add_nvme(tree), *consumer = add(0x0c0330, "vfio-pci");
    g_autofree char *one = g_strconcat(device, "/nvme/nvme0", NULL);
    g_autofree char *other = g_strconcat(device, "/nvme/nvme0/nvme0n1", NULL), *driver = NULL;

    driver = g_strconcat(other, "/driver", NULL);
    tree_mkdir(tree, "sys/bus/scsi/drivers/sd");
    tree_link(tree, driver, "sys/bus/scsi/drivers/sd");
    add_consumer(one, other);
    expect(device, "");
    add_consumer(one, consumer);
    expect(device, "consumer:pci:0000:00:06.0@0000:00:04.0");
}
END_TEST

/* A function of one change may be the other's: still all virtual functions vanish when the PF is unbound. */
START_TEST(virtual_function_and_its_function)
{
    g_autofree char *pf = scene_add_nvme(tree), *link = g_strconcat(pf, "/virtfn0", NULL);
    g_autofree char *vf = tree_add_device(tree, &(TreeDevice){ .name = "0000:00:04.1",
                                                               .vendor = 0x1b36,
                                                               .device = 0x0010,
                                                               .class_code = 0x010802,
                                                               .physfn = pf,
                                                               .group = 7 });
    char *both[] = { pf, vf, NULL };
    g_autoptr(GPtrArray) findings = NULL;

    tree_link(tree, link, vf);
    expect(vf, "");
    ck_assert_int_eq(findings_collect(tree->fd, both, FINDINGS_ALL, &findings), 0);
    ck_assert_uint_eq(findings->len, 1);
    scene_find(findings, "vf:0000:00:04.0@0000:00:04.0");
}
END_TEST

static const struct {
    uint32_t class_code;
    const char *driver, *ids;
} classes[] = {
    { 0x060000, NULL, "infrastructure:0000:00:06.0@0000:00:06.0" },
    { 0x060100, "lpc_ich", "infrastructure:0000:00:06.0@0000:00:06.0" },
    { 0x060400, "pcieport", "infrastructure:0000:00:06.0@0000:00:06.0" },
    { 0x050200, "cxl_pci", "infrastructure:0000:00:06.0@0000:00:06.0" },
    { 0x080600, NULL, "infrastructure:0000:00:06.0@0000:00:06.0" },
    { 0x088000, "i6300esb", "infrastructure:0000:00:06.0@0000:00:06.0" },
    { 0x0c0701, "ipmi_si", "infrastructure:0000:00:06.0@0000:00:06.0" },
    { 0x030000, "i915", "unknown:class-030000@0000:00:06.0" },
    { 0x040300, "snd_hda_intel", "unknown:class-040300@0000:00:06.0" },
    { 0x0c0330, "xhci_hcd", "unknown:class-0c0330@0000:00:06.0" },
    { 0x0c0400, "qla2xxx", "unknown:class-0c0400@0000:00:06.0" },
    { 0x120000, "habanalabs", "unknown:class-120000@0000:00:06.0" },
    { 0x010601, "no-child-yet", "unknown:class-010601@0000:00:06.0" },
    { 0x020000, "ixgbe", "netns:no-interface@0000:00:06.0" },
    { 0x030000, NULL, "" },
    { 0x030000, "vfio-pci", "" },
    { 0x020000, "pci-stub", "" },
    { 0x020000, NULL, "" },
};

START_TEST(by_class)
{
    g_autofree char *device = add(classes[_i].class_code, classes[_i].driver);
    g_autoptr(GPtrArray) findings = scene_expect(tree, device, FINDINGS_ALL, classes[_i].ids);

    for (unsigned i = 0; i < findings->len; i++) {
        const Finding *finding = findings->pdata[i];

        if (finding->kind == FINDING_UNKNOWN)
            ck_assert_int_eq(finding->severity, FINDING_DISRUPTIVE);
    }
}
END_TEST

static const struct {
    uint32_t class_code;
    const char *child, *subsystem, *driver, *ids;
} children[] = {
    { 0x010601, "ata1", "ata_port", NULL, "" },
    { 0x010601, "host0", "scsi_host", NULL, "" },
    { 0x010700, "host0", "scsi", "sd", "unknown:class-010700@0000:00:06.0" },
    { 0x010000, "virtio0", "virtio", "virtio_blk", "" },
    { 0x010000, "virtio0", "virtio", "virtio_scsi", "" },
    { 0x018000, "virtio0", "virtio", "virtiofs", "unknown:virtio@0000:00:06.0" },
    { 0x010802, "nvme/nvme0", "nvme", NULL, "" },
    { 0x010802, "nvme/nvme0/hwmon0", "hwmon", NULL, "unknown:class-010802@0000:00:06.0" },
    { 0x010802, "watchdog/watchdog0", "watchdog", NULL,
      "infrastructure:watchdog0@0000:00:06.0 unknown:class-010802@0000:00:06.0" },
    { 0x010802, "tpm/tpm0", "tpm", NULL,
      "infrastructure:tpm0@0000:00:06.0 unknown:class-010802@0000:00:06.0" },
    { 0x010802, "rtc/rtc0", "rtc", NULL,
      "infrastructure:rtc0@0000:00:06.0 unknown:class-010802@0000:00:06.0" },
    { 0x010802, "nd/nd0", "nd", NULL, "infrastructure:nd0@0000:00:06.0 unknown:class-010802@0000:00:06.0" },
    { 0x010802, "misc/watchdog", "misc", NULL,
      "infrastructure:watchdog@0000:00:06.0 unknown:class-010802@0000:00:06.0" },
    { 0x010802, "misc/other", "misc", NULL,
      "unknown:class-010802@0000:00:06.0 unknown:misc@0000:00:06.0" },
    { 0x010802, "virtio0/iommu/0000:00:06.0", "iommu", NULL,
      "infrastructure:0000:00:06.0@0000:00:06.0 unknown:class-010802@0000:00:06.0" },
    { 0x010802, "ipmi/ipmi0", "ipmi", NULL,
      "infrastructure:ipmi0@0000:00:06.0 unknown:class-010802@0000:00:06.0" },
    { 0x010802, "mem0", "cxl", NULL, "infrastructure:mem0@0000:00:06.0 unknown:class-010802@0000:00:06.0" },
    { 0x010802, "dax0.0", "dax", NULL,
      "infrastructure:dax0.0@0000:00:06.0 unknown:class-010802@0000:00:06.0" },
    { 0x010400, "host0/scsi_tape/st0", "scsi_tape", NULL,
      "unknown:class-010400@0000:00:06.0" },
    { 0x020000, "infiniband/mlx5_0", "infiniband", NULL,
      "netns:no-interface@0000:00:06.0" },
    { 0x020000, "mlx5_core.eth.0", "auxiliary", "mlx5_core.eth", "netns:no-interface@0000:00:06.0" },
    { 0x020000, "mlx5_core.sf.2", "auxiliary", "mlx5_core.sf",
      "netns:no-interface@0000:00:06.0 unknown:auxiliary@0000:00:06.0" },
    { 0x020000, "mlx5_core.vnet.0", "auxiliary", NULL, "netns:no-interface@0000:00:06.0" },
    { 0x028000, "ieee80211/phy0", "ieee80211", NULL, "" },
    { 0x028000, "ieee80211/phy0/rfkill1", "rfkill", NULL, "netns:no-interface@0000:00:06.0" },
    /* USB: what is plugged in says it */
    { 0x0c0330, "usb1", "usb", "usb", "" },
    { 0x0c0330, "usb1/1-0:1.0", "usb", "hub", "" },
    { 0x0c0330, "usb1/1-1/1-1:1.0", "usb", NULL, "" },
    { 0x0c0330, "usb1/1-1/1-1:1.0", "usb", "usbfs", "unknown:usb@0000:00:06.0" },
    { 0x0c0330, "usb1/1-1/1-1:1.0", "usb", "dvb_usb", "unknown:usb@0000:00:06.0" },
    { 0x0c0330, "usb1/1-1/1-1:1.0/bluetooth/hci0", "bluetooth", NULL,
      "unknown:bluetooth@0000:00:06.0 unknown:class-0c0330@0000:00:06.0" },
    { 0x0c0340, "domain0", "thunderbolt", NULL,
      "unknown:class-0c0340@0000:00:06.0 unknown:thunderbolt@0000:00:06.0" },
    { 0x0c0500, "i2c-0", "i2c", NULL, "unknown:class-0c0500@0000:00:06.0" },
    { 0x070002, "tty/ttyS4", "tty", NULL,
      "unknown:/proc/consoles@0000:00:06.0 unknown:class-070002@0000:00:06.0 unknown:tty@0000:00:06.0" },
};

START_TEST(by_child)
{
    g_autofree char *device = add(children[_i].class_code, "any");

    scene_add_bound(tree, device, children[_i].child, children[_i].subsystem, children[_i].driver);
    expect(device, children[_i].ids);
}
END_TEST

START_TEST(driver_that_cannot_be_unbound)
{
    g_autofree char *device = scene_add_nvme(tree);

    tree_remove(tree, "sys/bus/pci/drivers/nvme/unbind");
    tree_remove(tree, "sys/bus/pci/drivers/nvme/bind");
    expect(device, "infrastructure:nvme@0000:00:04.0");
}
END_TEST

START_TEST(error_detection)
{
    g_autofree char *device = add(0x110000, "igen6_edac");

    expect(device, "infrastructure:igen6_edac@0000:00:06.0 unknown:class-110000@0000:00:06.0");
}
END_TEST

#define ALGORITHM(driver, module, count)                                                                   \
    "name         : xts(aes)\n"                                                                            \
    "driver       : " driver "\n"                                                                          \
    "module       : " module "\n"                                                                          \
    "priority     : 100\nrefcnt       : " count "\nselftest     : passed\ninternal     : no\n\n"

/* Rows: which module holds which, what is registered, the finding. */
static const struct {
    const char *holder, *algorithms, *ids;
} engines[] = {
    { NULL, ALGORITHM("ccp-xts", "ccp", "1"), "" },
    { NULL, ALGORITHM("ccp-xts", "ccp", "2"), "infrastructure:crypto/ccp-xts@0000:00:06.0 " },
    { NULL, ALGORITHM("ccp-cbc", "ccp", "1") ALGORITHM("ccp-xts", "ccp", "11") ALGORITHM("a", "aesni", "3"),
      "infrastructure:crypto/ccp-xts@0000:00:06.0 " },
    { NULL, ALGORITHM("ccp-xts", "ccp_crypto", "2"), "" },
    { "sys/module/ccp/holders/ccp_crypto", ALGORITHM("ccp-xts", "ccp_crypto", "2"),
      "infrastructure:crypto/ccp-xts@0000:00:06.0 " },
    { "sys/module/ccp_core/holders/ccp", ALGORITHM("ccp-xts", "ccp_core", "2"),
      "infrastructure:crypto/ccp-xts@0000:00:06.0 " },
    { NULL, ALGORITHM("xts-aes-generic", "kernel", "4"), "" },
    { NULL, NULL, "" },
};

START_TEST(crypto_engine)
{
    g_autofree char *device = add(0x108000, "ccp");
    g_autofree char *ids = g_strconcat(engines[_i].ids, "unknown:class-108000@0000:00:06.0", NULL);

    tree_link(tree, "sys/bus/pci/drivers/ccp/module", "sys/module/ccp");
    if (engines[_i].holder)
        tree_mkdir(tree, engines[_i].holder);
    if (engines[_i].algorithms)
        tree_write(tree, "proc/crypto", engines[_i].algorithms);
    expect(device, ids);
}
END_TEST

START_TEST(unreadable_crypto)
{
    g_autofree char *device = add(0x108000, "ccp");

    tree_link(tree, "sys/bus/pci/drivers/ccp/module", "sys/module/ccp");
    tree_mkdir(tree, "proc/crypto");
    expect(device, "unknown:/proc/crypto@0000:00:06.0 unknown:class-108000@0000:00:06.0");
}
END_TEST

START_TEST(iommu_itself)
{
    g_autofree char *device = add(0xff0000, NULL), *iommu = g_strconcat(device, "/iommu/ivhd0", NULL);

    scene_add_child(tree, iommu, "iommu", NULL);
    expect(device, "infrastructure:0000:00:06.0@0000:00:06.0");
}
END_TEST

START_TEST(platform_device)
{
    g_autofree char *device =
        tree_add_device(tree,
                        &(TreeDevice){
                            .bus = "platform", .name = "7c4000.mmc", .driver = "sdhci_msm", .group = 3 });
    g_autofree char *disk = g_strconcat(device, "/mmc_host/mmc0/mmc0:0001/block/mmcblk0", NULL);

    expect(device, "unknown:no-class@7c4000.mmc");
    scene_add_child(tree, disk, "block", "179:0");
    scene_mount(tree, 1, "179:0", "/media", "vfat", "/dev/mmcblk0");
    expect(device, "mount:/media@mmcblk0");
}
END_TEST

/* An interface may be called as folders of attributes are; seen, it is asked for its number. */
START_TEST(interface_with_a_name_of_attributes)
{
    g_autofree char *device = add(0x020000, "ixgbe"), *interface = g_strconcat(device, "/net/power", NULL);
    g_autofree char *id = g_strdup_printf("unknown:/%s/ifindex@0000:00:06.0", interface);
    g_autoptr(GPtrArray) findings = NULL;
    char *members[] = { device, NULL };

    scene_add_bound(tree, device, "net/power", "net", NULL);
    ck_assert_int_eq(findings_collect(tree->fd, members, FINDINGS_ALL, &findings), 0);
    scene_find(findings, id);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, virtual_functions);
    tcase_add_test(tests, virtual_function_and_its_function);
    tcase_add_test(tests, consumers);
    tcase_add_test(tests, consumers_below);
    tcase_add_loop_test(tests, by_class, 0, G_N_ELEMENTS(classes));
    tcase_add_loop_test(tests, by_child, 0, G_N_ELEMENTS(children));
    tcase_add_test(tests, driver_that_cannot_be_unbound);
    tcase_add_test(tests, error_detection);
    tcase_add_loop_test(tests, crypto_engine, 0, G_N_ELEMENTS(engines));
    tcase_add_test(tests, unreadable_crypto);
    tcase_add_test(tests, iommu_itself);
    tcase_add_test(tests, platform_device);
    tcase_add_test(tests, interface_with_a_name_of_attributes);
    return unit_run("findings-misc", tests);
}
