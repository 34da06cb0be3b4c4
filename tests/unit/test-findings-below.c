/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>

#include "scene.h"
#include "unit.h"

#define ALL FINDINGS_ALL
#define VIRTUAL "sys/devices/virtual/block/"

static Tree *tree;
static char *controller;

static void set_up(void)
{
    tree = scene_new();
}

static void tear_down(void)
{
    g_clear_pointer(&controller, g_free);
    g_clear_pointer(&tree, tree_free);
}

static void add_controller(uint32_t class_code, const char *driver)
{
    controller = tree_add_device(tree, &(TreeDevice){ .name = "0000:00:14.0",
                                                      .vendor = 0x8086,
                                                      .device = 0xa36d,
                                                      .class_code = class_code,
                                                      .driver = driver,
                                                      .group = 7 });
}

/* Adds a device of a bus at PATH below the controller, under DRIVER (NULL: none). */
static void add_child(const char *path, const char *subsystem, const char *driver)
{
    scene_add_bound(tree, controller, path, subsystem, driver);
}

/* Adds the SCSI disk NAME with its node NUMBER below PATH, "host2" with the logical unit "2:0:0:0". */
static void add_disk(const char *path, const char *host, const char *name, const char *number)
{
    g_autofree char *base = g_strdup_printf("%s/host%s", path, host);
    g_autofree char *class = g_strdup_printf("%s/scsi_host/host%s", base, host);
    g_autofree char *target = g_strdup_printf("%s/target%s:0:0", base, host);
    g_autofree char *unit = g_strdup_printf("%s/%s:0:0:0", target, host);
    g_autofree char *generic = g_strdup_printf("%s/%s/scsi_generic/sg%s", controller, unit, host);
    g_autofree char *disk = g_strdup_printf("%s/%s/block/%s", controller, unit, name);
    g_autofree char *bsg = g_strdup_printf("%s/%s/bsg/%s:0:0:0", controller, unit, host);

    add_child(base, "scsi", NULL);
    add_child(class, "scsi_host", NULL);
    add_child(target, "scsi", NULL);
    add_child(unit, "scsi", "sd");
    scene_add_child(tree, generic, "scsi_generic", "21:0");
    scene_add_child(tree, bsg, "bsg", "249:0");
    scene_add_child(tree, disk, "block", number);
}

/* xhci with a hub in its first port, and a stick in the hub's second. */
static void add_stick(void)
{
    g_autofree char *partition = NULL;

    add_controller(0x0c0330, "xhci_hcd");
    add_child("usb1", "usb", "usb");
    add_child("usb1/1-0:1.0", "usb", "hub");
    add_child("usb1/1-1", "usb", "usb");
    add_child("usb1/1-1/1-1:1.0", "usb", "hub");
    add_child("usb1/1-1/1-1.2", "usb", "usb");
    add_child("usb1/1-1/1-1.2/1-1.2:1.0", "usb", "usb-storage");
    add_disk("usb1/1-1/1-1.2/1-1.2:1.0", "2", "sda", "8:0");
    partition =
        g_strconcat(controller, "/usb1/1-1/1-1.2/1-1.2:1.0/host2/target2:0:0/2:0:0:0/block/sda/sda1", NULL);
    scene_add_child(tree, partition, "block", "8:1");
}

static GPtrArray *expect(const char *ids)
{
    return scene_expect(tree, controller, ALL, ids);
}

static void expect_ids(const char *ids)
{
    scene_expect_ids(tree, controller, ALL, ids);
}

START_TEST(usb_stick)
{
    g_autoptr(GPtrArray) findings = NULL, blocking = NULL;
    const Finding *below;

    add_stick();
    expect_ids("");
    scene_udev(tree, "8:1", "ID_FS_TYPE=vfat");
    expect_ids("signature:vfat@sda1");
    scene_mount(tree, 1, "8:1", "/media", "vfat", "/dev/sda1");
    findings = expect("below:1-1.2@0000:00:14.0 mount:/media@sda1");
    below = scene_find(findings, "below:1-1.2@0000:00:14.0");
    ck_assert_int_eq(below->kind, FINDING_BELOW);
    ck_assert_int_eq(below->severity, FINDING_ABSOLUTE);
    ck_assert_str_eq(below->text,
                     "1-1.2 below 0000:00:14.0 is in use (mount:/media@sda1); end that use or take "
                     "1-1.2 out");
    /* The mount stands in the way, not what sums it up. */
    blocking = findings_blocking(findings, 0, NULL);
    ck_assert_uint_eq(blocking->len, 1);
    ck_assert_str_eq(((const Finding *) blocking->pdata[0])->id, "mount:/media@sda1");
}
END_TEST

/* As severe as the worst on it; to allow what it stands for is enough. */
START_TEST(fatal_below)
{
    g_autoptr(GPtrArray) findings = NULL, blocking = NULL;
    char *allow[] = { (char *) "export:nvmet/nqn.2026-01.example:a/1@sda", NULL };

    add_stick();
    tree_write(tree, "sys/kernel/config/nvmet/subsystems/nqn.2026-01.example:a/namespaces/1/enable", "1\n");
    tree_write(tree, "sys/kernel/config/nvmet/subsystems/nqn.2026-01.example:a/namespaces/1/device_path",
               "/dev/sda\n");
    findings = expect("below:1-1.2@0000:00:14.0 export:nvmet/nqn.2026-01.example:a/1@sda");
    ck_assert_int_eq(scene_find(findings, "below:1-1.2@0000:00:14.0")->severity, FINDING_FATAL);
    blocking = findings_blocking(findings, 0, allow);
    ck_assert_uint_eq(blocking->len, 0);
}
END_TEST

/* Two disks behind an HBA: only the one in use is named, through whatever is stacked on it. */
START_TEST(disks_of_a_host_adapter)
{
    add_controller(0x010700, "mpt3sas");
    add_disk("port-0:0", "2", "sda", "8:0");
    add_disk("port-0:1", "3", "sdb", "8:16");
    expect_ids("");
    scene_add_child(tree, VIRTUAL "dm-0", "block", "253:0");
    tree_write(tree, VIRTUAL "dm-0/dm/name", "mpatha\n");
    scene_hold(tree, "sdb", "dm-0");
    scene_mount(tree, 1, "253:0", "/srv", "xfs", "/dev/mapper/mpatha");
    expect_ids("below:3:0:0:0@0000:00:14.0 holder:mpatha@sdb mount:/srv@sdb>mpatha");
}
END_TEST

/* What is found twice is said once; a finding about a whole member is on no device below it. */
START_TEST(said_once)
{
    g_autoptr(GPtrArray) findings = NULL;
    const Finding *below;

    add_stick();
    scene_mount(tree, 1, "8:1", "/media", "vfat", "/dev/sda1");
    scene_mount(tree, 1, "8:1", "/media", "vfat", "/dev/disk/by-uuid/1234");
    tree_write(tree, "proc/swaps", "garbage");
    tree_remove(tree, "proc/swaps");
    tree_mkdir(tree, "proc/swaps");
    findings = expect("below:1-1.2@0000:00:14.0 mount:/media@sda1 unknown:/proc/swaps@0000:00:14.0");
    below = scene_find(findings, "below:1-1.2@0000:00:14.0");
    ck_assert_ptr_nonnull(strstr(below->text, "(mount:/media@sda1)"));
}
END_TEST

/* A plan that unbinds nobody asks for owners alone. */
START_TEST(owners_only)
{
    add_stick();
    scene_mount(tree, 1, "8:1", "/media", "vfat", "/dev/sda1");
    scene_expect_ids(tree, controller, FINDINGS_OWNER_ONLY, "");
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, usb_stick);
    tcase_add_test(tests, fatal_below);
    tcase_add_test(tests, disks_of_a_host_adapter);
    tcase_add_test(tests, said_once);
    tcase_add_test(tests, owners_only);
    return unit_run("findings-below", tests);
}
