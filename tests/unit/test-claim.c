/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Claims on a plain tree, where no node can be a block device: what is not one is never taken for free.
 * And the children of a device. */
#include <stdlib.h>
#include <string.h>

#include "children.h"
#include "claim.h"
#include "findings.h"
#include "tree.h"
#include "unit.h"

#define DISK_NAME "nvme0n1"

static Tree *tree;
static char *device;

static void add_node(const char *name, const char *below, const char *class, const char *number)
{
    g_autofree char *path = g_strdup_printf("%s/%s", below, name);
    g_autofree char *link = g_strdup_printf("sys/class/%s/%s", class, name);
    g_autofree char *class_path = g_strdup_printf("sys/class/%s", class);
    g_autofree char *subsystem = g_strdup_printf("%s/subsystem", path);
    g_autofree char *uevent = g_strdup_printf("%s/uevent", path);
    g_autofree char *dev = g_strdup_printf("%s/dev", path);

    tree_mkdir(tree, class_path);
    tree_mkdir(tree, path);
    tree_link(tree, subsystem, class_path);
    tree_write(tree, uevent, "");
    if (number)
        tree_write(tree, dev, number);
    tree_link(tree, link, path);
}

static char *disk_path(void)
{
    return g_strdup_printf("%s/nvme/nvme0/" DISK_NAME, device);
}

static void setup(void)
{
    g_autofree char *controller = NULL, *disk = NULL, *partition = NULL;

    tree = tree_new();
    device = tree_add_device(
        tree, &(TreeDevice){.name = "0000:00:04.0", .class_code = 0x010802, .driver = "nvme"});
    controller = g_strdup_printf("%s/nvme", device);
    add_node("nvme0", controller, "nvme", "240:0\n");
    g_free(controller);
    controller = g_strdup_printf("%s/nvme/nvme0", device);
    add_node(DISK_NAME, controller, "block", "259:0\n");
    disk = disk_path();
    add_node(DISK_NAME "p1", disk, "block", "259:1\n");
    partition = g_strdup_printf("%s/" DISK_NAME "p1/partition", disk);
    tree_write(tree, partition, "1\n");
    tree_mkdir(tree, "dev");
}

static void teardown(void)
{
    g_clear_pointer(&device, g_free);
    g_clear_pointer(&tree, tree_free);
}

static GPtrArray *take(int expected)
{
    char *members[] = { device, NULL };
    GPtrArray *findings = findings_new();
    g_autoptr(Claims) claims = NULL;
    const ChangeLimits limits = { 0 };
    g_autoptr(ChangeResult) result = change_result_new();
    const Sequence sequence = {
        .root_fd = tree->fd, .limits = &limits, .result = result, .lock_fd = -EBADF
    };

    ck_assert_int_eq(claims_take(&sequence, members, findings, &claims), expected);
    return findings;
}

START_TEST(missing_node_is_unknown)
{
    g_autoptr(GPtrArray) findings = take(0);
    const Finding *finding;

    /* One for the disk: the partition is not claimed beside it. */
    ck_assert_int_eq(findings->len, 1);
    finding = g_ptr_array_index(findings, 0);
    ck_assert_int_eq(finding->kind, FINDING_UNKNOWN);
    ck_assert_int_eq(finding->severity, FINDING_FATAL);
    ck_assert_str_eq(finding->member, "0000:00:04.0");
    ck_assert_str_eq(finding->object, DISK_NAME);
}
END_TEST

START_TEST(other_node_is_unknown)
{
    g_autoptr(GPtrArray) findings = NULL, link = NULL;

    tree_write(tree, "dev/" DISK_NAME, "not a disk");
    findings = take(0);
    ck_assert_int_eq(findings->len, 1);
    ck_assert_int_eq(((const Finding *) g_ptr_array_index(findings, 0))->kind, FINDING_UNKNOWN);

    tree_remove(tree, "dev/" DISK_NAME);
    tree_write(tree, "dev/elsewhere", "not a disk");
    tree_link(tree, "dev/" DISK_NAME, "dev/elsewhere");
    link = take(0);
    ck_assert_int_eq(link->len, 1);
    ck_assert_int_eq(((const Finding *) g_ptr_array_index(link, 0))->kind, FINDING_UNKNOWN);
}
END_TEST

START_TEST(no_disk_is_nothing_to_claim)
{
    g_autofree char *controller = g_strdup_printf("%s/nvme", device);
    g_autoptr(GPtrArray) findings = NULL;

    tree_remove(tree, controller);
    findings = take(0);
    ck_assert_int_eq(findings->len, 0);
}
END_TEST

START_TEST(vanished_member_is_told)
{
    g_autoptr(GPtrArray) findings = NULL;

    tree_remove(tree, device);
    findings = take(-ENODEV);
    ck_assert_int_eq(findings->len, 0);
}
END_TEST

static void assert_notes(const GPtrArray *before, const GPtrArray *now, const char *first,
                         const char *second)
{
    g_autoptr(GPtrArray) notes = g_ptr_array_new_with_free_func(g_free), matches = NULL;

    matches = children_match(before, now);
    children_compare(before, matches, notes);
    ck_assert_int_eq(notes->len, (first != NULL) + (second != NULL));
    if (first)
        ck_assert_str_eq(g_ptr_array_index(notes, 0), first);
    if (second)
        ck_assert_str_eq(g_ptr_array_index(notes, 1), second);
}

START_TEST(children_are_compared)
{
    g_autofree char *disk = disk_path(), *controller = g_strdup_printf("%s/nvme/nvme0", device);
    g_autofree char *net = g_strdup_printf("%s/net", device),
                    *flags = g_strdup_printf("%s/net/eth0/flags", device),
                    *address = g_strdup_printf("%s/net/eth0/address", device),
                    *wwid = g_strdup_printf("%s/wwid", disk);
    g_autoptr(GPtrArray) before = NULL, same = NULL, other = NULL, gone = NULL;

    tree_write(tree, "sys/class/net/bonding_masters", "\n");
    add_node("eth0", net, "net", NULL);
    tree_write(tree, flags, "0x1003\n");
    tree_write(tree, address, "52:54:00:12:34:56\n");
    ck_assert_int_eq(children_read(tree->fd, device, &before), 0);
    ck_assert_int_eq(before->len, 2);
    tree_write(tree, wwid, " nvme.1b36-4652\n");
    children_identify(tree->fd, before);
    ck_assert_str_eq(((const Child *) before->pdata[0])->identity, "nvme.1b36-4652");
    ck_assert_str_eq(((const Child *) before->pdata[1])->identity, "52:54:00:12:34:56 port 0");
    ck_assert(children_have(before, false) && children_have(before, true));
    ck_assert_int_eq(children_read(tree->fd, device, &same), 0);
    ck_assert(children_are_back(before, same));
    assert_notes(before, same, NULL, NULL);

    tree_remove(tree, disk);
    tree_remove(tree, "sys/class/block/" DISK_NAME);
    tree_remove(tree, "sys/class/block/" DISK_NAME "p1");
    add_node("nvme0n2", controller, "block", "259:2\n");
    tree_write(tree, flags, "0x1002\n");
    ck_assert_int_eq(children_read(tree->fd, device, &other), 0);
    ck_assert(children_are_back(before, other));
    assert_notes(before, other, "disk nvme0n1 came back as nvme0n2", "interface eth0 was up and is down");

    tree_remove(tree, "sys/class/block/nvme0n2");
    ck_assert_int_eq(children_read(tree->fd, device, &gone), 0);
    ck_assert(!children_are_back(before, gone));
    assert_notes(before, gone, "disk nvme0n1 has not come back", "interface eth0 was up and is down");
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("tree");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, missing_node_is_unknown);
    tcase_add_test(tcase, other_node_is_unknown);
    tcase_add_test(tcase, no_disk_is_nothing_to_claim);
    tcase_add_test(tcase, vanished_member_is_told);
    tcase_add_test(tcase, children_are_compared);
    return unit_run("claim", tcase);
}
