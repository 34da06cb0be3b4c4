/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "group.h"
#include "tree.h"
#include "unit.h"

START_TEST(lists_groups_by_number)
{
    g_autoptr(Tree) tree = tree_new();
    g_autoptr(GArray) ids = NULL, none = NULL;

    tree_set_group(tree, 10, "DMA", NULL);
    tree_set_group(tree, 9, "DMA", NULL);
    tree_set_group(tree, 0, "DMA", NULL);
    tree_mkdir(tree, "sys/kernel/iommu_groups/x1");
    tree_mkdir(tree, "sys/kernel/iommu_groups/-1");
    tree_mkdir(tree, "sys/kernel/iommu_groups/99999999999");
    ck_assert_int_eq(group_list(tree->fd, &ids), 0);
    ck_assert_uint_eq(ids->len, 3);
    ck_assert_uint_eq(g_array_index(ids, unsigned, 0), 0);
    ck_assert_uint_eq(g_array_index(ids, unsigned, 1), 9);
    ck_assert_uint_eq(g_array_index(ids, unsigned, 2), 10);

    tree_remove(tree, "sys/kernel/iommu_groups");
    ck_assert_int_eq(group_list(tree->fd, &none), 0);
    ck_assert_uint_eq(none->len, 0);
}
END_TEST

START_TEST(lists_members_by_path)
{
    g_autoptr(Tree) tree = tree_new();
    g_autofree char *below = tree_add_device(tree, &(TreeDevice){ .name = "0000:01:00.0",
                                                                  .group = 4,
                                                                  .parent = "pci0000:00/0000:00:09.0" }),
                    *above = tree_add_device(tree, &(TreeDevice){ .name = "0000:00:09.0", .group = 4 });
    g_auto(GStrv) members = NULL, empty = NULL;

    ck_assert_int_eq(group_list_members(tree->fd, 4, &members), 0);
    ck_assert_uint_eq(g_strv_length(members), 2);
    ck_assert_str_eq(members[0], above);
    ck_assert_str_eq(members[1], below);

    tree_set_group(tree, 5, "DMA", NULL);
    ck_assert_int_eq(group_list_members(tree->fd, 5, &empty), 0);
    ck_assert_ptr_null(empty[0]);
    ck_assert_int_eq(group_list_members(tree->fd, 6, &empty), -ENOENT);
    ck_assert_int_eq(symlinkat("../../../../class/net/x", tree->fd, "sys/kernel/iommu_groups/5/devices/x"),
                     0);
    ck_assert_int_eq(group_list_members(tree->fd, 5, &empty), -EBADMSG);
}
END_TEST

static const struct {
    const char *text;
    int result;
    DomainType type;
} types[] = {
    { "DMA\n", 0, DOMAIN_TYPE_DMA },
    { "DMA-FQ\n", 0, DOMAIN_TYPE_DMA_FQ },
    { "identity\n", 0, DOMAIN_TYPE_IDENTITY },
    { "blocked\n", 0, DOMAIN_TYPE_BLOCKED },
    { "unmanaged\n", 0, DOMAIN_TYPE_UNMANAGED },
    { "unknown\n", 0, DOMAIN_TYPE_UNKNOWN },
    { "auto\n", -EBADMSG, 0 },
    { "dma\n", -EBADMSG, 0 },
    { "DMA \n", -EBADMSG, 0 },
    { "DMA\n\n", -EBADMSG, 0 },
    { "", -EBADMSG, 0 },
    { "\xff\xfe\n", -EBADMSG, 0 },
};

START_TEST(reads_types)
{
    g_autoptr(Tree) tree = tree_new();
    DomainType type = _DOMAIN_TYPE_INVALID;

    tree_set_group(tree, 1, "DMA", NULL);
    tree_write(tree, "sys/kernel/iommu_groups/1/type", types[_i].text);
    ck_assert_int_eq(group_read_type(tree->fd, 1, &type), types[_i].result);
    if (types[_i].result == 0)
        ck_assert_int_eq(type, types[_i].type);
    ck_assert_int_eq(group_read_type(tree->fd, 2, &type), -ENOENT);
}
END_TEST

START_TEST(reads_reserved_regions)
{
    g_autoptr(Tree) tree = tree_new();
    g_autoptr(GArray) regions = NULL, empty = NULL;

    tree_set_group(tree, 1, "DMA",
                   "0x0000000000000000 0x0000000000ffffff direct-relaxable\n"
                   "0x00000000fee00000 0x00000000feefffff msi\n"
                   "0xfffffffffffff000 0xffffffffffffffff reserved\n");
    ck_assert_int_eq(group_read_reserved_regions(tree->fd, 1, &regions), 0);
    ck_assert_uint_eq(regions->len, 3);
    ck_assert_uint_eq(g_array_index(regions, ReservedRegion, 0).end, 0xffffff);
    ck_assert_str_eq(g_array_index(regions, ReservedRegion, 0).type, "direct-relaxable");
    ck_assert_uint_eq(g_array_index(regions, ReservedRegion, 1).start, 0xfee00000);
    ck_assert_uint_eq(g_array_index(regions, ReservedRegion, 2).end, UINT64_MAX);

    tree_set_group(tree, 1, "DMA", "");
    ck_assert_int_eq(group_read_reserved_regions(tree->fd, 1, &empty), 0);
    ck_assert_uint_eq(empty->len, 0);
}
END_TEST

static const char *const bad_regions[] = {
    "0x0 0x1\n",
    "0x0 0x1 \n",
    "0x0 0x1 msi x\n",
    "0x1 0x0 msi\n",
    "0 1 msi\n",
    "0x 0x1 msi\n",
    "0x0  0x1 msi\n",
    "0x0 0x1 MSI\n",
    "0x10000000000000000 0x1 msi\n",
    "0x0 0x1 msi\n\n0x0 0x1 msi\n",
    "0x0 0x1 a-word-that-is-far-too-long-for-the-field\n",
    "0x-1 0x1 msi\n",
    "0x0 0x1 msi\n ",
};

START_TEST(refuses_bad_regions)
{
    g_autoptr(Tree) tree = tree_new();
    GArray *regions = NULL;

    tree_set_group(tree, 1, "DMA", bad_regions[_i]);
    ck_assert_int_eq(group_read_reserved_regions(tree->fd, 1, &regions), -EBADMSG);
}
END_TEST

START_TEST(writes_types)
{
    g_autoptr(Tree) tree = tree_new();
    g_autofree char *text = NULL, *kept = NULL;
    _cleanup_close_ int fd = -EBADF;

    tree_set_group(tree, 1, "DMA", NULL);
    tree_write(tree, "sys/kernel/iommu_groups/1/type", "DMA\n");
    fd = group_open_type(tree->fd, 1);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(group_write_type(fd, DOMAIN_TYPE_AUTO), 0);
    text = tree_read(tree, "sys/kernel/iommu_groups/1/type");
    ck_assert_str_eq(text, "auto");
    ck_assert_int_eq(group_open_type(tree->fd, 2), -ENOENT);
    ck_assert_int_eq(group_write_type(fd, DOMAIN_TYPE_BLOCKED), -EINVAL);
    ck_assert_int_eq(group_write_type(fd, DOMAIN_TYPE_UNKNOWN), -EINVAL);
    ck_assert_int_eq(group_write_type(fd, _DOMAIN_TYPE_INVALID), -EINVAL);
    kept = tree_read(tree, "sys/kernel/iommu_groups/1/type");
    ck_assert_str_eq(kept, "auto");
}
END_TEST

static const char *const never_written[] = { "unknown\n", "blocked\n", "unmanaged\n", "nonsense\n", "\n" };

START_TEST(never_writes_over)
{
    g_autoptr(Tree) tree = tree_new();
    _cleanup_close_ int fd = -EBADF;
    g_autofree char *text = NULL;

    tree_set_group(tree, 1, "DMA", NULL);
    tree_write(tree, "sys/kernel/iommu_groups/1/type", never_written[_i]);
    fd = group_open_type(tree->fd, 1);
    ck_assert_int_ge(fd, 0);
    for (DomainType type = DOMAIN_TYPE_DMA; type <= DOMAIN_TYPE_AUTO; type++)
        ck_assert_int_eq(group_write_type(fd, type), -ENOTSUP);
    text = tree_read(tree, "sys/kernel/iommu_groups/1/type");
    ck_assert_str_eq(text, never_written[_i]);
}
END_TEST

static const struct {
    DomainType type;
    const char *name, *family, *says; /* NULL: it can be changed */
} unsupported[] = {
    { DOMAIN_TYPE_DMA, NULL, "intel", NULL },
    { DOMAIN_TYPE_DMA_FQ, "some name", NULL, NULL },
    { DOMAIN_TYPE_IDENTITY, NULL, "ppc64", NULL },
    { DOMAIN_TYPE_UNKNOWN, NULL, "ppc64", "PowerPC" },
    { DOMAIN_TYPE_UNKNOWN, "domain0-pe0", "ppc64", "PowerPC" },
    { DOMAIN_TYPE_UNKNOWN, NULL, "intel", "no default domain" },
    { DOMAIN_TYPE_UNKNOWN, NULL, NULL, "reads unknown" },
    { DOMAIN_TYPE_UNKNOWN, "vfio-noiommu", NULL, "without an IOMMU (vfio-noiommu)" },
    { DOMAIN_TYPE_DMA, "vfio-noiommu", NULL, "without an IOMMU (vfio-noiommu)" },
    { DOMAIN_TYPE_BLOCKED, NULL, "intel", "reads blocked" },
    { DOMAIN_TYPE_UNMANAGED, NULL, "intel", "reads unmanaged" },
    { _DOMAIN_TYPE_INVALID, NULL, "intel", "a word that is not known" },
};

START_TEST(says_what_is_unsupported)
{
    g_autofree char *text = group_explain_unsupported(unsupported[_i].type, unsupported[_i].name,
                                                      unsupported[_i].family);

    if (unsupported[_i].says)
        ck_assert_msg(text && strstr(text, unsupported[_i].says), "%s", text);
    else
        ck_assert_ptr_null(text);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("group");

    tcase_add_test(cases, lists_groups_by_number);
    tcase_add_test(cases, lists_members_by_path);
    tcase_add_loop_test(cases, reads_types, 0, G_N_ELEMENTS(types));
    tcase_add_test(cases, reads_reserved_regions);
    tcase_add_loop_test(cases, refuses_bad_regions, 0, G_N_ELEMENTS(bad_regions));
    tcase_add_test(cases, writes_types);
    tcase_add_loop_test(cases, never_writes_over, 0, G_N_ELEMENTS(never_written));
    tcase_add_loop_test(cases, says_what_is_unsupported, 0, G_N_ELEMENTS(unsupported));
    return unit_run("group", cases);
}
