/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scene.h"
#include "unit.h"

#define ALL FINDINGS_ALL
#define OWNER FINDINGS_OWNER_ONLY

static Tree *tree;

static void set_up(void)
{
    tree = scene_new();
    scene_add_process(tree, 812, "qemu", 1, "/");
}

static void tear_down(void)
{
    g_clear_pointer(&tree, tree_free);
}

static char *add_device(const char *driver)
{
    return tree_add_device(tree, &(TreeDevice){ .name = "0000:00:05.0",
                                                .vendor = 0x8086,
                                                .device = 0x10d3,
                                                .class_code = 0x020000,
                                                .driver = driver,
                                                .group = 7 });
}

static void expect(const char *syspath, const char *ids)
{
    scene_expect_ids(tree, syspath, OWNER, ids);
    scene_expect_ids(tree, syspath, ALL, ids);
}

START_TEST(vfio_group)
{
    g_autofree char *device = add_device("vfio-pci");
    g_autoptr(GPtrArray) findings = NULL;
    const Finding *finding;

    scene_open(tree, 812, 3, "/dev/vfio/8");
    scene_open(tree, 812, 4, "/dev/vfio/vfio");
    expect(device, "");
    scene_open(tree, 812, 5, "/dev/vfio/7");
    findings = scene_expect(tree, device, OWNER, "owner:/dev/vfio/7@0000:00:05.0");
    finding = findings->pdata[0];
    ck_assert_int_eq(finding->severity, FINDING_ABSOLUTE);
    ck_assert_ptr_null(strstr(finding->text, "812"));
    ck_assert_ptr_nonnull(strstr(finding->private_text, "pid 812 (qemu)"));
}
END_TEST

START_TEST(vfio_group_without_iommu)
{
    g_autofree char *device = add_device("vfio-pci");

    scene_open(tree, 812, 3, "/dev/vfio/noiommu-7");
    expect(device, "owner:/dev/vfio/noiommu-7@0000:00:05.0");
}
END_TEST

/* A container may have its nodes under other names; the number stays. /dev/null stands for the node: 1:3. */
START_TEST(vfio_group_by_number)
{
    g_autofree char *device = add_device("vfio-pci");

    tree_write(tree, "sys/class/vfio/7/dev", "1:3\n");
    expect(device, "");
    scene_open(tree, 812, 3, "/dev/null");
    expect(device, "owner:/dev/vfio/7@0000:00:05.0");
}
END_TEST

START_TEST(vfio_cdev)
{
    g_autofree char *device = add_device("vfio-pci"), *cdev = g_strconcat(device, "/vfio-dev/vfio0", NULL);

    scene_add_child(tree, cdev, "vfio-dev", "1:3");
    expect(device, "");
    scene_open(tree, 812, 3, "/dev/null");
    expect(device, "owner:/dev/vfio/devices/vfio0@0000:00:05.0");
}
END_TEST

/* The kernel names the device (6.18), or does not: then any device under a VFIO driver may be the one. */
START_TEST(vfio_device_descriptor)
{
    g_autofree char *device = add_device("vfio-pci");

    scene_open(tree, 812, 3, "anon_inode:[vfio-device]");
    expect(device, "owner:\\x5bvfio-device\\x5d@0000:00:05.0");
    tree_write(tree, "proc/812/fdinfo/3",
               "pos:\t0\nvfio-device-syspath: /sys/devices/pci0000:00/0000:00:06.0\n");
    expect(device, "");
    tree_write(tree, "proc/812/fdinfo/3",
               "pos:\t0\nvfio-device-syspath: /sys/devices/pci0000:00/0000:00:05.0\n");
    expect(device, "owner:vfio-device@0000:00:05.0");
}
END_TEST

/* Alone they own nothing, and any user may open the first. */
START_TEST(containers)
{
    g_autofree char *device = add_device("vfio-pci");

    scene_open(tree, 812, 3, "/dev/vfio/vfio");
    scene_open(tree, 812, 4, "/dev/iommu");
    expect(device, "");
    scene_open(tree, 812, 5, "anon_inode:[vfio-device]");
    expect(device, "owner:\\x5bvfio-device\\x5d@0000:00:05.0");
    /* It uses another group. */
    scene_open(tree, 812, 6, "/dev/vfio/9");
    expect(device, "");
}
END_TEST

/* iommufd: of two devices, each is owned by who has its own node open. */
START_TEST(cdev_with_iommufd)
{
    g_autofree char *device = add_device("vfio-pci"), *cdev = g_strconcat(device, "/vfio-dev/vfio0", NULL);
    g_autoptr(GPtrArray) findings = NULL;

    scene_add_child(tree, cdev, "vfio-dev", "511:0");
    scene_add_process(tree, 900, "cloud-hypervisor", 1, "/");
    scene_open(tree, 812, 3, "/dev/iommu");
    scene_open(tree, 900, 3, "/dev/iommu");
    scene_open(tree, 900, 4, "/dev/vfio/devices/vfio1");
    expect(device, "");
    tree_write(tree, "sys/devices/pci0000:00/0000:00:05.0/vfio-dev/vfio0/dev", "1:3\n");
    scene_open(tree, 900, 5, "/dev/null");
    findings = scene_expect(tree, device, OWNER, "owner:/dev/vfio/devices/vfio0@0000:00:05.0");
    ck_assert_ptr_nonnull(
        strstr(((Finding *) findings->pdata[0])->private_text, "pid 900 (cloud-hypervisor)"));
}
END_TEST

/* Since 6.18 a descriptor of a cdev names its device, too: it is still one finding. */
START_TEST(cdev_that_names_its_device)
{
    g_autofree char *device = add_device("vfio-pci"), *cdev = g_strconcat(device, "/vfio-dev/vfio0", NULL);

    scene_add_child(tree, cdev, "vfio-dev", "511:0");
    scene_open_node(tree, 812, 3, 511, 0);
    tree_write(tree, "proc/812/fdinfo/3",
               "pos:\t0\nvfio-device-syspath: /sys/devices/pci0000:00/0000:00:05.0\n");
    expect(device, "owner:/dev/vfio/devices/vfio0@0000:00:05.0");
}
END_TEST

/* A device under a driver of its own cannot be behind a VFIO descriptor. */
START_TEST(containers_of_others)
{
    g_autofree char *device = add_device("igb");

    scene_open(tree, 812, 3, "/dev/vfio/vfio");
    scene_open(tree, 812, 4, "anon_inode:[vfio-device]");
    scene_expect_ids(tree, device, OWNER, "");
}
END_TEST

START_TEST(uio_device)
{
    g_autofree char *device = add_device("uio_pci_generic"), *uio = g_strconcat(device, "/uio/uio3", NULL);

    scene_add_child(tree, uio, "uio", "1:3");
    expect(device, "");
    scene_open(tree, 812, 3, "/dev/null");
    expect(device, "owner:/dev/uio3@0000:00:05.0");
}
END_TEST

START_TEST(derived_devices)
{
    g_autofree char *device = add_device("vfio-pci"), *mdev = g_strconcat(device, "/83b8f4f2-509f", NULL);
    g_autofree char *vdpa = g_strconcat(device, "/vdpa0", NULL);

    scene_add_child(tree, mdev, "mdev", NULL);
    scene_add_child(tree, vdpa, "vdpa", NULL);
    expect(device, "owner:83b8f4f2-509f@0000:00:05.0 owner:vdpa0@0000:00:05.0");
}
END_TEST

/* Descriptors that nobody could read may be anything. */
START_TEST(no_processes)
{
    g_autofree char *device = add_device("vfio-pci");

    tree_remove(tree, "proc");
    expect(device, "unknown:/proc@0000:00:05.0");
}
END_TEST

START_TEST(unreadable_process)
{
    g_autofree char *device = add_device("vfio-pci");

    tree_remove(tree, "proc/812/fd");
    expect(device, "");
    tree_write(tree, "proc/812/fd", "not a directory");
    expect(device, "unknown:/proc/PID/fd@0000:00:05.0");
}
END_TEST

/* A process that cannot be read does not stop the live change of a device that has no node for user space.
 */
START_TEST(unreadable_process_and_a_kernel_driver)
{
    g_autofree char *device = scene_add_nvme(tree);

    tree_remove(tree, "proc/812/fd");
    tree_write(tree, "proc/812/fd", "not a directory");
    scene_expect_ids(tree, device, OWNER, "");
    scene_expect_ids(tree, device, ALL, "unknown:/proc/PID/fd@0000:00:04.0");
    /* Another member of its group is under a VFIO driver. */
    tree_write(tree, "sys/class/vfio/7/dev", "243:0\n");
    scene_expect_ids(tree, device, OWNER, "unknown:/proc/PID/fd@0000:00:04.0");
}
END_TEST

/* A node of a kind that nothing else looks at: a network card's clock. */
START_TEST(open_node)
{
    g_autofree char *device = scene_add_nvme(tree), *node = g_strconcat(device, "/ptp/ptp0", NULL);
    g_autoptr(GPtrArray) findings = NULL;

    scene_add_child(tree, node, "ptp", "1:3");
    expect(device, "");
    scene_open(tree, 812, 3, "/dev/null");
    findings = scene_expect(tree, device, ALL, "unknown:ptp0@0000:00:04.0");
    ck_assert_int_eq(((Finding *) findings->pdata[0])->severity, FINDING_FATAL);
    ck_assert_ptr_nonnull(((Finding *) findings->pdata[0])->private_text);
}
END_TEST

/* The first thread of a process has ended: it shows an empty table, the others have all that was opened. */
START_TEST(ended_first_thread)
{
    g_autofree char *device = scene_add_nvme(tree), *node = g_strconcat(device, "/nvme/nvme0/ng0n1", NULL);
    g_autoptr(GPtrArray) findings = NULL;

    scene_add_child(tree, node, "nvme-generic", "1:3");
    tree_mkdir(tree, "proc/812/task/812/fd");
    tree_mkdir(tree, "proc/812/task/813/fd");
    expect(device, "");
    ck_assert_int_eq(symlinkat("/dev/null", tree->fd, "proc/812/task/813/fd/3"), 0);
    findings = scene_expect(tree, device, ALL, "export:ng0n1@0000:00:04.0");
    ck_assert_ptr_nonnull(strstr(((Finding *) findings->pdata[0])->private_text, "pid 812 "));
}
END_TEST

/* The last look, after the unbind: the node is gone from sysfs, its number is not. */
START_TEST(node_holders)
{
    g_autofree char *device = scene_add_nvme(tree), *node = g_strconcat(device, "/nvme/nvme0/ng0n1", NULL);
    g_autoptr(GPtrArray) findings = findings_new();
    g_autoptr(GArray) nodes = NULL;
    char *members[] = { device, NULL };

    scene_add_child(tree, node, "nvme-generic", "1:3");
    ck_assert_int_eq(findings_nodes(tree->fd, members, &nodes), 0);
    ck_assert_uint_eq(nodes->len, 4);
    tree_remove(tree, "sys/devices/pci0000:00/0000:00:04.0/nvme");

    ck_assert_int_eq(findings_node_holders(tree->fd, nodes, 0, "0000:00:04.0", findings), 0);
    ck_assert_uint_eq(findings->len, 0);

    scene_open(tree, 812, 3, "/dev/null");
    ck_assert_int_eq(findings_node_holders(tree->fd, nodes, 812, "0000:00:04.0", findings), 0);
    ck_assert_uint_eq(findings->len, 0);

    scene_mount(tree, 812, "259:1", "/not-seen", "ext4", "/dev/nvme0n1p1");
    scene_mount(tree, 1, "259:1", "/srv", "ext4", "/dev/nvme0n1p1");
    scene_mount(tree, 1, "0:44", "/data", "btrfs", "/dev/nvme0n1");
    ck_assert_int_eq(findings_node_holders(tree->fd, nodes, 0, "0000:00:04.0", findings), 0);
    ck_assert_uint_eq(findings->len, 3);
    scene_find(findings, "export:ng0n1@0000:00:04.0");
    scene_find(findings, "mount:/srv@nvme0n1p1");
    scene_find(findings, "mount:/data@nvme0n1");
    for (unsigned i = 0; i < findings->len; i++)
        ck_assert_int_eq(((Finding *) findings->pdata[i])->severity, FINDING_ABSOLUTE);
}
END_TEST

START_TEST(vanished_member)
{
    char *members[] = { (char *) "sys/devices/pci0000:00/0000:00:1f.0", NULL };
    GPtrArray *findings = NULL;
    GArray *nodes = NULL;

    ck_assert_int_eq(findings_collect(tree->fd, members, ALL, &findings), -ENODEV);
    ck_assert_ptr_null(findings);
    ck_assert_int_eq(findings_nodes(tree->fd, members, &nodes), -ENODEV);
    ck_assert_ptr_null(nodes);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, vfio_group);
    tcase_add_test(tests, vfio_group_without_iommu);
    tcase_add_test(tests, vfio_group_by_number);
    tcase_add_test(tests, vfio_cdev);
    tcase_add_test(tests, vfio_device_descriptor);
    tcase_add_test(tests, containers);
    tcase_add_test(tests, cdev_with_iommufd);
    tcase_add_test(tests, cdev_that_names_its_device);
    tcase_add_test(tests, containers_of_others);
    tcase_add_test(tests, uio_device);
    tcase_add_test(tests, derived_devices);
    tcase_add_test(tests, no_processes);
    tcase_add_test(tests, unreadable_process);
    tcase_add_test(tests, unreadable_process_and_a_kernel_driver);
    tcase_add_test(tests, open_node);
    tcase_add_test(tests, ended_first_thread);
    tcase_add_test(tests, node_holders);
    tcase_add_test(tests, vanished_member);
    return unit_run("findings-owner", tests);
}
