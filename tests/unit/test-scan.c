/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <unistd.h>

#include "record.h"
#include "scan.h"
#include "tree.h"
#include "unit.h"

static int collect(GVariant *group, void *userdata)
{
    g_autoptr(GVariant) owned = g_variant_ref_sink(group);
    GPtrArray *texts = userdata;

    ck_assert(g_variant_is_of_type(owned, G_VARIANT_TYPE(SCAN_GROUP_FORMAT)));
    g_ptr_array_add(texts, g_variant_print(owned, FALSE));
    return texts->len == 6 ? -ECANCELED : 0;
}

START_TEST(scans)
{
    static const unsigned ids[] = { 1, 2, 3, 4, 5, 9 };
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(Tree) tree = tree_new();
    g_autofree char *key = NULL;
    int lock;

    g_free(tree_add_device(tree, &(TreeDevice){ .name = "0000:00:04.0", .group = 3 }));
    tree_set_group(tree, 1, "DMA-FQ", "0x0000000000000000 0x0000000000ffffff direct\n");
    tree_write(tree, "sys/kernel/iommu_groups/1/name", "nobody asks\n");
    tree_set_group(tree, 2, "nonsense", "");
    tree_set_group(tree, 4, "unknown", "nonsense\n");
    tree_set_group(tree, 5, "unknown", "");
    tree_write(tree, "sys/kernel/iommu_groups/5/name", "vfio-noiommu\n");
    ck_assert_int_eq(record_group_key(tree->fd, 3, &key), 0);
    ck_assert_str_eq(key, "pci:0000:00:04.0");
    lock = record_lock(tree->fd, key, false);
    ck_assert_int_ge(lock, 0);

    ck_assert_int_eq(scan_groups(tree->fd, ids, G_N_ELEMENTS(ids), collect, texts), 0);
    ck_assert_uint_eq(texts->len, 5);
    ck_assert_str_eq(texts->pdata[0], "(1, 0, 'DMA-FQ', '', [], [(0, 16777215, 'direct')])");
    ck_assert_str_eq(texts->pdata[1], "(2, 74, '', '', [], [])"); /* EBADMSG */
    ck_assert_str_eq(texts->pdata[2], "(4, 74, '', '', [], [])");
    ck_assert_str_eq(texts->pdata[3], "(5, 0, 'unknown', 'vfio-noiommu', [], [])");
    ck_assert_str_eq(texts->pdata[4], "(9, 2, '', '', [], [])"); /* ENOENT */

    close(lock);
    ck_assert_int_eq(scan_groups(tree->fd, ids, G_N_ELEMENTS(ids), collect, texts), -ECANCELED);
    ck_assert_uint_eq(texts->len, 6);
}
END_TEST

START_TEST(keys_of_groups)
{
    g_autoptr(Tree) tree = tree_new();
    g_autofree char *above = tree_add_device(tree, &(TreeDevice){ .name = "0000:00:09.0", .group = 4 }),
                    *subsystem = g_strconcat(above, "/subsystem", NULL), *key = NULL, *none = NULL;

    g_free(tree_add_device(
        tree, &(TreeDevice){ .name = "0000:01:00.0", .group = 4, .parent = "pci0000:00/0000:00:09.0" }));
    ck_assert_int_eq(record_group_key(tree->fd, 4, &key), 0);
    ck_assert_str_eq(key, "pci:0000:00:09.0");
    tree_set_group(tree, 5, "DMA", NULL);
    ck_assert_int_eq(record_group_key(tree->fd, 5, &none), -ENODATA);
    ck_assert_int_eq(record_group_key(tree->fd, 6, &none), -ENOENT);
    tree_remove(tree, subsystem);
    ck_assert_int_eq(record_group_key(tree->fd, 4, &none), -ENODEV);
    ck_assert_ptr_null(none);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("scan");

    tcase_add_test(cases, scans);
    tcase_add_test(cases, keys_of_groups);
    return unit_run("scan", cases);
}
